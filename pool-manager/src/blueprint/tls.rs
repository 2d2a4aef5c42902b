//! From the section `ssl` to TLS, once for all pools that have the same.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use pool_config::Ssl;
use pool_drivers::tls::{Tls, TlsError};

use super::problem::in_one_line;
use super::{Drawing, KEPT};
use crate::regular_file;

/// What was made of sections `ssl`. Pools of one section share what was read from disk: the certificates that a system
/// trusts are many.
#[derive(Default)]
pub(super) struct Shelf(Mutex<Vec<(Ssl, Tls)>>);

/// TLS by this section; `None` if it is switched off, or cannot be had, which is an objection then.
///
/// The files are read, so that one that is missing is told now and is not an outage later.
pub(super) fn tls(ssl: &Ssl, drawing: &mut Drawing<'_>) -> Option<Tls> {
    if !ssl.enabled {
        return None;
    }
    if !can_be_read(ssl, drawing) {
        return None;
    }
    let tls = drawing.kit.tls.get(ssl);
    if let Err(error) = tls.client_config(&[]) {
        object(&error, drawing);
        return None;
    }
    for (_, path) in files(ssl) {
        // It was read a moment ago. If it is gone, the next connect will tell.
        let content = regular_file::read(path).unwrap_or_default();
        drawing.fingerprint.add_certificate(&content, ssl.reload_on_change);
    }
    Some(tls)
}

/// The files that a section names, each with its key.
fn files(ssl: &Ssl) -> impl Iterator<Item = (&'static str, &PathBuf)> {
    let files = [
        ("ssl.ca_certificate", &ssl.ca_certificate),
        ("ssl.client_certificate", &ssl.client_certificate),
        ("ssl.client_key", &ssl.client_key),
    ];
    files.into_iter().filter_map(|(key, path)| Some((key, path.as_ref()?)))
}

/// Whether reading the files will come to an end; if not, that is an objection.
fn can_be_read(ssl: &Ssl, drawing: &mut Drawing<'_>) -> bool {
    let mut all = true;
    for (key, path) in files(ssl) {
        if let Some(problem) = regular_file::unreadable(path) {
            drawing.object(key, &shown(path), problem, "name a regular file that holds it as PEM");
            all = false;
        }
    }
    all
}

impl Shelf {
    #[cfg(all(test, feature = "all"))]
    pub(super) fn len(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn get(&self, ssl: &Ssl) -> Tls {
        let mut made = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, tls)) = made.iter().find(|(made_of, _)| made_of == ssl) {
            return tls.clone();
        }
        let mut tls = Tls::new().verify_peer(ssl.verify_peer);
        if let Some(path) = &ssl.ca_certificate {
            tls = tls.ca_certificate(path);
        }
        if let (Some(certificate), Some(key)) = (&ssl.client_certificate, &ssl.client_key) {
            tls = tls.client_certificate(certificate, key);
        }
        if made.len() == KEPT {
            made.remove(0);
        }
        made.push((ssl.clone(), tls.clone()));
        tls
    }
}

fn object(error: &TlsError, drawing: &mut Drawing<'_>) {
    match error {
        TlsError::File { role, path, problem, .. } => {
            let key = match *role {
                "client certificate" => "ssl.client_certificate",
                "client key" => "ssl.client_key",
                _ => "ssl.ca_certificate",
            };
            let help =
                "put the file there, or change the path; a relative one begins at the working directory";
            drawing.object(key, &shown(path), problem.to_string(), help);
        }
        error => {
            let help = "check the files that `ssl` names, or name an authority with `ssl.ca_certificate`";
            drawing.object("ssl.enabled", &true, in_one_line(error), help);
        }
    }
}

/// A path in quotes.
pub(super) fn shown(path: &Path) -> String {
    format!("`{}`", path.display())
}
