//! What MySQL and MariaDB tell.

use std::collections::HashMap;

use sqlx::{Executor as _, Row as _};

use super::{Encryption, Facts, Room, ServerFacts};
use crate::mysql::MySqlConnection;

/// Of these the servers have some each: MySQL 8.4 has no `have_ssl`, MariaDB no `super_read_only`.
const VARIABLES: &str = "SHOW GLOBAL VARIABLES WHERE Variable_name IN \
    ('version', 'version_comment', 'read_only', 'super_read_only', 'have_ssl', 'max_connections')";

/// For the session, as an account may have a limit of its own; 0 stands for none.
const VARIABLES_OF_SESSION: &str = "SHOW SESSION VARIABLES LIKE 'max_user_connections'";

const STATUS: &str =
    "SHOW SESSION STATUS WHERE Variable_name IN ('Ssl_version', 'Ssl_cipher', 'Threads_connected')";

impl Facts for MySqlConnection {
    type Error = sqlx::Error;

    async fn facts(&mut self) -> Result<ServerFacts, sqlx::Error> {
        let mut told = HashMap::new();
        for question in [VARIABLES, VARIABLES_OF_SESSION, STATUS] {
            for row in self.fetch_all(question).await? {
                told.insert(row.try_get::<String, _>(0)?.to_ascii_lowercase(), row.try_get::<String, _>(1)?);
            }
        }
        Ok(read(told))
    }
}

fn read(mut told: HashMap<String, String>) -> ServerFacts {
    let mut text = |name: &str| told.remove(name).filter(|text| !text.is_empty());
    let is_on = |text: String| text.eq_ignore_ascii_case("on") || text == "1";
    let number = |text: String| text.parse::<u64>().ok();

    let version = text("version");
    let is_maria = [version.as_ref(), text("version_comment").as_ref()]
        .iter()
        .any(|text| text.is_some_and(|text| text.to_ascii_lowercase().contains("mariadb")));
    let cipher = text("ssl_cipher");
    let protocol = text("ssl_version");
    ServerFacts {
        product: Some(if is_maria { "MariaDB" } else { "MySQL" }),
        version,
        // Who it follows, it tells administrators only.
        is_replica: None,
        is_read_only: [text("read_only"), text("super_read_only")]
            .into_iter()
            .flatten()
            .map(is_on)
            .reduce(|a, b| a || b),
        tls: Some(if cipher.is_some() { Encryption::of(protocol, cipher) } else { Encryption::None }),
        offers_tls: text("have_ssl").map(|have| have.eq_ignore_ascii_case("yes")),
        room: Room {
            limit: text("max_connections").and_then(number),
            limit_of_user: text("max_user_connections").and_then(number).filter(|limit| *limit > 0),
            in_use: text("threads_connected").and_then(number),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(pairs: &[(&str, &str)]) -> ServerFacts {
        read(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[test]
    fn mysql_and_mariadb_are_told_apart() {
        assert_eq!(told(&[("version", "11.8.3-MariaDB-log")]).product, Some("MariaDB"));
        let comment = [("version", "11.8.3"), ("version_comment", "mariadb.org binary distribution")];
        assert_eq!(told(&comment).product, Some("MariaDB"));
        assert_eq!(told(&[("version", "8.4.6")]).product, Some("MySQL"));
    }

    #[test]
    fn what_is_not_told_is_not_made_up() {
        let facts = told(&[("version", "8.4.6"), ("max_user_connections", "0"), ("ssl_cipher", "")]);
        assert_eq!((facts.is_read_only, facts.offers_tls), (None, None));
        assert_eq!(facts.room, Room::default(), "0 is no limit");
        assert_eq!(facts.tls, Some(Encryption::None));
    }

    #[test]
    fn either_of_two_variables_makes_a_server_read_only() {
        assert_eq!(told(&[("read_only", "ON"), ("super_read_only", "OFF")]).is_read_only, Some(true));
        assert_eq!(told(&[("read_only", "0")]).is_read_only, Some(false));
    }
}
