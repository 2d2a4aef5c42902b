//! Ctrl-C and SIGTERM: the first ends the load early, the second skips the rest, the third ends the process.

use std::future::pending;
use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Which signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGINT, as Ctrl-C sends it.
    Interrupt,
    /// SIGTERM.
    Terminate,
}

impl Signal {
    /// The exit code of a process that a signal ended: 128 and the signal's number.
    pub fn exit_code(self) -> u8 {
        match self {
            Signal::Interrupt => 130,
            Signal::Terminate => 143,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Signal::Interrupt => "SIGINT",
            Signal::Terminate => "SIGTERM",
        }
    }
}

/// How much of a hurry somebody is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interruption {
    /// None.
    #[default]
    None,
    /// The load shall end; what is under way may finish, and everything is checked.
    Stop(Signal),
    /// Nothing more is waited for.
    Abandon(Signal),
}

/// Tells a run when to end. Clones tell of the same signals.
#[derive(Debug, Clone)]
pub struct Interruptions(watch::Receiver<Interruption>);

impl Interruptions {
    /// From any source of them.
    pub fn new(source: watch::Receiver<Interruption>) -> Self {
        Interruptions(source)
    }

    /// None will ever come.
    pub fn never() -> Self {
        Interruptions(watch::channel(Interruption::None).1)
    }

    /// Listens to SIGINT and SIGTERM from now on. The third signal ends the process at once.
    ///
    /// # Errors
    ///
    /// When the process cannot listen to signals.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its I/O driver.
    pub fn listen() -> io::Result<Self> {
        let mut interrupts = signal(SignalKind::interrupt())?;
        let mut terminations = signal(SignalKind::terminate())?;
        let (sender, receiver) = watch::channel(Interruption::None);
        tokio::spawn(async move {
            let mut received = 0;
            loop {
                let signal = tokio::select! {
                    _ = interrupts.recv() => Signal::Interrupt,
                    _ = terminations.recv() => Signal::Terminate,
                };
                received += 1;
                match received {
                    1 => sender.send_replace(Interruption::Stop(signal)),
                    2 => sender.send_replace(Interruption::Abandon(signal)),
                    _ => std::process::exit(i32::from(signal.exit_code())),
                };
            }
        });
        Ok(Interruptions(receiver))
    }

    /// Waits until the load shall end.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no signal.
    pub(crate) async fn stop(&mut self) -> Signal {
        self.wait(|interruption| match interruption {
            Interruption::None => None,
            Interruption::Stop(signal) | Interruption::Abandon(signal) => Some(signal),
        })
        .await
    }

    /// Waits until nothing more shall be waited for.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no signal.
    pub(crate) async fn abandon(&mut self) -> Signal {
        self.wait(|interruption| match interruption {
            Interruption::Abandon(signal) => Some(signal),
            _ => None,
        })
        .await
    }

    async fn wait(&mut self, wanted: impl Fn(Interruption) -> Option<Signal>) -> Signal {
        let found = self.0.wait_for(|interruption| wanted(*interruption).is_some()).await;
        match found.ok().and_then(|interruption| wanted(*interruption)) {
            Some(signal) => signal,
            // The source is gone: no signal will ever come.
            None => pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_second_signal_also_means_the_first() {
        let (sender, receiver) = watch::channel(Interruption::None);
        let mut interruptions = Interruptions::new(receiver);
        let soon = Duration::from_secs(1);
        assert!(timeout(soon, interruptions.stop()).await.is_err());
        sender.send_replace(Interruption::Stop(Signal::Interrupt));
        assert_eq!(interruptions.stop().await, Signal::Interrupt);
        assert!(timeout(soon, interruptions.abandon()).await.is_err());
        sender.send_replace(Interruption::Abandon(Signal::Terminate));
        assert_eq!(interruptions.stop().await, Signal::Terminate);
        assert_eq!(interruptions.abandon().await, Signal::Terminate);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_source_nothing_ever_comes() {
        let mut interruptions = Interruptions::never();
        assert!(timeout(Duration::from_secs(3_600), interruptions.stop()).await.is_err());
    }
}
