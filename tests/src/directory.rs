//! A directory that checks passwords: OpenLDAP, without TLS, for a database server to ask.

use std::path::PathBuf;

use rustix::process::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::process::{Kind, Place, Server, ServerError};

/// What all entries are below.
const SUFFIX: &str = "dc=orders,dc=test";

/// An anonymous bind of version 3, and the answer that it succeeded (RFC 4511, 4.2).
const BIND: [u8; 14] = [0x30, 0x0c, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0];
const BOUND: [u8; 14] = [0x30, 0x0c, 2, 1, 1, 0x61, 7, 0x0a, 1, 0, 4, 0, 4, 0];

/// The people of a directory.
#[derive(Clone, Default)]
pub struct Directory {
    people: Vec<(String, String)>,
}

impl Directory {
    /// Nobody.
    pub fn new() -> Self {
        Directory::default()
    }

    /// One more person, with a password. Name and password without anything that LDIF would take otherwise.
    pub fn person(mut self, name: impl Into<String>, password: impl Into<String>) -> Self {
        self.people.push((name.into(), password.into()));
        self
    }

    /// Starts a directory with these people and waits until it answers.
    ///
    /// # Errors
    ///
    /// OpenLDAP is not installed, or does not start.
    ///
    /// # Cancel safety
    ///
    /// Nothing stays behind.
    pub async fn launch(self) -> Result<Server<Self>, ServerError> {
        Server::launch(self).await
    }

    fn entries(&self) -> String {
        let top = format!("dn: {SUFFIX}\nobjectClass: domain\nobjectClass: top\ndc: orders\n");
        let person = |(name, password): &(String, String)| {
            format!(
                "\ndn: cn={name},{SUFFIX}\nobjectClass: person\ncn: {name}\nsn: {name}\nuserPassword: {password}\n"
            )
        };
        self.people.iter().map(person).fold(top, |all, person| all + &person)
    }
}

fn write_configuration(place: &Place) -> Result<String, ServerError> {
    let show = |path: PathBuf| path.display().to_string();
    let lines = [
        "include /etc/ldap/schema/core.schema".to_owned(),
        "include /etc/ldap/schema/cosine.schema".to_owned(),
        "modulepath /usr/lib/ldap".to_owned(),
        "moduleload back_mdb".to_owned(),
        format!("pidfile {}", show(place.path("slapd.pid"))),
        "database mdb".to_owned(),
        format!("suffix {SUFFIX}"),
        format!("directory {}", show(place.folder().to_path_buf())),
        "access to attrs=userPassword by anonymous auth".to_owned(),
    ];
    Ok(show(place.write("slapd.conf", &(lines.join("\n") + "\n"))?))
}

impl Kind for Directory {
    const PROGRAM: &'static str = "slapd";
    const USER: Option<&'static str> = None;
    const STOP: Signal = Signal::TERM;

    async fn create(&self, place: &Place) -> Result<(), ServerError> {
        let configuration = write_configuration(place)?;
        let entries = place.write("entries.ldif", &self.entries())?.display().to_string();
        place.run("slapadd", &["-f", &configuration, "-l", &entries], &[]).await
    }

    fn configure(&self, place: &Place) -> Result<Vec<String>, ServerError> {
        let listen = format!("ldap://127.0.0.1:{}/", place.port());
        let arguments = ["-f".to_owned(), write_configuration(place)?, "-h".to_owned(), listen];
        // In the foreground, with nothing to tell.
        Ok(arguments.into_iter().chain(["-d".to_owned(), "0".to_owned()]).collect())
    }

    async fn answers(&self, place: &Place) -> Result<(), String> {
        let ask = async {
            let mut stream = TcpStream::connect(("127.0.0.1", place.port())).await?;
            stream.write_all(&BIND).await?;
            let mut answer = [0; BOUND.len()];
            stream.read_exact(&mut answer).await.map(|_| answer)
        };
        match ask.await {
            Ok(BOUND) => Ok(()),
            Ok(answer) => Err(format!("it answers {answer:x?}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Server<Directory> {
    /// The rule by which PostgreSQL asks this directory, for `pg_hba.conf`; to stand behind who comes from where.
    pub fn rule_for_postgres(&self) -> String {
        format!(
            "ldap ldapserver=127.0.0.1 ldapport={} ldapprefix=\"cn=\" ldapsuffix=\",{SUFFIX}\"",
            self.port()
        )
    }
}
