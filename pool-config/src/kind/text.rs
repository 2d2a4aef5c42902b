//! Text, names and paths.

use std::path::PathBuf;

use schemars::{Schema, json_schema};
use serde_json::Value as Json;

use super::{Kind, absent, describe};
use crate::problem::Mistake;
use crate::yaml::{Node, Value};

/// Text that says something: neither blank, nor with control characters in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Text;

impl Kind for Text {
    type Value = String;

    fn read(&self, node: &Node) -> Result<String, Mistake> {
        let text = raw(node)?;
        if text.trim() != text || text.contains(char::is_control) {
            return Err(Mistake::new(
                describe(node),
                "text on one line without spaces around it",
                "remove the spaces, line breaks and control characters",
            ));
        }
        Ok(text.to_owned())
    }

    fn write(&self, value: &String) -> Json {
        Json::String(value.clone())
    }

    fn allowed(&self) -> String {
        "text".to_owned()
    }

    fn schema(&self) -> Schema {
        json_schema!({ "type": "string", "minLength": 1 })
    }
}

/// The text of a node, whatever is in it but nothing.
pub(super) fn raw(node: &Node) -> Result<&str, Mistake> {
    let expected = "text";
    match &node.value {
        Value::Text(text) if text.trim().is_empty() && node.written.is_some() => {
            Err(Mistake::new(describe(node), "text that is not empty", "set the variable, or remove the key"))
        }
        Value::Text(text) if text.trim().is_empty() => {
            Err(Mistake::new("empty text", "text that is not empty", "write a value, or remove the key"))
        }
        Value::Text(text) => Ok(text),
        Value::Null => Err(absent(expected)),
        Value::Flag(_) | Value::Integer(_) | Value::Float(_) => {
            Err(Mistake::new(describe(node), expected, "put the value in quotes"))
        }
        Value::List(_) | Value::Map(_) => Err(Mistake::new(describe(node), expected, "write a single value")),
    }
}

/// What things are called in code, logs, metrics and environment variables.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Name;

impl Name {
    const MAX_LEN: usize = 63;
}

impl Kind for Name {
    type Value = String;

    fn read(&self, node: &Node) -> Result<String, Mistake> {
        let name = Text.read(node)?;
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        if name.len() > Self::MAX_LEN || !name.chars().all(fits) {
            let help = "choose a name that may also stand in metrics and variables";
            return Err(Mistake::new(describe(node), self.allowed(), help));
        }
        Ok(name)
    }

    fn write(&self, value: &String) -> Json {
        Json::String(value.clone())
    }

    fn allowed(&self) -> String {
        format!("at most {} letters, digits, `_`, `-` and `.`", Self::MAX_LEN)
    }

    fn schema(&self) -> Schema {
        json_schema!({ "type": "string", "pattern": format!("^[A-Za-z0-9_.-]{{1,{}}}$", Self::MAX_LEN) })
    }
}

/// The path of a file, which need not exist.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PathText;

impl Kind for PathText {
    type Value = PathBuf;

    fn read(&self, node: &Node) -> Result<PathBuf, Mistake> {
        Text.read(node).map(PathBuf::from)
    }

    fn write(&self, value: &PathBuf) -> Json {
        Json::String(value.to_string_lossy().into_owned())
    }

    fn allowed(&self) -> String {
        "the path of a file".to_owned()
    }

    fn schema(&self) -> Schema {
        Text.schema()
    }
}
