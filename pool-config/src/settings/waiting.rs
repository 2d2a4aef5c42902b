//! `max_waiting`: a number of callers, or the word `auto`.

use schemars::{Schema, json_schema};
use serde_json::{Value as Json, json};

use crate::kind::{Kind, Whole};
use crate::problem::Mistake;
use crate::suggest::nearest;
use crate::yaml::{Node, Value};

/// The most callers a queue may be bounded to; a longer one is written as 0, unbounded.
const MOST: usize = 1_000_000;

const AUTO: &str = "auto";

/// How many callers may wait for a connection of a pool; further ones fail at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MaxWaiting {
    /// `auto`: as many as can be served before they give up.
    Auto,
    /// So many; 0 = any number.
    Callers(usize),
}

impl MaxWaiting {
    /// Any number of callers.
    pub const UNBOUNDED: Self = MaxWaiting::Callers(0);
}

/// `auto`, or a whole number.
#[derive(Debug, Clone, Copy)]
pub(super) struct WaitingLimit;

impl WaitingLimit {
    const fn callers() -> Whole<usize> {
        Whole::within(0..=MOST).of("callers").zero("unbounded")
    }
}

impl Kind for WaitingLimit {
    type Value = MaxWaiting;

    fn read(&self, node: &Node) -> Result<MaxWaiting, Mistake> {
        let word = if let Value::Text(word) = &node.value { word.as_str() } else { "" };
        if word == AUTO {
            return Ok(MaxWaiting::Auto);
        }
        let read = Self::callers().read(node).map(MaxWaiting::Callers);
        read.map_err(|mistake| {
            let is_misspelt = nearest(&word.to_lowercase(), &[AUTO]).is_some();
            let help = if is_misspelt { format!("write `{AUTO}`") } else { mistake.help };
            Mistake { expected: self.allowed(), help, ..mistake }
        })
    }

    fn write(&self, value: &MaxWaiting) -> Json {
        match value {
            MaxWaiting::Auto => json!(AUTO),
            MaxWaiting::Callers(callers) => json!(callers),
        }
    }

    fn allowed(&self) -> String {
        format!("`{AUTO}` or {}", Self::callers().allowed())
    }

    fn unit(&self) -> &'static str {
        "callers"
    }

    fn schema(&self) -> Schema {
        json_schema!({ "anyOf": [{ "const": AUTO }, Self::callers().schema()] })
    }
}
