//! Certificates and keys: whether they can be used, and how long still.
//!
//! Whether they can be used, the drivers' own TLS says, in the words that a connect would have. It does not look at the dates of
//! what it presents and trusts; those are read here.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pool_config::Ssl;
use pool_drivers::tls::{Tls, TlsError};
use x509_parser::pem::Pem;
use x509_parser::time::ASN1Time;

use super::{Look, path_of};

/// So long before its end a certificate is to be renewed: two weeks leave time for a holiday.
const SOON: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The files of one section, each with its path; those that are looked at elsewhere left out.
struct Section {
    prefix: String,
    ca_certificate: Option<PathBuf>,
    /// The certificate and its key.
    pair: Option<(PathBuf, PathBuf)>,
}

/// Looks at each file once, where it is written first.
pub(super) fn look(look: &mut Look<'_>) {
    let config = &look.loaded.config;
    let general = Section::of("security.ssl".to_owned(), &config.security.ssl);
    let pools = config.pools.iter().filter(|pool| pool.enabled && pool.ssl.enabled);
    let mut pools: Vec<_> =
        pools.map(|pool| Section::of(format!("{}.ssl", path_of(pool)), &pool.ssl)).collect();
    let is_used = |inherits: fn(&Section, &Section) -> bool| {
        config.security.ssl.enabled || pools.iter().any(|pool| inherits(pool, &general))
    };
    let ca_certificate =
        general.ca_certificate.clone().filter(|_| is_used(|a, b| a.ca_certificate == b.ca_certificate));
    let pair = general.pair.clone().filter(|_| is_used(|a, b| a.pair == b.pair));
    for pool in &mut pools {
        pool.ca_certificate.take_if(|file| general.ca_certificate.as_ref() == Some(file));
        pool.pair.take_if(|pair| general.pair.as_ref() == Some(pair));
    }
    let general = Section { ca_certificate, pair, ..general };
    for Section { prefix, ca_certificate, pair } in std::iter::once(general).chain(pools) {
        if let Some(file) = ca_certificate {
            look.at_authorities(&format!("{prefix}.ca_certificate"), &file);
        }
        if let Some((certificate, key)) = pair {
            look.at_pair(&prefix, &certificate, &key);
        }
    }
}

impl Section {
    fn of(prefix: String, ssl: &Ssl) -> Self {
        let pair = ssl.client_certificate.clone().zip(ssl.client_key.clone());
        Section { prefix, ca_certificate: ssl.ca_certificate.clone(), pair }
    }
}

impl Look<'_> {
    fn at_authorities(&mut self, path: &str, file: &Path) {
        let expected = "a file of PEM certificates by which servers are verified";
        let Some(content) = self.at_file(path, file, expected) else { return };
        if let Err(error) = Tls::new().ca_certificate(file).client_config(&[]) {
            self.at_useless(path, file, &error, expected);
            return;
        }
        // A bundle may hold some that are over: the best of them counts.
        let best = certificates(&content).into_iter().map(|dates| dates.at(self.now)).max();
        self.at_dates(path, file, best);
    }

    fn at_pair(&mut self, prefix: &str, certificate: &Path, key: &Path) {
        let (certificate_path, key_path) =
            (format!("{prefix}.client_certificate"), format!("{prefix}.client_key"));
        let expected = "the PEM certificate that is shown to servers";
        let expected_key = "the PEM key of `client_certificate`, not encrypted";
        let content = self.at_file(&certificate_path, certificate, expected);
        let key_content = self.at_file(&key_path, key, expected_key);
        if key_content.is_some() {
            self.at_permissions(&key_path, key);
        }
        let (Some(content), Some(_)) = (content, key_content) else { return };
        // Without verification no authorities are read: this is about the pair alone.
        let tls = Tls::new().verify_peer(false).client_certificate(certificate, key);
        if let Err(error) = tls.client_config(&[]) {
            let is_of_key = matches!(error, TlsError::File { role: "client key", .. });
            let (path, file, expected) = if is_of_key {
                (&key_path, key, expected_key)
            } else {
                (&certificate_path, certificate, expected)
            };
            self.at_useless(path, file, &error, expected);
            return;
        }
        // The first is that of this service; the others lead to its authority.
        let own = certificates(&content).first().map(|dates| dates.at(self.now));
        self.at_dates(&certificate_path, certificate, own);
    }

    fn at_useless(&mut self, path: &str, file: &Path, error: &TlsError, expected: &str) {
        let problem = match error {
            TlsError::File { problem, .. } => problem.to_string(),
            error => error.to_string(),
        };
        self.error(
            path,
            format!("`{}`: {problem}", file.display()),
            expected,
            "correct the path, or replace the file",
        );
    }

    fn at_dates(&mut self, path: &str, file: &Path, standing: Option<Standing>) {
        let file = file.display();
        let expected = "a certificate that is valid now";
        match standing {
            Some(Standing::Expired(end)) => {
                let help = "have it renewed, or set the clock of this machine";
                self.error(path, format!("`{file}`, which has expired on {end}"), expected, help);
            }
            Some(Standing::Begins(begin)) => {
                let help = "wait, or set the clock of this machine";
                self.error(path, format!("`{file}`, which is not valid before {begin}"), expected, help);
            }
            Some(Standing::EndsSoon(end)) => {
                let expected = "a certificate that is valid for two weeks and more";
                self.warn(path, format!("`{file}`, which expires on {end}"), expected, "have it renewed");
            }
            Some(Standing::Good) | None => {}
        }
    }
}

/// How a certificate is at a time, from the worst to the best; with the day that matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Standing {
    Expired(String),
    Begins(String),
    EndsSoon(String),
    Good,
}

/// From when to when a certificate is valid.
#[derive(Debug, Clone, Copy)]
struct Dates {
    begin: ASN1Time,
    end: ASN1Time,
}

impl Dates {
    fn at(self, now: SystemTime) -> Standing {
        // Before 1970 there were no certificates.
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let now = seconds(now.duration_since(UNIX_EPOCH).unwrap_or_default());
        let day = |time: ASN1Time| time.to_datetime().date().to_string();
        match () {
            () if self.end.timestamp() < now => Standing::Expired(day(self.end)),
            () if self.begin.timestamp() > now => Standing::Begins(day(self.begin)),
            () if self.end.timestamp() < now.saturating_add(seconds(SOON)) => {
                Standing::EndsSoon(day(self.end))
            }
            () => Standing::Good,
        }
    }
}

/// The dates of all certificates in a file, in its order. What cannot be read was objected to before.
fn certificates(pem: &[u8]) -> Vec<Dates> {
    Pem::iter_from_buffer(pem)
        .filter_map(Result::ok)
        .filter(|block| block.label.ends_with("CERTIFICATE"))
        .filter_map(|block| {
            let validity = block.parse_x509().ok()?.validity().clone();
            Some(Dates { begin: validity.not_before, end: validity.not_after })
        })
        .collect()
}
