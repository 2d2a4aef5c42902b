//! What goes wrong.

use clap::ValueEnum;
use serde::Serialize;

/// A way for a database to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Fault {
    /// The server is stopped immediately, as by `pg_ctl stop -m immediate`; later it is started
    Stop,
    /// Open connections end, new ones are refused
    Refuse,
    /// Open connections are reset, new ones as soon as they are accepted
    Reset,
    /// Nothing that is sent arrives, over open connections and new ones, and nobody is told
    Blackhole,
    /// Open connections are reset, new ones are accepted and never answered
    Silence,
    /// The server is frozen by SIGSTOP: the kernel accepts, nobody answers; later it goes on
    Freeze,
    /// The server is stopped immediately and started at once
    Restart,
    /// The server is stopped immediately; later another one answers at the same address
    Failover,
}

impl Fault {
    /// All of them, in the order of the tables.
    pub(crate) const ALL: [Fault; 8] = [
        Fault::Stop,
        Fault::Refuse,
        Fault::Reset,
        Fault::Blackhole,
        Fault::Silence,
        Fault::Freeze,
        Fault::Restart,
        Fault::Failover,
    ];

    /// Those of a quick run.
    pub(crate) const QUICK: [Fault; 3] = [Fault::Stop, Fault::Blackhole, Fault::Refuse];

    /// Its name in tables, JSON, and on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Fault::Stop => "stop",
            Fault::Refuse => "refuse",
            Fault::Reset => "reset",
            Fault::Blackhole => "blackhole",
            Fault::Silence => "silence",
            Fault::Freeze => "freeze",
            Fault::Restart => "restart",
            Fault::Failover => "failover",
        }
    }

    /// Whether clients go through the proxy.
    pub(crate) fn is_of_the_network(self) -> bool {
        !matches!(self, Fault::Stop | Fault::Freeze | Fault::Restart)
    }

    /// Whether somebody has to end it. A restart ends by itself.
    pub(crate) fn lasts(self) -> bool {
        self != Fault::Restart
    }
}
