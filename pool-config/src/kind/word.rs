//! One word of a few.

use std::fmt;
use std::marker::PhantomData;

use schemars::{Schema, json_schema};
use serde_json::Value as Json;

use super::{Kind, describe};
use crate::problem::Mistake;
use crate::suggest::nearest;
use crate::yaml::{Node, Value};

/// An enum whose variants have words in the file.
pub(crate) trait Word: Copy + PartialEq + 'static {
    /// Every word and what it stands for. The first word of a variant is the one that is written.
    const WORDS: &'static [(&'static str, Self)];

    /// The word for this variant.
    fn word(self) -> &'static str {
        let word = Self::WORDS.iter().find(|(_, variant)| *variant == self);
        word.map_or("", |(word, _)| word)
    }
}

/// One of the words of `T`.
pub(crate) struct Words<T>(PhantomData<T>);

impl<T: Word> Words<T> {
    pub(crate) const fn new() -> Self {
        Words(PhantomData)
    }

    fn all() -> Vec<&'static str> {
        T::WORDS.iter().map(|(word, _)| *word).collect()
    }
}

impl<T> fmt::Debug for Words<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Words")
    }
}

impl<T: Word> Kind for Words<T> {
    type Value = T;

    fn read(&self, node: &Node) -> Result<T, Mistake> {
        let word = if let Value::Text(word) = &node.value { word.as_str() } else { "" };
        if let Some((_, variant)) = T::WORDS.iter().find(|(known, _)| *known == word) {
            return Ok(*variant);
        }
        let help = match nearest(word, &Self::all()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "use one of these words".to_owned(),
        };
        Err(Mistake::new(describe(node), self.allowed(), help))
    }

    fn write(&self, value: &T) -> Json {
        Json::String(value.word().to_owned())
    }

    fn allowed(&self) -> String {
        format!("one of {}", Self::all().join(", "))
    }

    fn schema(&self) -> Schema {
        json_schema!({ "type": "string", "enum": Self::all() })
    }
}
