//! All keys that a file may hold, as data: what the JSON Schema and the reference are made of.

use schemars::Schema;
use serde_json::Value as Json;

use crate::class::ReloadClass;
use crate::config::Config;
use crate::keys::{Keys, Named, Visitor};
use crate::kind::Kind;
use crate::pool::PoolConfig;

/// A section and what may stand in it.
#[derive(Debug, Default)]
pub(crate) struct SectionKeys {
    pub(crate) keys: Vec<Key>,
}

/// One key of a section.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    /// On one line.
    pub(crate) doc: String,
    pub(crate) content: Content,
}

/// What a key holds.
#[derive(Debug)]
pub(crate) enum Content {
    Value(ValueKey),
    Section(SectionKeys),
    /// A section whose keys are inherited where they are not written.
    Inheriting(SectionKeys),
    /// A list of sections.
    Sections(SectionKeys),
}

/// A key with a value.
#[derive(Debug)]
pub(crate) struct ValueKey {
    pub(crate) allowed: String,
    pub(crate) unit: &'static str,
    pub(crate) schema: Schema,
    /// Null if there is none.
    pub(crate) default: Json,
    pub(crate) class: ReloadClass,
    pub(crate) is_required: bool,
}

impl SectionKeys {
    /// Of the section `connection_pool`.
    pub(crate) fn config() -> Self {
        Self::of(&mut Config::default())
    }

    fn of<S: Keys>(keys: &mut S) -> Self {
        let mut described = Self::default();
        keys.visit(&mut described);
        described
    }

    fn push(&mut self, doc: &str, name: &'static str, content: Content) {
        let doc = doc.split_whitespace().collect::<Vec<_>>().join(" ");
        self.keys.push(Key { name, doc, content });
    }
}

impl Visitor for SectionKeys {
    fn value<K: Kind>(
        &mut self,
        doc: &'static str,
        slot: &mut K::Value,
        name: &'static str,
        kind: K,
        class: ReloadClass,
    ) {
        let (allowed, unit, schema) = (kind.allowed(), kind.unit(), kind.schema());
        let value = ValueKey { allowed, unit, schema, default: kind.write(slot), class, is_required: false };
        self.push(doc, name, Content::Value(value));
    }

    fn required<K: Kind>(
        &mut self,
        doc: &'static str,
        _slot: &mut K::Value,
        name: &'static str,
        kind: K,
        class: ReloadClass,
    ) {
        let (allowed, unit, schema) = (kind.allowed(), kind.unit(), kind.schema());
        let value = ValueKey { allowed, unit, schema, default: Json::Null, class, is_required: true };
        self.push(doc, name, Content::Value(value));
    }

    fn section<S: Keys>(&mut self, doc: &'static str, slot: &mut S, name: &'static str) {
        self.push(doc, name, Content::Section(Self::of(slot)));
    }

    fn inheriting<S: Keys>(&mut self, doc: &'static str, slot: &mut S, name: &'static str, _base: &str) {
        self.push(doc, name, Content::Inheriting(Self::of(slot)));
    }

    fn optional<S: Keys + Default>(&mut self, doc: &'static str, _slot: &mut Option<S>, name: &'static str) {
        self.push(doc, name, Content::Section(Self::of(&mut S::default())));
    }

    fn pools(
        &mut self,
        doc: &'static str,
        _slot: &mut Vec<PoolConfig>,
        name: &'static str,
        template: &PoolConfig,
    ) {
        self.push(doc, name, Content::Sections(Self::of(&mut template.clone())));
    }

    fn list<S: Keys + Default>(&mut self, doc: &'static str, _slot: &mut Vec<S>, name: &'static str) {
        self.push(doc, name, Content::Sections(Self::of(&mut S::default())));
    }

    fn named_list<S: Named>(&mut self, doc: &'static str, _slot: &mut Vec<S>, name: &'static str) {
        self.push(doc, name, Content::Sections(Self::of(&mut S::called(String::new()))));
    }

    fn named(&mut self, doc: &'static str, slot: &mut String, name: &'static str) {
        self.required(doc, slot, name, crate::kind::Name, ReloadClass::Live);
    }
}
