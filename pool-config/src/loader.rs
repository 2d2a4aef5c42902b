//! From files and variables to a checked configuration: reading, laying one over the other, and collecting what is
//! wrong on the way.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Config;
use crate::error::ConfigError;
use crate::interpolate::interpolate;
use crate::merge::merge;
use crate::overrides;
use crate::problem::{Findings, Mistake, Problem, Problems};
use crate::section::{Notes, Origin};
use crate::source::{Place, Sources};
use crate::variables::{Absence, Variables};
use crate::yaml::{self, Node, Refusal};

/// The most bytes a file may have: more is not a configuration, and parsing it would cost the memory it asks for.
const MAX_BYTES: usize = 10 * 1024 * 1024;

/// The variable that names the environment, if [`Loader::environment`] does not.
const ENVIRONMENT_VARIABLE: &str = "POOL_ENV";

/// Loads a configuration from a file, the overlay of an environment, and variables.
///
/// What is set in several places is taken from the first of these that sets it:
///
/// 1. a variable of the environment, such as `POOL__DEFAULT_POOL__MAX_CONNECTIONS`;
/// 2. the overlay, `connection_pool.production.yaml` beside `connection_pool.yaml` for the environment `production`;
/// 3. the file itself;
/// 4. what is built in.
///
/// This is decided key by key, and before a pool inherits from `default_pool`: a pool's own key in the file wins over
/// one of `default_pool` in the overlay.
///
/// # Overlays
///
/// The environment is the one given by [`environment`](Self::environment), or else that of the variable `POOL_ENV`;
/// without either there is no overlay. One that is asked for must exist. It is laid over the file key by key; an entry
/// of `pools` is laid over the pool of the same `name`, or added if there is none; any other list replaces the list
/// below it. What says the same in another way replaces it too: a `password_file` the `password_env`, a `url` the `host`. `~` or `null` as a value removes the key, so that it is inherited again. A section with nothing in it
/// changes nothing.
///
/// # References to variables
///
/// In a value, not in a key, of either file:
///
/// | written | stands for |
/// |---|---|
/// | `${NAME}` | the variable; a mistake if it is not set |
/// | `${NAME:-default}` | the variable, or the default if it is not set or empty |
/// | `${NAME:?message}` | the variable; a mistake with this message if it is not set or empty |
/// | `$$` | a dollar sign; one before anything but `$` and `{` also stands for itself |
///
/// What a variable holds is put in as it is: it is not searched for references, nor read as YAML. Where a number or a
/// flag is expected, the text that results is read as one. A default cannot hold a `}` or a reference. A value that
/// the overlay or a variable replaces is not looked at.
///
/// # Variables that set a key
///
/// `POOL__` and the way to the key below `connection_pool`, with `__` between the steps:
/// `POOL__MONITORING__ENABLED=false`, `POOL__POOLS__orders__MAX_CONNECTIONS=20`. Keys may be written in large letters;
/// the name of a pool is the one in the file, or the same but for large letters and with `_` for what a variable's
/// name cannot hold. The value is taken as it is; a list is written in brackets, as in `["SET a = 1", "SET b = 2"]`.
/// A variable that leads to no pool or to an unknown key is a mistake.
///
/// # Examples
///
/// ```
/// use pool_config::Loader;
///
/// let directory = std::env::temp_dir().join(format!("pool-config-example-{}", std::process::id()));
/// std::fs::create_dir_all(&directory)?;
/// let file = directory.join("connection_pool.yaml");
/// let pool = "{name: orders, database: orders, host: '${DB_HOST:-localhost}', max_connections: 10}";
/// std::fs::write(&file, format!("connection_pool: {{pools: [{pool}]}}"))?;
/// let overlay = directory.join("connection_pool.production.yaml");
/// std::fs::write(&overlay, "connection_pool: {pools: [{name: orders, max_connections: 50}]}")?;
///
/// let variables = [("DB_HOST", "db.example"), ("POOL__POOLS__orders__MIN_CONNECTIONS", "7")];
/// let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
/// let loaded = Loader::new().environment("production").variables(variables).load(&file)?;
///
/// let orders = loaded.config.pool("orders").expect("the file names it");
/// assert_eq!(orders.host.as_deref(), Some("db.example")); // ${DB_HOST:-localhost}
/// assert_eq!(orders.settings.max_connections, 50); // from the overlay
/// assert_eq!(orders.settings.min_connections, 7); // from a variable
/// assert_eq!(loaded.files, [file, overlay]);
/// # std::fs::remove_dir_all(directory)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Loader {
    environment: Option<String>,
    variables: Variables,
}

