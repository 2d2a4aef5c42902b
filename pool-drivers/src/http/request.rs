//! Makes a holder's request one that fits the connection: its URI, its `Host`, its version.

use hyper::header::{HOST, HeaderValue};
use hyper::http::request::Parts;
use hyper::http::uri::{Authority, PathAndQuery, Scheme};
use hyper::{Method, Uri, Version};

use super::error::RequestProblem;
use crate::net::Location;

/// Fills in what the connection knows: HTTP/1.1 wants a path and a `Host`, HTTP/2 the whole URI.
pub(super) fn fit(parts: &mut Parts, origin: &Location, version: Version) -> Result<(), RequestProblem> {
    if parts.method == Method::CONNECT {
        return Err(RequestProblem::Connect);
    }
    if parts.uri.authority().is_some() && !is_of(&parts.uri, origin) {
        return Err(RequestProblem::OtherOrigin);
    }
    let path = parts.uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"));
    parts.version = version;
    if version == Version::HTTP_2 {
        // HTTP/2 has no `Host`; what a holder wrote there is meant for what HTTP/2 has instead.
        let authority = match parts.headers.remove(HOST) {
            Some(host) => Authority::try_from(host.as_bytes()).ok(),
            None => origin.authority().to_string().parse().ok(),
        };
        let scheme = if origin.is_secure() { Scheme::HTTPS } else { Scheme::HTTP };
        parts.uri = Uri::builder()
            .scheme(scheme)
            .authority(authority.ok_or(RequestProblem::Malformed)?)
            .path_and_query(path)
            .build()
            .map_err(|_| RequestProblem::Malformed)?;
    } else {
        parts.uri = Uri::from(path);
        if !parts.headers.contains_key(HOST) {
            let host = HeaderValue::try_from(origin.authority().to_string());
            parts.headers.insert(HOST, host.map_err(|_| RequestProblem::Malformed)?);
        }
    }
    Ok(())
}

fn is_of(uri: &Uri, origin: &Location) -> bool {
    let secure = match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => true,
        Some(scheme) if *scheme == Scheme::HTTP => false,
        _ => return false,
    };
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let host = uri.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    secure == origin.is_secure() && port == origin.port() && bare.eq_ignore_ascii_case(origin.bare_host())
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;
    use crate::http::connector::SCHEMES;

    fn fitted(origin: &str, request: Request<()>, version: Version) -> Result<Parts, RequestProblem> {
        let origin = Location::parse(origin, &SCHEMES).unwrap();
        let (mut parts, ()) = request.into_parts();
        fit(&mut parts, &origin, version).map(|()| parts)
    }

    #[test]
    fn http_1_gets_a_path_and_a_host() {
        for uri in ["/items?name=lamp", "http://Orders.test:8080/items?name=lamp"] {
            let request = Request::get(uri).body(()).unwrap();
            let parts = fitted("http://orders.test:8080", request, Version::HTTP_11).unwrap();
            assert_eq!(parts.uri, "/items?name=lamp");
            assert_eq!(parts.headers[HOST], "orders.test:8080");
        }
    }

    #[test]
    fn a_host_that_the_holder_sets_is_kept() {
        let request = || Request::get("/").header(HOST, "shop.test").body(()).unwrap();
        let parts = fitted("http://127.0.0.1:8080", request(), Version::HTTP_11).unwrap();
        assert_eq!(parts.headers[HOST], "shop.test");
        let parts = fitted("http://127.0.0.1:8080", request(), Version::HTTP_2).unwrap();
        assert_eq!(parts.uri, "http://shop.test/");
        assert!(!parts.headers.contains_key(HOST));
    }

    #[test]
    fn http_2_gets_the_whole_uri() {
        let request = Request::get("/items").body(()).unwrap();
        let parts = fitted("https://[::1]", request, Version::HTTP_2).unwrap();
        assert_eq!(parts.uri, "https://[::1]/items");
    }

    #[test]
    fn another_origin_is_refused() {
        for uri in ["https://orders.test/", "http://other.test/", "http://orders.test:81/"] {
            let request = Request::get(uri).body(()).unwrap();
            let problem = fitted("http://orders.test", request, Version::HTTP_11).unwrap_err();
            assert_eq!(problem, RequestProblem::OtherOrigin, "{uri}");
        }
    }

    #[test]
    fn a_connect_is_refused() {
        let request = Request::connect("orders.test:80").body(()).unwrap();
        let problem = fitted("http://orders.test", request, Version::HTTP_11).unwrap_err();
        assert_eq!(problem, RequestProblem::Connect);
    }
}
