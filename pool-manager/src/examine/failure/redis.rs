//! Why Redis cannot be used.

use pool_config::PoolConfig;
use pool_drivers::redis::{LoginProblem, RedisConnector, RedisError};

use super::{Explain, Failure, net};
use crate::blueprint::in_one_line;

impl Explain for RedisConnector {
    fn explain(&self, error: &RedisError, _pool: &PoolConfig) -> Failure {
        match error {
            RedisError::Credentials(error) => Failure::no_credentials(in_one_line(error)),
            RedisError::Net(error) => net::explain(error),
            RedisError::Connect { source, .. } => net::of_system(source),
            RedisError::Tls(error) => net::of_tls(error),
            RedisError::Login { problem, .. } => refused(problem, error),
            error => Failure::unreachable(in_one_line(error), "look at the log of the server"),
        }
    }
}

fn refused(problem: &LoginProblem, error: &RedisError) -> Failure {
    match problem {
        LoginProblem::WrongPassword { user } => {
            let user = user.as_deref().unwrap_or("default");
            let text = format!("the server does not accept user `{user}` or its password");
            Failure::login(text, "compare `user` and password with those of the server (ACL LIST)")
        }
        LoginProblem::NoPassword => Failure::login(
            "the server wants a password, and the pool has none",
            "add `password_file` or another of its kind",
        ),
        LoginProblem::Full => Failure::login(
            "the server is full: it serves as many clients as `maxclients` allows",
            "find out who has them all (CLIENT LIST); lower `max_connections` of the pools, or raise `maxclients`",
        ),
        LoginProblem::NoDatabase(number) => Failure::login(
            format!("the server has no database {number}"),
            "correct `database`, or raise `databases` in the configuration of the server",
        ),
        // A peer that speaks TLS, or something else, ends the connection at our first word.
        _ => Failure::unreachable(
            in_one_line(error),
            "see whether a Redis listens there, what its log says, and whether it wants TLS",
        ),
    }
}