/// A configuration, and what was learnt while it was loaded.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What its author should know of, though the configuration can be used.
    pub warnings: Vec<Problem>,
    /// The files it was read from: the file itself, and then the overlay if there is one.
    pub files: Vec<PathBuf>,
    /// The environment whose overlay was used.
    pub environment: Option<String>,
    /// Where each key was written, by its path.
    pub(crate) origins: HashMap<String, Origin>,
    pub(crate) sources: Arc<Sources>,
}

impl Default for Loader {
    fn default() -> Self {
        Self::new()
    }
}

impl Loader {
    /// A loader with the variables of this process, as they are now.
    #[must_use]
    pub fn new() -> Self {
        Self { environment: None, variables: Variables::of_process() }
    }

    /// A loader that knows no variables: what it loads depends on the files alone.
    #[must_use]
    pub fn without_variables() -> Self {
        Self { environment: None, variables: Variables::default() }
    }

    /// Uses the overlay of the environment `name`, whatever `POOL_ENV` says.
    #[must_use]
    pub fn environment(self, name: impl Into<String>) -> Self {
        Self { environment: Some(name.into()), ..self }
    }

    /// Uses these variables instead of those of the process, also for `POOL_ENV`.
    #[must_use]
    pub fn variables(self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: variables.into_iter().collect(), ..self }
    }

    /// Loads the file at `path`, and the overlay beside it if there is an environment.
    ///
    /// Files that they name (certificates, secrets, databases) are not opened.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Io`] if a file cannot be read, [`ConfigError::NoOverlay`] if there is none for the environment,
    /// [`ConfigError::EnvironmentName`] if that cannot be part of a file name, otherwise as
    /// [`load_text`](Self::load_text), which also holds for a file that is not UTF-8.
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Loaded, ConfigError> {
        let path = path.as_ref();
        let environment = self.environment_name()?;
        let mut texts = Texts::default();
        texts.read(&path.display().to_string(), &read_bytes(path)?);
        let mut files = vec![path.to_owned()];
        if let Some(environment) = &environment {
            let overlay = overlay_of(path, environment);
            let bytes = read_bytes(&overlay).map_err(|error| match error {
                ConfigError::Io { path, source } if source.kind() == io::ErrorKind::NotFound => {
                    ConfigError::NoOverlay { environment: environment.clone(), path }
                }
                other => other,
            })?;
            texts.read(&overlay.display().to_string(), &bytes);
            files.push(overlay);
        }
        Ok(Loaded { files, environment, ..texts.finish(&self.variables)? })
    }

    /// Loads the configuration in `text`, whose problems will name `source_name` as their file. It has no overlay,
    /// so the environment does not matter.
    ///
    /// # Errors
    ///
    /// [`ConfigError::Invalid`] with everything that is wrong. What leaves nothing to judge key by key is reported
    /// alone: broken YAML, more than 10 MiB of text, aliases that multiply without bound.
    pub fn load_text(&self, text: &str, source_name: &str) -> Result<Loaded, ConfigError> {
        let mut texts = Texts::default();
        texts.read(source_name, text.as_bytes());
        texts.finish(&self.variables)
    }

    fn environment_name(&self) -> Result<Option<String>, ConfigError> {
        let name = match &self.environment {
            Some(name) => name.as_str(),
            None => match self.variables.text(ENVIRONMENT_VARIABLE) {
                Ok("") | Err(Absence::Unset) => return Ok(None),
                Ok(name) => name,
                Err(Absence::NotUnicode) => "\u{FFFD}",
            },
        };
        let is_part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if name.is_empty() || !name.chars().all(is_part) {
            return Err(ConfigError::EnvironmentName { name: name.to_owned() });
        }
        Ok(Some(name.to_owned()))
    }
}

