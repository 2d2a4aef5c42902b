//! Why a database server of SQL cannot be used.

use pool_config::PoolConfig;
use pool_core::{Connector as _, Target};
#[cfg(feature = "mysql")]
use pool_drivers::mysql::MySqlConnector;
#[cfg(feature = "postgres")]
use pool_drivers::postgres::PgConnector;
use pool_drivers::server::{ConnectProblem, Refusal, ServerError};

use super::super::report::Check;
use super::{Explain, Failure};
use crate::blueprint::in_one_line;

#[cfg(feature = "postgres")]
impl Explain for PgConnector {
    fn explain(&self, error: &ServerError, pool: &PoolConfig) -> Failure {
        explain(error, self.refusal(error), self.target(), pool)
    }
}

#[cfg(feature = "mysql")]
impl Explain for MySqlConnector {
    fn explain(&self, error: &ServerError, pool: &PoolConfig) -> Failure {
        explain(error, self.refusal(error), self.target(), pool)
    }
}

fn explain(
    error: &ServerError,
    refusal: Option<Refusal>,
    target: Option<Target>,
    pool: &PoolConfig,
) -> Failure {
    let Target { host, database, .. } = target.unwrap_or_else(|| Target::new("", ""));
    let problem = match error {
        ServerError::Connect { problem, .. } => problem,
        ServerError::Credentials { source, .. } => return Failure::no_credentials(in_one_line(source)),
        error => return Failure::unreachable(in_one_line(error), "look at the log of the server"),
    };
    match problem {
        ConnectProblem::NameNotFound => Failure::unknown_host(&host),
        ConnectProblem::Refused => Failure::refused(),
        ConnectProblem::Dropped => Failure::unreachable(
            "the other side ended the connection before the login",
            "see whether a server of this kind listens there, what its log says, and whether it wants TLS",
        ),
        ConnectProblem::NotReady => {
            Failure::unreachable("the server is starting up or shutting down", "try again when it is up")
        }
        ConnectProblem::Tls(found) => Failure::tls(found.as_ref(), "the server does not encrypt connections"),
        ConnectProblem::LoginRefused => refused_login(refusal.unwrap_or(Refusal::Other), pool),
        ConnectProblem::NoDatabase => Failure::login(
            format!("the server has no database `{database}`"),
            "create it, or correct `database`",
        ),
        ConnectProblem::TooManyConnections => Failure::login(
            "the server is full: it has no room for another connection",
            "find out who has them all; lower `max_connections` of the pools, raise the limit of the server, or put a pooler before it",
        ),
        // What the server says of them may show a value of them.
        ConnectProblem::InitSql => Failure::login(
            "the statements of `init_sql` fail",
            "run them by hand as the user of the pool, and correct them",
        ),
        ConnectProblem::Options(text) => {
            Failure::new(Check::Configuration, false, *text, "change one of the settings it names")
        }
        _ => Failure::unreachable(in_one_line(error), "look at the log of the server"),
    }
}

fn refused_login(refusal: Refusal, pool: &PoolConfig) -> Failure {
    let text = refusal.to_string();
    let cure = match refusal {
        Refusal::Password if pool.password.is_none() && pool.url.is_none() => {
            "the pool has no password: add `password_file` or another of its kind"
        }
        Refusal::Password => {
            "compare `user` and password with those of the server; servers do not tell which of them is wrong"
        }
        Refusal::UnknownUser => "correct `user`, or create it on the server",
        Refusal::Database => "grant the user access to the database, or correct `database`",
        Refusal::Origin => {
            "let the server accept this user from this machine (pg_hba.conf, or the host part of the account); it may insist on TLS"
        }
        Refusal::Account => "unlock the account, or give it a new password",
        _ => "see what the log of the server says",
    };
    Failure::login(text, cure)
}
