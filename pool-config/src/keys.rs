//! Keys as they are declared: once, with all that there is to say about each.
//!
//! A struct that [`keys!`] declares is at the same time the public data, its defaults, its documentation, and a list of
//! keys that a [`Visitor`] goes through. One visitor reads a file, another lists what a configuration holds, a third
//! describes what it may hold. So the reader, the JSON Schema, the reference and the difference of two files cannot
//! disagree about a key.

use crate::class::ReloadClass;
use crate::kind::{Command, Kind, Optional, PathText, SecretText, Text};
use crate::pool::PoolConfig;
use crate::secret::SecretSource;
use crate::section::Section;

/// Whatever has keys.
pub(crate) trait Keys: Clone + PartialEq {
    /// Shows each key to `visitor`, in the order of the reference.
    fn visit<V: Visitor>(&mut self, visitor: &mut V);

    /// What a field is called in the file; `None` if there is no such field, or its own fields stand in its place.
    fn key_of(_field: &str) -> Option<&'static str> {
        None
    }

    /// Reports what is wrong between several keys. Called when `section` was read into this value.
    fn check(&self, _section: &mut Section<'_>) {}
}

/// An entry of a list that is known by its name.
pub(crate) trait Named: Keys {
    /// One of this name, which says nothing else.
    fn called(name: String) -> Self;

    /// What it is called.
    fn name(&self) -> &str;
}

/// Goes through keys. `doc` is the documentation of the key, `name` what it is called in the file.
pub(crate) trait Visitor: Sized {
    /// A key with a value.
    fn value<K: Kind>(
        &mut self,
        doc: &'static str,
        slot: &mut K::Value,
        name: &'static str,
        kind: K,
        class: ReloadClass,
    );

    /// A key that must be there.
    fn required<K: Kind>(
        &mut self,
        doc: &'static str,
        slot: &mut K::Value,
        name: &'static str,
        kind: K,
        class: ReloadClass,
    ) {
        self.value(doc, slot, name, kind, class);
    }

    /// A section of keys.
    fn section<S: Keys>(&mut self, doc: &'static str, slot: &mut S, name: &'static str);

    /// A section whose keys are inherited from the section at the path `base`, of which `slot` holds a copy.
    fn inheriting<S: Keys>(&mut self, doc: &'static str, slot: &mut S, name: &'static str, _base: &str) {
        self.section(doc, slot, name);
    }

    /// A section that may be left out.
    fn optional<S: Keys + Default>(&mut self, doc: &'static str, slot: &mut Option<S>, name: &'static str);

    /// A list of sections that are told apart by where they stand.
    fn list<S: Keys + Default>(&mut self, doc: &'static str, slot: &mut Vec<S>, name: &'static str);

    /// A list of sections, each with a name of its own.
    fn named_list<S: Named>(&mut self, doc: &'static str, slot: &mut Vec<S>, name: &'static str);

    /// The name of an entry of a list.
    fn named(&mut self, doc: &'static str, slot: &mut String, name: &'static str);

    /// Keys that stand among those of the section around them.
    fn flat<S: Keys>(&mut self, _doc: &'static str, slot: &mut S) {
        slot.visit(self);
    }

    /// The list of pools, each of which begins as a copy of `template`.
    fn pools(
        &mut self,
        doc: &'static str,
        slot: &mut Vec<PoolConfig>,
        name: &'static str,
        template: &PoolConfig,
    );

    /// A secret, from one of four keys, of which `name` is the first.
    fn secret(
        &mut self,
        doc: &'static str,
        slot: &mut Option<SecretSource>,
        _name: &'static str,
        keys: &SecretKeys,
    ) {
        self.secret_parts(doc, slot, keys);
    }

