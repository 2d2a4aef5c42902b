//! All values of a configuration, key by key, as data: what `diff`, `show` and the emitter work on.

use serde_json::Value as Json;

use crate::class::ReloadClass;
use crate::config::Config;
use crate::keys::{Keys, Named, Visitor};
use crate::kind::Kind;
use crate::pool::PoolConfig;
use crate::shown::{MASK, shown};

/// One key and its value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Value {
    /// Below `connection_pool`, as in a [`Problem`](crate::Problem).
    pub(crate) path: String,
    /// As a file would hold it. May be a secret.
    pub(crate) json: Json,
    /// The same as people may see it.
    pub(crate) masked: Json,
    pub(crate) class: ReloadClass,
}

impl Value {
    /// As people may see it, on one line.
    pub(crate) fn shown(&self) -> String {
        match &self.masked {
            Json::Null => "none".to_owned(),
            Json::String(text) if text == MASK => MASK.to_owned(),
            Json::String(text) => shown(text),
            other => other.to_string(),
        }
    }
}

/// All keys of `keys`, whose paths begin with `prefix`, in the order of the reference.
pub(crate) fn list<S: Keys>(keys: &S, prefix: &str) -> Vec<Value> {
    let mut lister = Lister { prefix: prefix.to_owned(), values: Vec::new() };
    keys.clone().visit(&mut lister);
    lister.values
}

/// All keys of a configuration but those of its pools.
pub(crate) fn list_without_pools(config: &Config) -> Vec<Value> {
    list(&Config { pools: Vec::new(), ..config.clone() }, "")
}

/// All keys of a pool.
pub(crate) fn list_pool(pool: &PoolConfig) -> Vec<Value> {
    list(pool, &path_of_pool(&pool.name))
}

/// How problems and changes name a pool.
pub(crate) fn path_of_pool(name: &str) -> String {
    format!("pools[{name:?}]")
}

struct Lister {
    prefix: String,
    values: Vec<Value>,
}

impl Lister {
    fn path_of(&self, name: &str) -> String {
        if self.prefix.is_empty() { name.to_owned() } else { format!("{}.{name}", self.prefix) }
    }

    fn below<S: Keys>(&mut self, name: &str, slot: &mut S) {
        let path = self.path_of(name);
        let outer = std::mem::replace(&mut self.prefix, path);
        slot.visit(self);
        self.prefix = outer;
    }
}

impl Visitor for Lister {
    fn value<K: Kind>(
        &mut self,
        _doc: &'static str,
        slot: &mut K::Value,
        name: &'static str,
        kind: K,
        class: ReloadClass,
    ) {
        let (json, masked) = (kind.write(slot), kind.mask(slot));
        self.values.push(Value { path: self.path_of(name), json, masked, class });
    }

    fn section<S: Keys>(&mut self, _doc: &'static str, slot: &mut S, name: &'static str) {
        self.below(name, slot);
    }

    fn optional<S: Keys + Default>(&mut self, _doc: &'static str, slot: &mut Option<S>, name: &'static str) {
        if let Some(slot) = slot {
            self.below(name, slot);
        }
    }

    fn pools(
        &mut self,
        _doc: &'static str,
        slot: &mut Vec<PoolConfig>,
        name: &'static str,
        _template: &PoolConfig,
    ) {
        for pool in slot {
            let path = format!("{name}[{:?}]", pool.name);
            self.below(&path, pool);
        }
    }

    fn list<S: Keys + Default>(&mut self, _doc: &'static str, slot: &mut Vec<S>, name: &'static str) {
        for (index, item) in slot.iter_mut().enumerate() {
            self.below(&format!("{name}[{index}]"), item);
        }
    }

    fn named_list<S: Named>(&mut self, _doc: &'static str, slot: &mut Vec<S>, name: &'static str) {
        for item in slot {
            let path = format!("{name}[{:?}]", item.name());
            let json = Json::String(item.name().to_owned());
            let (masked, path_of_name) = (json.clone(), self.path_of(&format!("{path}.name")));
            self.values.push(Value { path: path_of_name, json, masked, class: ReloadClass::Live });
            self.below(&path, item);
        }
    }

    fn named(&mut self, _doc: &'static str, _slot: &mut String, _name: &'static str) {}
}
