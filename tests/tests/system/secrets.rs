//! No password is ever shown: not by `Debug`, not by an error and its sources, not by an event, not in statistics.
//!
//! The log is searched after the whole run, see [`pool_tests::log`]. Here everything that a program could log is said.

use std::error::Error;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::Request;
use pool_core::{Connector, Observer, Pool, PoolEvent};
use pool_drivers::credentials::{
    CommandCredentials, CredentialProvider, Credentials, EnvironmentCredentials, FileCredentials,
    OAuth2Config, OAuth2Credentials, Provider,
};
use pool_drivers::http::HttpConnector;
use pool_drivers::mysql::MySqlConnector;
use pool_drivers::postgres::PgConnector;
use pool_drivers::redis::RedisConnector;
use pool_drivers::redis::redis::AsyncCommands as _;
use pool_drivers::sqlite::SqliteConnector;
use pool_drivers::websocket::WebSocketConnector;
use pool_tests::http::Http;
use pool_tests::mariadb::MariaDb;
use pool_tests::pgbouncer::PgBouncer;
use pool_tests::postgres::Postgres;
use pool_tests::redis::Redis;
use pool_tests::token::TokenEndpoint;
use pool_tests::websocket::WebSocket;
use sqlx::ConnectOptions as _;

/// What every secret of these tests contains.
const CANARY: &str = "canary";

const SECRET: &str = "canary-4711";

/// Takes down what is said.
#[derive(Clone, Default)]
struct Scribe(Arc<Mutex<Vec<String>>>);

impl Scribe {
    fn note(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    fn debug(&self, value: &dyn Debug) {
        self.note(format!("{value:?} {value:#?}"));
    }

    /// An error, as it and all its sources are shown.
    fn error(&self, error: &dyn Error) {
        let mut next = Some(error);
        while let Some(error) = next {
            self.note(format!("{error} {error:?}"));
            next = error.source();
        }
    }

    fn pool<C: Connector + Debug>(&self, pool: &Pool<C>) {
        self.note(pool.target().map_or_else(String::new, |target| target.to_string()));
        self.debug(pool);
        self.debug(pool.connector());
        self.debug(&pool.options());
        self.debug(&pool.snapshot());
        self.debug(&pool.histograms());
        self.debug(&pool.connections());
        self.debug(&pool.holders());
        self.debug(&pool.outage());
    }

    fn verdict(&self) {
        let texts = self.0.lock().unwrap();
        assert!(texts.len() > 10, "{texts:?}");
        for text in texts.iter() {
            assert!(!text.contains(CANARY), "{text}");
        }
    }
}

impl Observer for Scribe {
    fn event(&self, pool: &str, event: &PoolEvent) {
        self.note(format!("{pool} {event:?}"));
    }
}

/// Has a pool say everything, in good times and in bad. `fails` uses a connection so that the peer refuses it.
async fn say_everything<C>(
    connector: C,
    wrong: Option<C>,
    fails: impl AsyncFn(&mut C::Connection) -> Option<Box<dyn Error>>,
    end_server: impl AsyncFnOnce(),
) where
    C: Connector + Debug,
    C::Connection: Debug,
{
    let scribe = Scribe::default();
    let build = |connector| {
        let pool = Pool::builder(connector).max_connections(2).observer(scribe.clone());
        pool.acquire_timeout(Duration::from_secs(2)).build().unwrap()
    };
    if let Some(wrong) = wrong {
        scribe.error(&wrong.connect().await.map(drop).expect_err("the login is wrong"));
        let pool = build(wrong);
        scribe.error(&pool.acquire().await.map(drop).expect_err("the login is wrong"));
        scribe.error(&pool.warm_up().await.expect_err("the login is wrong"));
        scribe.pool(&pool);
    }

    let pool = build(connector);
    let mut connection = pool.acquire().await.unwrap();
    scribe.debug(&connection);
    scribe.debug(&*connection);
    if let Some(error) = fails(&mut connection).await {
        scribe.error(&*error);
    }
    let other = pool.acquire().await.unwrap();
    let late = pool.acquire_timeout(Duration::from_millis(50)).await.map(drop);
    scribe.error(&late.expect_err("both are out"));
    scribe.pool(&pool);
    drop((connection, other));

    end_server().await;
    pool.evict_all();
    if let Err(error) = pool.acquire().await.map(drop) {
        scribe.error(&error);
    }
    scribe.pool(&pool);
    scribe.debug(&pool.close(Duration::from_secs(2)).await);
    scribe.error(&pool.acquire().await.map(drop).expect_err("the pool is closed"));
    scribe.verdict();
}

#[tokio::test]
async fn postgres_shows_no_password() {
    let server = Postgres::new().launch().await.unwrap();
    server.create_user("app", SECRET).await.unwrap();
    let connector = |password: &str| PgConnector::from_url(&server.url("app", password, "app")).unwrap();
    let fails = async |connection: &mut pool_drivers::postgres::PgConnection| {
        Some(connection.run("SELECT no FROM nothing").await.unwrap_err().into())
    };
    let wrong = Some(connector("canary-wrong"));
    say_everything(connector(SECRET), wrong, fails, async || server.kill().await.unwrap()).await;
}

#[tokio::test]
async fn postgres_behind_a_pooler_shows_no_password() {
    let server = Postgres::new().launch().await.unwrap();
    server.create_user("app", SECRET).await.unwrap();
    let bouncer = PgBouncer::in_front_of(&server).user("app", SECRET).launch().await.unwrap();
    let connector = |password: &str| {
        PgConnector::from_url(&bouncer.url("app", password, "app")).unwrap().transaction_pooling(true)
    };
    let fails = async |connection: &mut pool_drivers::postgres::PgConnection| {
        Some(connection.run("SELECT no FROM nothing").await.unwrap_err().into())
    };
    let wrong = Some(connector("canary-wrong"));
    say_everything(connector(SECRET), wrong, fails, async || bouncer.kill().await.unwrap()).await;
}

#[tokio::test]
async fn mariadb_shows_no_password() {
    let server = MariaDb::new().launch().await.unwrap();
    server.create_user("app", SECRET).await.unwrap();
    let connector = |password: &str| MySqlConnector::from_url(&server.url("app", password, "app")).unwrap();
    let fails = async |connection: &mut pool_drivers::mysql::MySqlConnection| {
        Some(connection.run("SELECT no FROM nothing").await.unwrap_err().into())
    };
    let wrong = Some(connector("canary-wrong"));
    say_everything(connector(SECRET), wrong, fails, async || server.kill().await.unwrap()).await;
}

#[tokio::test]
async fn redis_shows_no_password() {
    let server = Redis::new().user("app", SECRET).launch().await.unwrap();
    let connector = |password: &str| RedisConnector::new(&server.user_url("app", password)).unwrap();
    let fails = async |connection: &mut pool_drivers::redis::RedisConnection| {
        Some(connection.incr::<_, _, i64>("lamp", "much").await.unwrap_err().into())
    };
    let wrong = Some(connector("canary-wrong"));
    say_everything(connector(SECRET), wrong, fails, async || server.kill().await.unwrap()).await;
}

#[tokio::test]
async fn sqlite_shows_no_key() {
    // SQLite without encryption takes any key, and ignores it.
    let key = format!("'{SECRET}'");
    let connector =
        SqliteConnector::memory().options(|options| options.pragma("key", key).disable_statement_logging());
    let fails = async |connection: &mut pool_drivers::sqlite::SqliteConnection| {
        Some(connection.run("SELECT no FROM nothing").await.unwrap_err().into())
    };
    say_everything(connector, None, fails, async || {}).await;
}

#[tokio::test]
async fn http_shows_no_header() {
    let server = Http::new().launch().unwrap();
    let connector = HttpConnector::new(&server.url()).unwrap();
    let fails = async |connection: &mut pool_drivers::http::HttpConnection| {
        let request = Request::get("/").header("authorization", format!("Bearer {SECRET}"));
        let request = request.body(http_body_util::Empty::<hyper::body::Bytes>::new()).unwrap();
        let answer = connection.send(request).await.unwrap();
        assert!(answer.status().is_success());
        None
    };
    say_everything(connector, None, fails, async || server.kill().await).await;
    let error = HttpConnector::new(&format!("http://app:{SECRET}@127.0.0.1")).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(CANARY), "{error}");
}