    /// The four keys of a secret, one by one.
    fn secret_parts(&mut self, doc: &'static str, slot: &mut Option<SecretSource>, keys: &SecretKeys) {
        let SecretKeys { text, environment, file, command, class } = *keys;
        let before = slot.take();
        let mut parts = SecretParts::of(before.clone());
        self.value(doc, &mut parts.text, text, Optional(SecretText), class);
        let doc = "the environment variable that holds it, looked up at each connect";
        self.value(doc, &mut parts.environment, environment, Optional(Text), class);
        let doc = "the file that holds it, read at each connect; white space around it is cut off";
        self.value(doc, &mut parts.file, file, Optional(PathText), class);
        let doc = "the program that prints it, and its arguments; it is run at each connect, without a shell";
        self.value(doc, &mut parts.command, command, Optional(Command), class);
        *slot = parts.latest(before.as_ref());
    }
}

/// What the four keys of a secret are called.
#[derive(Debug)]
pub(crate) struct SecretKeys {
    pub(crate) text: &'static str,
    pub(crate) environment: &'static str,
    pub(crate) file: &'static str,
    pub(crate) command: &'static str,
    pub(crate) class: ReloadClass,
}

impl SecretKeys {
    pub(crate) fn all(&self) -> [&'static str; 4] {
        [self.text, self.environment, self.file, self.command]
    }
}

/// The four keys of a secret apart.
#[derive(Default)]
struct SecretParts {
    text: Option<crate::secret::Secret>,
    environment: Option<String>,
    file: Option<std::path::PathBuf>,
    command: Option<Vec<String>>,
}

impl SecretParts {
    fn of(source: Option<SecretSource>) -> Self {
        let mut parts = Self::default();
        match source {
            None => {}
            Some(SecretSource::Text(text)) => parts.text = Some(text),
            Some(SecretSource::Environment(variable)) => parts.environment = Some(variable),
            Some(SecretSource::File(path)) => parts.file = Some(path),
            Some(SecretSource::Command(command)) => parts.command = Some(command),
        }
        parts
    }

    /// The source that is new, if any is; else the one there was. Two new ones are reported by whoever reads.
    fn latest(self, before: Option<&SecretSource>) -> Option<SecretSource> {
        let all = [
            self.text.map(SecretSource::Text),
            self.environment.map(SecretSource::Environment),
            self.file.map(SecretSource::File),
            self.command.map(SecretSource::Command),
        ];
        let mut all: Vec<_> = all.into_iter().flatten().collect();
        match all.iter().position(|source| Some(source) != before) {
            Some(new) => Some(all.swap_remove(new)),
            None => all.pop(),
        }
    }
}

/// Declares a struct of keys.
///
/// Each field: its documentation, `name: type = default`, and how a [`Visitor`] is to see it, which is the name of one of
/// its methods and the arguments that follow the slot; the first of them is the key in the file.
macro_rules! keys {
    (
        $(#[$outer:meta])*
        $vis:vis struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                $field:ident: $type:ty = $default:expr, $how:ident($($key:literal $(, $argument:expr)*)?);
            )*
        }
        $(check($this:ident, $section:ident) $check:block)?
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, PartialEq)]
        $vis struct $name {
            $(
                $(#[doc = concat!("`", $key, "`:")])?
                $(#[doc = $doc])+
                #[doc = concat!("\n\nDefault `", stringify!($default), "`.")]
                $vis $field: $type,
            )*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl $crate::keys::Keys for $name {
            fn visit<V: $crate::keys::Visitor>(&mut self, visitor: &mut V) {
                $(visitor.$how(
                    concat!($($doc, "\n"),+),
                    &mut self.$field,
                    $($key $(, $argument)*)?
                );)*
            }

            fn key_of(field: &str) -> Option<&'static str> {
                match field {
                    $(stringify!($field) => [$($key)?].first().copied(),)*
                    _ => None,
                }
            }

            $(
                fn check(&self, $section: &mut $crate::section::Section<'_>) {
                    let $this = self;
                    $check
                }
            )?
        }
    };
}

pub(crate) use keys;
