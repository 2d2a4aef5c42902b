//! Values that nobody may see: passwords, and URLs that may hold one.

use schemars::{Schema, json_schema};
use serde_json::Value as Json;

use super::text::raw;
use super::{Kind, Text, describe};
use crate::problem::Mistake;
use crate::secret::Secret;
use crate::shown::{MASK, masked};
use crate::yaml::{Node, Value};

/// A password or another secret, in clear text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SecretText;

impl Kind for SecretText {
    type Value = Secret;

    fn read(&self, node: &Node) -> Result<Secret, Mistake> {
        // A password may be all digits; a message must not repeat it. So the mistakes of others do not fit.
        match &node.value {
            Value::Text(text) if !text.trim().is_empty() => Ok(Secret::new(text.as_str())),
            Value::Text(_) | Value::Null => raw(node).map(Secret::new),
            Value::List(_) | Value::Map(_) => {
                Err(Mistake::new(describe(node), self.allowed(), "write a single value"))
            }
            Value::Flag(_) | Value::Integer(_) | Value::Float(_) => {
                Err(Mistake::new("a value that is not text", self.allowed(), "put the value in quotes"))
            }
        }
    }

    fn write(&self, value: &Secret) -> Json {
        Json::String(value.expose().to_owned())
    }

    fn mask(&self, _: &Secret) -> Json {
        Json::String(MASK.to_owned())
    }

    fn allowed(&self) -> String {
        "text".to_owned()
    }

    fn schema(&self) -> Schema {
        json_schema!({ "type": "string", "minLength": 1, "writeOnly": true })
    }
}

/// A URL without its credentials and without its query, which may hold some under any name.
pub(super) fn shown_url(url: &str) -> String {
    let (address, query) = url.split_once('?').map_or((url, ""), |(address, _)| (address, "?***"));
    masked(address) + query
}

/// A program that prints a secret, and its arguments, which may be secrets too.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Command;

impl Kind for Command {
    type Value = Vec<String>;

    fn read(&self, node: &Node) -> Result<Vec<String>, Mistake> {
        let mistake = |found: &str, help: &str| Err(Mistake::new(found, self.allowed(), help));
        let Value::List(items) = &node.value else {
            return mistake("a value that is not a list", "write it as `[program, argument, argument]`");
        };
        let words: Vec<_> = items.iter().filter_map(|item| Text.read(item).ok()).collect();
        match words.first() {
            _ if words.len() < items.len() => {
                mistake("an entry that is not text", "put each entry in quotes")
            }
            None => mistake("an empty list", "write the program and its arguments"),
            Some(_) => Ok(words),
        }
    }

    fn write(&self, value: &Vec<String>) -> Json {
        value.iter().map(|word| Json::String(word.clone())).collect()
    }

    fn mask(&self, value: &Vec<String>) -> Json {
        let words =
            value.iter().enumerate().map(|(index, word)| if index == 0 { word.as_str() } else { MASK });
        words.map(|word| Json::String(word.to_owned())).collect()
    }

    fn allowed(&self) -> String {
        "a list of a program and its arguments".to_owned()
    }

    fn schema(&self) -> Schema {
        json_schema!({ "type": "array", "minItems": 1, "items": Text.schema() })
    }
}

/// A URL, which may hold credentials.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SecretUrl;

impl Kind for SecretUrl {
    type Value = Secret;

    fn read(&self, node: &Node) -> Result<Secret, Mistake> {
        let text = Text.read(node)?;
        let rest = text.split_once(':').map_or("", |(_, rest)| rest);
        if text.contains(char::is_whitespace) || rest.trim_matches('/').is_empty() {
            let help = "write it as `postgres://user@host:port/database`; `%20` is a space";
            return Err(Mistake::new(describe(node), self.allowed(), help));
        }
        Ok(Secret::new(text))
    }

    fn write(&self, value: &Secret) -> Json {
        Json::String(value.expose().to_owned())
    }

    fn mask(&self, value: &Secret) -> Json {
        Json::String(shown_url(value.expose()))
    }

    fn allowed(&self) -> String {
        "a URL".to_owned()
    }

    fn schema(&self) -> Schema {
        Text.schema()
    }
}

/// The URL of somebody who is told something, which anyone may do who knows its path.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HookUrl;

impl Kind for HookUrl {
    type Value = Secret;

    fn read(&self, node: &Node) -> Result<Secret, Mistake> {
        let mistake =
            |found: &str| Err(Mistake::new(found, self.allowed(), "write it as `https://host/path`"));
        let Ok(text) = Text.read(node) else { return mistake("no such URL") };
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let authority = rest.unwrap_or_default().split(['/', '?', '#']).next().unwrap_or_default();
        if authority.is_empty() || text.contains(char::is_whitespace) {
            return mistake("no such URL");
        }
        Ok(Secret::new(text))
    }

    fn write(&self, value: &Secret) -> Json {
        Json::String(value.expose().to_owned())
    }

    fn mask(&self, value: &Secret) -> Json {
        Json::String(host_of(value.expose()))
    }

    fn allowed(&self) -> String {
        Endpoint.allowed()
    }

    fn schema(&self) -> Schema {
        Endpoint.schema()
    }
}

/// A URL up to its host, with [`MASK`] for the rest.
fn host_of(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return MASK.to_owned() };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if rest.contains('@') && !authority.contains('@') {
        // A password with a slash in it, perhaps: then this is no host but the beginning of it.
        return format!("{scheme}://{MASK}");
    }
    let (login, host) = authority.rsplit_once('@').map_or(("", authority), |(_, host)| ("***@", host));
    let path = if rest.trim_end_matches('/').len() > authority.len() { "/***" } else { "" };
    format!("{scheme}://{login}{host}{path}")
}

/// The URL of an endpoint that is spoken to over HTTP: no place for credentials.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Endpoint;

impl Kind for Endpoint {
    type Value = String;

    fn read(&self, node: &Node) -> Result<String, Mistake> {
        let text = Text.read(node)?;
        let mistake = |found: &str, help: &str| Err(Mistake::new(found, self.allowed(), help));
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let authority = rest.unwrap_or_default().split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return mistake("a URL with credentials in it", "write them under keys of their own");
        }
        if authority.is_empty() || text.contains(char::is_whitespace) {
            return mistake("no such URL", "write it as `https://host/path`");
        }
        Ok(text)
    }

    fn write(&self, value: &String) -> Json {
        Json::String(value.clone())
    }

    fn mask(&self, value: &String) -> Json {
        Json::String(shown_url(value))
    }

    fn allowed(&self) -> String {
        "a URL that begins with https:// or http://".to_owned()
    }

    fn schema(&self) -> Schema {
        json_schema!({ "type": "string", "pattern": "^https?://|\\$\\{" })
    }
}
