//! One request to one address: all that telling alerts over HTTP needs.
//!
//! A connection is opened for each request: there is one a minute, and what was kept open would have been closed by then. Redirects
//! are not followed. What is answered is not read but for the status, so that nothing of it can get into a log.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use hyper::{Request, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::SinkError;

/// A text is no address that alerts can be sent to. It does not show the text, which may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("read the URL of an alert sink: {problem}")]
#[non_exhaustive]
pub struct PushUrlError {
    /// What is wrong with it.
    pub problem: &'static str,
}

/// Where to, and as whom. `Debug` shows scheme, host and port alone.
#[derive(Clone)]
pub(super) struct Endpoint {
    /// Host and port, for people.
    address: String,
    /// As in the header of that name.
    host_header: HeaderValue,
    host: String,
    port: u16,
    path: String,
    authorization: Option<HeaderValue>,
    tls: Option<Tls>,
}

/// How to speak TLS.
#[derive(Clone, Default)]
struct Tls {
    /// Trusted instead of those that the system trusts.
    authorities: Option<Arc<RootCertStore>>,
    /// Made at the first request: reading the system's certificates takes a while.
    config: Arc<OnceLock<Arc<ClientConfig>>>,
}

impl Endpoint {
    /// Reads `http://user:password@host:port/path?query`, or the same with `https`. User and password become HTTP Basic.
    pub(super) fn parse(url: &str) -> Result<Self, PushUrlError> {
        let fail = |problem| PushUrlError { problem };
        let uri: Uri = url.parse().map_err(|_| fail("it is not a URL"))?;
        let tls = match uri.scheme_str() {
            Some("http") => None,
            Some("https") => Some(Tls::default()),
            _ => return Err(fail("it begins with neither http:// nor https://")),
        };
        let (Some(authority), Some(host)) = (uri.authority(), uri.host().filter(|host| !host.is_empty()))
        else {
            return Err(fail("it names no host"));
        };
        let port = match (authority.port(), &tls) {
            (Some(_), _) => uri.port_u16().ok_or(fail("its port is out of range"))?,
            (None, None) => 80,
            (None, Some(_)) => 443,
        };
        let (login, host_and_port) = authority
            .as_str()
            .rsplit_once('@')
            .map_or((None, authority.as_str()), |(login, rest)| (Some(login), rest));
        let host_header = HeaderValue::from_str(host_and_port).map_err(|_| fail("its host is not a name"))?;
        let mut endpoint = Endpoint {
            address: format!("{host}:{port}"),
            host_header,
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port,
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
            authorization: None,
            tls,
        };
        if let Some(login) = login {
            let (user, password) = login.split_once(':').unwrap_or((login, ""));
            let mut plain = percent_decode_str(user).collect::<Vec<u8>>();
            plain.push(b':');
            plain.extend(percent_decode_str(password));
            endpoint.authorize(&format!("Basic {}", BASE64_STANDARD.encode(plain)))?;
        }
        Ok(endpoint)
    }

    /// Adds to the path, before the query.
    pub(super) fn join(&mut self, path: &str) {
        let (before, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let mark = if query.is_empty() { "" } else { "?" };
        self.path = format!("{}{path}{mark}{query}", before.trim_end_matches('/'));
    }

    #[cfg(test)]
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Sends `Authorization: Bearer` and the token.
    pub(super) fn bearer(&mut self, token: &str) -> Result<(), PushUrlError> {
        self.authorize(&format!("Bearer {token}"))
    }

    fn authorize(&mut self, value: &str) -> Result<(), PushUrlError> {
        let mut value = HeaderValue::from_str(value).map_err(|_| PushUrlError {
            problem: "its credentials have characters that a header cannot hold",
        })?;
        value.set_sensitive(true);
        self.authorization = Some(value);
        Ok(())
    }

    /// Trusts the authorities in this PEM text instead of those that the system trusts.
    pub(super) fn trust(&mut self, pem: &[u8]) -> Result<(), PushUrlError> {
        let fail = |problem| PushUrlError { problem };
        let mut authorities = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|_| fail("its CA certificate is not PEM"))?;
            authorities.add(certificate).map_err(|_| fail("its CA certificate cannot be used"))?;
        }
        if authorities.is_empty() {
            return Err(fail("there is no certificate in the text of its CA certificate"));
        }
        let Some(tls) = &mut self.tls else { return Err(fail("it has a CA certificate, and no https://")) };
        *tls = Tls { authorities: Some(Arc::new(authorities)), config: Arc::default() };
        Ok(())
    }

    /// Posts JSON; an answer of 2xx is success.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection. The request may have arrived.
    pub(super) async fn post(&self, json: Vec<u8>) -> Result<(), SinkError> {
        let failed = |source| SinkError::Connect { host: self.address.clone(), source };
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(failed)?;
        let status = match &self.tls {
            None => self.exchange(stream, json).await?,
            Some(tls) => {
                let name = ServerName::try_from(self.host.clone())
                    .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
                let connector = TlsConnector::from(tls.config().await.map_err(failed)?);
                let stream = connector.connect(name, stream).await.map_err(failed)?;
                self.exchange(stream, json).await?
            }
        };
        if status.is_success() {
            Ok(())
        } else {
            Err(SinkError::Status { host: self.address.clone(), status: status.as_u16() })
        }
    }

    async fn exchange(
        &self,
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        json: Vec<u8>,
    ) -> Result<StatusCode, SinkError> {
        let failed = |source: hyper::Error| SinkError::Exchange {
            host: self.address.clone(),
            source: Box::new(source),
        };
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        // Dropping the set ends the connection.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let mut request = Request::post(&self.path)
            .header(HOST, &self.host_header)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("pool-monitor/", env!("CARGO_PKG_VERSION")));
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        let request = request
            .body(Full::new(Bytes::from(json)))
            .map_err(|error| SinkError::Permanent { source: Box::new(error) })?;
        Ok(sender.send_request(request).await.map_err(failed)?.status())
    }
}

impl Tls {
    async fn config(&self) -> io::Result<Arc<ClientConfig>> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let authorities = match &self.authorities {
            Some(authorities) => Arc::clone(authorities),
            None => tokio::task::spawn_blocking(system_authorities).await.map_err(io::Error::other)?.into(),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_root_certificates(authorities)
            .with_no_client_auth();
        Ok(Arc::clone(self.config.get_or_init(|| Arc::new(config))))
    }
}

/// Those that cannot be read are left out, as everybody does: one that is missing shows when it is needed.
fn system_authorities() -> RootCertStore {
    let mut authorities = RootCertStore::empty();
    authorities.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    authorities
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        write!(f, "{scheme}://{}/…", self.address)
    }
}
