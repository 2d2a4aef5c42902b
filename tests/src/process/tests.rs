//! What a server of this module does that only its insides show.

use std::net::TcpListener;

use super::*;
use crate::redis::Redis;

#[tokio::test]
async fn a_port_that_somebody_else_has_is_given_up_for_another() {
    let somebody = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = somebody.local_addr().unwrap().port();
    let server = Server::launch_on(Redis::new(), std::iter::once(Ok(taken))).await.unwrap();
    assert_ne!(server.port(), taken);
    assert!(server.is_running());
}

#[tokio::test]
async fn a_server_that_ends_at_its_start_fails_with_its_log() {
    let error = Redis::new().setting("no-such-setting", "1").launch().await.unwrap_err().to_string();
    assert!(error.starts_with("start `redis-server` on port "), "{error}");
    assert!(error.contains("it ended with exit status: 1"), "{error}");
    assert!(error.contains("Bad directive"), "{error}");
}
