//! HTTP/1.1, with a path that is asked for when a connection is validated.

use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Bytes;
use pool_drivers::http::{HttpBody, HttpConnection, HttpConnector};
use pool_tests::http::Http;
use pool_tests::local::LocalServer;

use super::backend::{Mess, Outcome};
use super::wired::{Service, Wired};

impl Service for LocalServer<Http> {
    type Connector = HttpConnector;

    async fn launch(idle_cut: Option<Duration>) -> Self {
        let server = Http::new().launch().unwrap();
        server.close_idle_after(idle_cut);
        server
    }

    fn connector_by_way_of(&self, address: SocketAddr) -> HttpConnector {
        HttpConnector::new(&format!("http://{address}")).unwrap().health_path("/health").unwrap()
    }

    async fn ask(connection: &mut HttpConnection, question: &str) -> Outcome<String> {
        let request = Request::post("/echo").body(Full::new(Bytes::copy_from_slice(question.as_bytes())))?;
        let body = connection.send(request).await?.into_body().collect().await?;
        Ok(String::from_utf8(body.to_bytes().to_vec())?)
    }

    /// There are no transactions: what can be left is an answer.
    async fn leave(connection: &mut HttpConnection, mess: Mess) {
        match mess {
            // Little enough to be read and thrown away.
            Mess::Begun => drop(begin(connection, "/big?bytes=30000").await.frame().await),
            Mess::Failed => drop(begin(connection, "/half").await.collect().await.unwrap_err()),
            Mess::Unread => drop(begin(connection, "/big?bytes=10000000").await.frame().await),
        }
    }

    async fn is_clean(connection: &mut HttpConnection) -> bool {
        <Self as Service>::ask(connection, "mine").await.is_ok_and(|answer| answer == "mine")
    }

    async fn sessions(&self) -> usize {
        self.open()
    }

    async fn kill_sessions(&self) {
        self.reset_all().await;
    }
}

/// The body of an answer.
async fn begin(connection: &mut HttpConnection, path: &str) -> HttpBody {
    let request = Request::get(path).body(Full::new(Bytes::new())).unwrap();
    connection.send(request).await.unwrap().into_body()
}

super::every_case!(Wired<LocalServer<Http>>);
super::every_case_over_a_wire!(LocalServer<Http>);