/// `connection_pool.production.yaml` for `connection_pool.yaml`.
fn overlay_of(path: &Path, environment: &str) -> PathBuf {
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(".");
    name.push(environment);
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

/// The bytes of a file, and of one too large only enough to see that it is.
fn read_bytes(path: &Path) -> Result<Vec<u8>, ConfigError> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(source) => Err(ConfigError::Io { path: path.to_owned(), source }),
    }
}

/// The texts of one configuration while they are read.
#[derive(Default)]
struct Texts {
    sources: Sources,
    /// The trees of the texts that can be judged key by key.
    documents: Vec<Node>,
    refused: Vec<(Place, Mistake)>,
    /// Whether there is a text without a tree.
    is_broken: bool,
}

impl Texts {
    /// Reads one more text, which is laid over those before.
    fn read(&mut self, source_name: &str, bytes: &[u8]) {
        let text = match text_of(bytes) {
            Ok(text) => text,
            Err((at, mistake)) => {
                let source = self.sources.add_file(source_name, String::new());
                self.refused.push((Place::at_offset(source, bytes, at), mistake));
                self.is_broken = true;
                return;
            }
        };
        let source = self.sources.add_file(source_name, text.to_owned());
        match yaml::parse(text, source) {
            Ok(document) => self.documents.push(document),
            Err(Refusal { mistakes, rest }) => {
                self.refused.extend(mistakes);
                self.is_broken |= rest.is_none();
                self.documents.extend(rest);
            }
        }
    }

    /// Puts everything together and checks it.
    fn finish(mut self, variables: &Variables) -> Result<Loaded, ConfigError> {
        let overrides = overrides::collect(variables, &mut self.sources);
        let source_name = self.sources.name(Place::START).to_owned();
        let mut notes = Notes::new(Problems::new(Arc::new(self.sources)));
        for (place, mistake) in self.refused {
            notes.problems.push(place, String::new(), mistake);
        }
        let mut config = None;
        // Why not judge what could be read if another text could not: the keys that it misses may stand there.
        if !self.is_broken
            && let Some(mut document) = self.documents.into_iter().reduce(laid_over)
        {
            overrides::apply(&mut document, overrides, &mut notes.problems);
            interpolate(&mut document, variables, &mut notes.problems);
            config = Config::read(&document, &mut notes);
        }
        let Notes { problems, origins } = notes;
        let has_errors = problems.len() > 0;
        let sources = problems.shared_sources();
        let Findings { problems, omitted } = problems.into_findings();
        match config {
            Some(config) if !has_errors => Ok(Loaded {
                config,
                warnings: problems,
                files: Vec::new(),
                environment: None,
                origins,
                sources,
            }),
            _ => Err(ConfigError::Invalid { source_name, problems, omitted }),
        }
    }
}

fn laid_over(mut below: Node, above: Node) -> Node {
    merge(&mut below, above);
    below
}

/// The bytes as text; or from which byte on they are none.
fn text_of(bytes: &[u8]) -> Result<&str, (usize, Mistake)> {
    if bytes.len() > MAX_BYTES {
        let mistake = Mistake::new(
            format!("more than {MAX_BYTES} bytes"),
            format!("at most {MAX_BYTES} bytes"),
            "check that this is the right file",
        );
        return Err((0, mistake));
    }
    str::from_utf8(bytes).map_err(|error| {
        let mistake = Mistake::new("bytes that are not UTF-8", "UTF-8 text", "save the file as UTF-8");
        (error.valid_up_to(), mistake)
    })
}

#[cfg(test)]
mod tests;
