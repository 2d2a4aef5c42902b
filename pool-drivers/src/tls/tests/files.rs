//! What is read from disk: again when it changed, and refused with the file's name when it is of no use.

use std::fs;
use std::sync::Arc;

use super::authority::{Authority, server, try_out};
use crate::tls::{FileProblem, Tls, TlsError, TlsProblem};

fn problem_with(tls: &Tls) -> (&'static str, FileProblem, String) {
    let error = tls.client_config(&[]).unwrap_err();
    let text = error.to_string();
    match error {
        TlsError::File { role, problem, .. } => (role, problem, text),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_new_authority_on_disk_is_used_at_the_next_connect() {
    let (old, new) = (Authority::new("ours"), Authority::new("ours"));
    let path = old.file("ca.pem", &old.pem());
    let tls = Tls::new().ca_certificate(&path);
    let issued = new.issue("db.test", |_| ());
    let problem = try_out(&tls, "db.test", server(&issued, None), &[]).await.problem();
    assert_eq!(problem, TlsProblem::UnknownIssuer);

    fs::write(&path, new.pem()).unwrap();
    assert!(try_out(&tls, "db.test", server(&issued, None), &[]).await.is_success());
}

#[tokio::test]
async fn a_new_client_certificate_on_disk_is_used_at_the_next_connect() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let issued = ours.issue("db.test", |_| ());
    let (refused, accepted) = (theirs.issue("orders", |_| ()), ours.issue("orders", |_| ()));
    let certificate = ours.file("client.pem", &refused.certificate.pem());
    let key = ours.file("client.key", &refused.key.serialize_pem());
    let tls = ours.client().client_certificate(&certificate, &key);
    assert!(!try_out(&tls, "db.test", server(&issued, Some(&ours)), &[]).await.is_success());

    // In the middle of the replacement.
    fs::write(&certificate, accepted.certificate.pem()).unwrap();
    assert_eq!(problem_with(&tls).1, FileProblem::KeyDoesNotFit);

    fs::write(&key, accepted.key.serialize_pem()).unwrap();
    assert!(try_out(&tls, "db.test", server(&issued, Some(&ours)), &[]).await.is_success());
}

#[test]
fn what_did_not_change_is_made_once() {
    let ours = Authority::new("ours");
    let tls = ours.client();
    let plain = tls.client_config(&[]).unwrap();
    let offering = tls.clone().client_config(&[b"h2"]).unwrap();
    assert!(Arc::ptr_eq(&plain, &tls.client_config(&[]).unwrap()));
    assert!(Arc::ptr_eq(&offering, &tls.client_config(&[b"h2"]).unwrap()));
    assert!(!Arc::ptr_eq(&plain, &tls.server_name("x").client_config(&[]).unwrap()), "other settings");
}

#[test]
fn files_of_no_use_are_named_with_the_reason() {
    let ours = Authority::new("ours");
    let good = ours.issue("orders", |_| ());
    let other = ours.issue("orders", |_| ());
    let certificate = ours.file("good.pem", &good.certificate.pem());
    let key = ours.file("good.key", &good.key.serialize_pem());
    let empty = ours.file("empty.pem", "");
    let damaged = ours.file("damaged.pem", "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n");
    let rubbish = ours.file("rubbish.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let wrong_key = ours.file("wrong.key", &other.key.serialize_pem());
    let bad_key = ours.file("bad.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let missing = certificate.with_file_name("missing.pem");
    let directory = certificate.parent().unwrap();

    let ca = |path: &std::path::Path| Tls::new().ca_certificate(path);
    let pair = |certificate: &std::path::Path, key: &std::path::Path| {
        ours.client().client_certificate(certificate, key)
    };
    for (tls, role, problem, file) in [
        (ca(&missing), "CA certificate", FileProblem::Missing, "missing.pem"),
        (ca(directory), "CA certificate", FileProblem::Unreadable, ""),
        (ca(&empty), "CA certificate", FileProblem::NoCertificate, "empty.pem"),
        (ca(&key), "CA certificate", FileProblem::NoCertificate, "good.key"),
        (ca(&damaged), "CA certificate", FileProblem::NotPem, "damaged.pem"),
        (ca(&rubbish), "CA certificate", FileProblem::BadCertificate, "rubbish.pem"),
        (pair(&missing, &key), "client certificate", FileProblem::Missing, "missing.pem"),
        (pair(&rubbish, &key), "client certificate", FileProblem::BadCertificate, "rubbish.pem"),
        (pair(&certificate, &missing), "client key", FileProblem::Missing, "missing.pem"),
        (pair(&certificate, &certificate), "client key", FileProblem::NoKey, "good.pem"),
        (pair(&certificate, &bad_key), "client key", FileProblem::BadKey, "bad.key"),
        (pair(&certificate, &wrong_key), "client key", FileProblem::KeyDoesNotFit, "wrong.key"),
    ] {
        let (found_role, found, text) = problem_with(&tls);
        assert_eq!((found_role, found), (role, problem), "{text}");
        assert!(text.contains(file) && text.contains(&problem.to_string()), "{text}");
    }
}

#[test]
fn who_verifies_nobody_needs_no_authorities() {
    let tls = Tls::new().ca_certificate("/nowhere/ca.pem").verify_peer(false);
    tls.client_config(&[]).unwrap();
}

#[test]
fn debug_shows_paths_and_no_contents() {
    let ours = Authority::new("ours");
    let issued = ours.issue("orders", |_| ());
    let key = issued.key.serialize_pem();
    let tls = ours
        .client()
        .client_certificate(ours.file("c.pem", &issued.certificate.pem()), ours.file("c.key", &key));
    tls.client_config(&[]).unwrap();
    let shown = format!("{tls:?}");
    assert!(shown.contains("c.key") && shown.contains("ca.pem"), "{shown}");
    assert!(!shown.contains(key.lines().nth(1).unwrap()), "{shown}");
}
