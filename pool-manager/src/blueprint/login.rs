//! From the password and the section `authentication` to a provider of credentials.
//!
//! | method | what the server is shown |
//! |---|---|
//! | `database` | the password, in whatever way the server asks for it |
//! | `ldap` | the same; the server asks for it in clear text, to hand it to a directory, so there must be TLS |
//! | `oauth2` | a token as the password |

#[cfg(feature = "oauth2")]
mod oauth2;

use std::time::Duration;

use pool_config::{AuthenticationMethod, PoolConfig, SecretSource};
use pool_drivers::credentials::{
    CommandCredentials, Credentials, EnvironmentCredentials, FileCredentials, Provider,
};

use super::Drawing;
use super::place::is_socket;
use super::tls::shown;
use crate::regular_file;

#[cfg(feature = "oauth2")]
pub(super) use oauth2::Tokens;

/// Who to log in as, and with what; `None` if the configuration says neither, or what it says cannot be had, which is an
/// objection then.
pub(super) fn provider(config: &PoolConfig, drawing: &mut Drawing<'_>) -> Option<Provider> {
    match config.authentication.method {
        AuthenticationMethod::Database => password(config, drawing),
        AuthenticationMethod::Ldap => {
            // sqlx sends PostgreSQL a password in clear text whenever it asks for one: nobody but us can refuse.
            if !config.ssl.enabled && !is_socket(config) {
                let problem =
                    "the server gets the password in clear text, so the connection must be encrypted";
                drawing.object("authentication.method", &"ldap", problem, "set `ssl.enabled: true`");
                return None;
            }
            password(config, drawing)
        }
        AuthenticationMethod::Oauth2 => token(config, drawing),
    }
}

/// How long it may take to get credentials: less than a connect may take as a whole, so that an error tells of them.
fn patience(config: &PoolConfig) -> Duration {
    config.authentication.timeout.min(config.settings.connect_timeout.mul_f64(0.8))
}

fn password(config: &PoolConfig, drawing: &mut Drawing<'_>) -> Option<Provider> {
    let source = config.password.as_ref()?;
    secret("password", source, patience(config), drawing)
}

/// A provider of the secret alone; `key` is that of its clear text in the configuration.
fn secret(
    key: &str,
    source: &SecretSource,
    time_limit: Duration,
    drawing: &mut Drawing<'_>,
) -> Option<Provider> {
    match source {
        SecretSource::Text(secret) => Some(Credentials::password(secret.expose()).into()),
        SecretSource::Environment(variable) => {
            if std::env::var_os(variable).is_none() {
                let help = "set it in the environment of the process, and start the process anew";
                drawing.object(&format!("{key}_env"), variable, "the variable is not set", help);
                return None;
            }
            Some(EnvironmentCredentials::password(variable).into())
        }
        SecretSource::File(path) => match regular_file::read(path) {
            Ok(content) => {
                drawing.fingerprint.add(&content);
                Some(FileCredentials::password(path).into())
            }
            Err(error) => {
                let help = "put the file there and let the process read it, or change the path";
                let problem = format!("the file cannot be read ({error})");
                drawing.object(&format!("{key}_file"), &shown(path), problem, help);
                None
            }
        },
        SecretSource::Command(words) => {
            let Some((program, arguments)) = words.split_first() else {
                drawing.object(&format!("{key}_command"), &"empty", "it names no program", "name one");
                return None;
            };
            Some(CommandCredentials::new(program).args(arguments).time_limit(time_limit).into())
        }
        _ => {
            drawing.object(key, &"***", "it comes from where this program cannot look", "write it otherwise");
            None
        }
    }
}

#[cfg(feature = "oauth2")]
fn token(config: &PoolConfig, drawing: &mut Drawing<'_>) -> Option<Provider> {
    drawing.kit.tokens.provider(config, drawing)
}

#[cfg(not(feature = "oauth2"))]
fn token(_config: &PoolConfig, drawing: &mut Drawing<'_>) -> Option<Provider> {
    let help = "build the program with the feature `oauth2` of pool-manager";
    drawing.object("authentication.method", &"oauth2", "this program was built without it", help);
    None
}
