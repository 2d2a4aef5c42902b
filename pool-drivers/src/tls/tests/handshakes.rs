//! Whom one speaks to, and who is refused with which words.

use tokio::io::AsyncWriteExt as _;

use super::authority::{Authority, Outcome, server, try_out};
use crate::tls::{Tls, TlsError, TlsProblem};

#[tokio::test]
async fn a_peer_of_the_right_authority_and_name_is_spoken_to() {
    let ours = Authority::new("ours");
    let issued = ours.issue("db.test", |_| ());
    assert!(try_out(&ours.client(), "db.test", server(&issued, None), &[]).await.is_success());
}

#[tokio::test]
async fn addresses_are_verified_like_names() {
    let ours = Authority::new("ours");
    for (address, host) in [("127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("::1", "[::1]")] {
        let issued = ours.issue(address, |_| ());
        assert!(try_out(&ours.client(), host, server(&issued, None), &[]).await.is_success(), "{host}");
    }
    let other = ours.issue("127.0.0.2", |_| ());
    let problem = try_out(&ours.client(), "127.0.0.1", server(&other, None), &[]).await.problem();
    assert!(matches!(problem, TlsProblem::WrongName { .. }), "{problem}");
}

#[tokio::test]
async fn a_wrong_authority_is_told() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let issued = theirs.issue("db.test", |_| ());
    let problem = try_out(&ours.client(), "db.test", server(&issued, None), &[]).await.problem();
    assert_eq!(problem, TlsProblem::UnknownIssuer);
}

#[tokio::test]
async fn an_authority_of_the_same_name_with_another_key_is_a_wrong_one() {
    let (old, new) = (Authority::new("ours"), Authority::new("ours"));
    let issued = new.issue("db.test", |_| ());
    let problem = try_out(&old.client(), "db.test", server(&issued, None), &[]).await.problem();
    assert_eq!(problem, TlsProblem::UnknownIssuer);
}

#[tokio::test]
async fn the_systems_authorities_do_not_include_ours() {
    let ours = Authority::new("ours");
    let issued = ours.issue("db.test", |_| ());
    match try_out(&Tls::new(), "db.test", server(&issued, None), &[]).await {
        Outcome::Failed { problem: Some(problem), .. } => assert_eq!(problem, TlsProblem::UnknownIssuer),
        Outcome::Failed { error: Some(TlsError::NoSystemCertificates { .. }), .. } => {} // a bare container
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_wrong_name_is_told_with_the_right_ones() {
    let ours = Authority::new("ours");
    let issued = ours.issue("db.test", |_| ());
    let problem = try_out(&ours.client(), "other.test", server(&issued, None), &[]).await.problem();
    let text = problem.to_string();
    assert!(matches!(problem, TlsProblem::WrongName { .. }), "{text}");
    assert!(text.contains("not for `other.test`") && text.contains("db.test"), "{text}");
}

#[tokio::test]
async fn the_name_to_verify_can_differ_from_the_host() {
    let ours = Authority::new("ours");
    let issued = ours.issue("db.test", |_| ());
    let tls = ours.client().server_name("db.test");
    assert!(try_out(&tls, "127.0.0.1", server(&issued, None), &[]).await.is_success());
}

#[tokio::test]
async fn an_expired_certificate_is_told_from_one_that_is_not_valid_yet() {
    let ours = Authority::new("ours");
    for (from, to, expected) in [(2001, 2002, TlsProblem::Expired), (2190, 2191, TlsProblem::NotYetValid)] {
        let issued = ours.valid_from_to("db.test", from, to);
        let problem = try_out(&ours.client(), "db.test", server(&issued, None), &[]).await.problem();
        assert_eq!(problem, expected);
    }
}

#[tokio::test]
async fn without_verification_anybody_is_accepted() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let issued = theirs.valid_from_to("other.test", 2001, 2002);
    let tls = ours.client().verify_peer(false);
    assert!(try_out(&tls, "db.test", server(&issued, None), &[]).await.is_success());
}

#[tokio::test]
async fn a_required_client_certificate_that_is_missing_is_told() {
    let ours = Authority::new("ours");
    let issued = ours.issue("db.test", |_| ());
    let problem = try_out(&ours.client(), "db.test", server(&issued, Some(&ours)), &[]).await.problem();
    assert_eq!(problem, TlsProblem::ClientCertificateRequired);
    assert_eq!(problem.class(), pool_core::ErrorClass::Auth);
}

#[tokio::test]
async fn a_client_certificate_is_presented_and_a_refused_one_is_told() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let issued = ours.issue("db.test", |_| ());
    for (authority, accepted) in [(&ours, true), (&theirs, false)] {
        let client = authority.issue("orders", |_| ());
        let tls = ours.client().client_certificate(
            ours.file("client.pem", &client.certificate.pem()),
            ours.file("client.key", &client.key.serialize_pem()),
        );
        let outcome = try_out(&tls, "db.test", server(&issued, Some(&ours)), &[]).await;
        if accepted {
            assert!(outcome.is_success(), "{outcome:?}");
        } else {
            let problem = outcome.problem();
            assert!(matches!(problem, TlsProblem::ClientCertificateRefused { .. }), "{problem}");
        }
    }
}

#[tokio::test]
async fn both_ends_agree_on_a_protocol() {
    let ours = Authority::new("ours");
    let issued = ours.issue("db.test", |_| ());
    let speaks = |protocols: &[&[u8]]| {
        let mut config = server(&issued, None);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        config
    };
    let tls = ours.client();
    for (offered, expected) in [
        (&[b"h2".as_slice(), b"http/1.1"][..], Some(b"h2".to_vec())),
        (&[b"http/1.1"], Some(b"http/1.1".to_vec())),
    ] {
        let outcome = try_out(&tls, "db.test", speaks(&[b"h2", b"http/1.1"]), offered).await;
        assert!(matches!(&outcome, Outcome::Spoke { protocol } if *protocol == expected), "{outcome:?}");
    }
    let problem = try_out(&tls, "db.test", speaks(&[b"h2"]), &[b"http/1.1"]).await.problem();
    assert_eq!(problem, TlsProblem::NothingInCommon);
}

#[tokio::test]
async fn a_peer_that_speaks_something_else_is_told() {
    let ours = Authority::new("ours");
    for greeting in ["HTTP/1.1 400 Bad Request\r\n\r\n", "SSH-2.0-OpenSSH_9.6\r\n", "220 mail.test ESMTP\r\n"]
    {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        far.write_all(greeting.as_bytes()).await.unwrap();
        let error = ours.client().connect("db.test", near, &[]).await.unwrap_err();
        assert_eq!(error.problem(), Some(&TlsProblem::NotTls), "{greeting}: {error:?}");
    }
}

#[tokio::test]
async fn a_name_that_is_none_is_refused_before_anything_is_sent() {
    let ours = Authority::new("ours");
    let (near, _far) = tokio::io::duplex(1024);
    let error = ours.client().connect("no name", near, &[]).await.unwrap_err();
    assert!(matches!(error, TlsError::ServerName { .. }), "{error:?}");
}
