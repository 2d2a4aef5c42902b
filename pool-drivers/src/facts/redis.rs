//! What Redis tells.

use ::redis::{ErrorKind, RedisResult, ServerErrorKind, Value, cmd};

use super::{Encryption, Facts, Room, ServerFacts};
use crate::redis::RedisConnection;

impl Facts for RedisConnection {
    type Error = ::redis::RedisError;

    async fn facts(&mut self) -> RedisResult<ServerFacts> {
        let info: String = match cmd("INFO").query_async(self).await {
            Ok(info) => info,
            Err(error) if is_forbidden(&error) => String::new(),
            Err(error) => return Err(error),
        };
        let mut facts = read(&info);
        facts.tls = Some(self.encryption.clone().unwrap_or(Encryption::None));
        if facts.room.limit.is_none() {
            facts.room.limit = match cmd("CONFIG").arg("GET").arg("maxclients").query_async(self).await {
                Ok(value) => limit(value),
                Err(error) if is_forbidden(&error) => None,
                Err(error) => return Err(error),
            };
        }
        Ok(facts)
    }
}

/// Whether the user may not ask, or the command was renamed, as hosters do.
fn is_forbidden(error: &::redis::RedisError) -> bool {
    matches!(error.kind(), ErrorKind::Server(ServerErrorKind::NoPerm | ServerErrorKind::ResponseError))
}

/// What `CONFIG GET` answers: names and values, in turn.
fn limit(value: Value) -> Option<u64> {
    let words: Vec<(String, u64)> = ::redis::from_redis_value(value).ok()?;
    words.into_iter().find_map(|(name, value)| (name == "maxclients").then_some(value))
}

/// Reads lines such as `role:master`.
fn read(info: &str) -> ServerFacts {
    let text = |name: &str| {
        info.lines().find_map(|line| {
            let (found, value) = line.trim_end().split_once(':')?;
            (found == name).then_some(value)
        })
    };
    let number = |name: &str| text(name)?.parse().ok();
    let is_replica = text("role").map(|role| role == "slave");
    let (product, version) = match text("valkey_version") {
        Some(version) => (Some("Valkey"), Some(version)),
        None => (text("redis_version").map(|_| "Redis"), text("redis_version")),
    };
    // From Redis 7 on: `listener1:name=tls,bind=127.0.0.1,port=6380`.
    let mut listeners = info.lines().filter(|line| line.starts_with("listener")).peekable();
    let offers_tls = listeners.peek().is_some().then(|| listeners.any(|line| line.contains("name=tls,")));
    ServerFacts {
        product,
        version: version.map(str::to_owned),
        is_replica,
        is_read_only: is_replica.map(|is_replica| is_replica && text("slave_read_only") != Some("0")),
        tls: None,
        offers_tls,
        room: Room { limit: number("maxclients"), limit_of_user: None, in_use: number("connected_clients") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_redis_says_is_read() {
        let facts = read(
            "# Server\r\nredis_version:8.0.2\r\nlistener0:name=tcp,bind=127.0.0.1,port=6379\r\n\
             # Clients\r\nconnected_clients:3\r\nmaxclients:10000\r\n# Replication\r\nrole:master\r\n",
        );
        assert_eq!((facts.product, facts.version.as_deref()), (Some("Redis"), Some("8.0.2")));
        assert_eq!((facts.is_replica, facts.is_read_only), (Some(false), Some(false)));
        assert_eq!(
            (facts.room.limit, facts.room.in_use, facts.offers_tls),
            (Some(10000), Some(3), Some(false))
        );
    }

    #[test]
    fn a_replica_may_be_told_to_take_writes() {
        let replica = |more: &str| read(&format!("role:slave\r\nslave_read_only:{more}\r\n")).is_read_only;
        assert_eq!((replica("1"), replica("0")), (Some(true), Some(false)));
    }

    #[test]
    fn what_redis_may_not_say_is_not_made_up() {
        assert_eq!(read(""), ServerFacts::default());
    }
}
