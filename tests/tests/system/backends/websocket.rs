//! WebSocket.

use std::net::SocketAddr;
use std::time::Duration;

use pool_drivers::websocket::{WebSocketConnection, WebSocketConnector};
use pool_tests::local::LocalServer;
use pool_tests::websocket::WebSocket;

use super::backend::{Mess, Outcome};
use super::wired::{Service, Wired};

impl Service for LocalServer<WebSocket> {
    type Connector = WebSocketConnector;

    async fn launch(idle_cut: Option<Duration>) -> Self {
        let server = WebSocket::new().launch().unwrap();
        server.close_idle_after(idle_cut);
        server
    }

    fn connector_by_way_of(&self, address: SocketAddr) -> WebSocketConnector {
        WebSocketConnector::new(&format!("ws://{address}/")).unwrap()
    }

    async fn ask(connection: &mut WebSocketConnection, question: &str) -> Outcome<String> {
        Ok(connection.request(question).await?.into_text()?.to_string())
    }

    /// There are no transactions: what can be left is a message.
    async fn leave(connection: &mut WebSocketConnection, mess: Mess) {
        match mess {
            Mess::Begun => connection.send("whose?").await.unwrap(),
            Mess::Failed => {
                connection.send("drop").await.unwrap();
                // An end or an error: both are the end of it.
                drop(connection.next().await);
            }
            Mess::Unread => {
                connection.send("push 3").await.unwrap();
                connection.next().await.unwrap().unwrap();
            }
        }
    }

    async fn is_clean(connection: &mut WebSocketConnection) -> bool {
        <Self as Service>::ask(connection, "mine").await.is_ok_and(|answer| answer == "mine")
    }

    async fn sessions(&self) -> usize {
        self.open()
    }

    async fn kill_sessions(&self) {
        self.reset_all().await;
    }
}

super::every_case!(Wired<LocalServer<WebSocket>>);
super::every_case_over_a_wire!(LocalServer<WebSocket>);