#[tokio::test]
async fn websocket_shows_no_header_and_no_query() {
    let server = WebSocket::new().launch().unwrap();
    let connector = |url: &str| {
        let connector = WebSocketConnector::new(&format!("{url}?token={SECRET}")).unwrap();
        connector.header("Authorization", &format!("Bearer {SECRET}")).unwrap()
    };
    let fails = async |connection: &mut pool_drivers::websocket::WebSocketConnection| {
        connection.request("lamp").await.unwrap();
        None
    };
    let wrong = Some(connector("ws://127.0.0.1:1/"));
    say_everything(connector(&format!("{}/", server.url())), wrong, fails, async || server.kill().await)
        .await;
}

#[tokio::test]
async fn providers_of_credentials_show_none() {
    let scribe = Scribe::default();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    let binary = folder.path().join("binary");
    std::fs::write(&binary, [SECRET.as_bytes(), &[0xff, 0]].concat()).unwrap();
    let endpoint = TokenEndpoint::new("orders", SECRET).launch().unwrap();
    endpoint.next_token("canary-token");
    let oauth2 = |secret: &str, url: String| {
        let config = OAuth2Config::new(url, "orders", Credentials::password(secret));
        scribe.debug(&config);
        OAuth2Credentials::new(config.allow_plain_http(true)).unwrap()
    };

    async fn ask(scribe: &Scribe, provider: impl CredentialProvider + Debug, good: bool) {
        scribe.debug(&provider);
        let provider = Provider::from(provider);
        scribe.debug(&provider);
        match provider.credentials().await {
            Ok(credentials) => {
                assert!(good, "{credentials:?}");
                scribe.debug(&credentials);
            }
            Err(error) => {
                assert!(!good, "{error:?}");
                scribe.error(&error);
            }
        }
    }
    ask(&scribe, Credentials::new("app", SECRET), true).await;
    ask(&scribe, FileCredentials::password(&file), true).await;
    ask(&scribe, FileCredentials::password(&binary), false).await;
    ask(&scribe, FileCredentials::password(folder.path().join("none")), false).await;
    ask(&scribe, EnvironmentCredentials::password("POOL_TESTS_NOT_SET"), false).await;
    ask(&scribe, CommandCredentials::new("printf").args([SECRET]), true).await;
    ask(&scribe, CommandCredentials::new("sh").args(["-c", &format!("echo {SECRET}; exit 3")]), false).await;
    ask(&scribe, oauth2(SECRET, endpoint.url()), true).await;
    ask(&scribe, oauth2("canary-wrong", endpoint.url()), false).await;
    ask(&scribe, oauth2(SECRET, String::from("http://127.0.0.1:1/token")), false).await;
    scribe.verdict();
}
