//! Checks a document against `result.schema.json`: a walker for the part of JSON Schema that it uses.
//!
//! A keyword that the walker does not know is a panic, so the schema cannot grow past it unnoticed.

use serde_json::Value;

const SCHEMA: &str = include_str!("../../result.schema.json");

/// Every place where the document breaks the schema.
pub(crate) fn violations(document: &Value) -> Vec<String> {
    let root = serde_json::from_str(SCHEMA).expect("the schema is JSON");
    let mut walker = Walker { root, found: Vec::new() };
    let schema = walker.root.clone();
    walker.check(document, &schema, "$");
    walker.found
}

struct Walker {
    root: Value,
    found: Vec<String>,
}

impl Walker {
    fn check(&mut self, value: &Value, schema: &Value, path: &str) {
        for (keyword, argument) in schema.as_object().expect("a schema is an object") {
            match keyword.as_str() {
                "$schema" | "$id" | "$defs" | "title" | "description" | "format" => {}
                "$ref" => {
                    let pointer = argument.as_str().unwrap().strip_prefix('#').expect("it points inside");
                    let target = self.root.pointer(pointer).expect("it points to something").clone();
                    self.check(value, &target, path);
                }
                "type" => {
                    self.require(has_type(value, argument), path, || format!("is not of type {argument}"));
                }
                "const" => self.require(value == argument, path, || format!("is not {argument}")),
                "enum" => {
                    let known = argument.as_array().unwrap().contains(value);
                    self.require(known, path, || format!("{value} is none of {argument}"));
                }
                "pattern" => {
                    let fits = value.as_str().is_none_or(|text| fits(text, argument.as_str().unwrap()));
                    self.require(fits, path, || format!("{value} does not match {argument}"));
                }
                "minimum" => {
                    let fits = value.as_f64().is_none_or(|number| number >= argument.as_f64().unwrap());
                    self.require(fits, path, || format!("{value} is less than {argument}"));
                }
                "maximum" => {
                    let fits = value.as_f64().is_none_or(|number| number <= argument.as_f64().unwrap());
                    self.require(fits, path, || format!("{value} is more than {argument}"));
                }
                "required" => {
                    let Some(object) = value.as_object() else { continue };
                    for key in argument.as_array().unwrap() {
                        let key = key.as_str().unwrap();
                        self.require(object.contains_key(key), path, || format!("lacks {key}"));
                    }
                }
                "properties" => {
                    for (key, schema) in argument.as_object().unwrap() {
                        if let Some(value) = value.get(key) {
                            self.check(value, schema, &format!("{path}.{key}"));
                        }
                    }
                }
                "additionalProperties" => self.check_additional(value, schema, argument, path),
                "propertyNames" => {
                    for key in value.as_object().into_iter().flat_map(|object| object.keys()) {
                        self.check(&Value::from(key.as_str()), argument, &format!("{path}.{key} (the key)"));
                    }
                }
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.check(item, argument, &format!("{path}[{index}]"));
                    }
                }
                "oneOf" => {
                    let outcomes: Vec<_> = argument
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|schema| {
                            let mut walker = Walker { root: self.root.clone(), found: Vec::new() };
                            walker.check(value, schema, path);
                            walker.found
                        })
                        .collect();
                    let fitting = outcomes.iter().filter(|found| found.is_empty()).count();
                    self.require(fitting == 1, path, || format!("fits {fitting} alternatives: {outcomes:?}"));
                }
                unknown => panic!("the schema uses {unknown}, which this walker does not know"),
            }
        }
    }

    fn check_additional(&mut self, value: &Value, schema: &Value, allowed: &Value, path: &str) {
        for (key, value) in value.as_object().into_iter().flatten() {
            if schema["properties"].get(key).is_some() {
                continue;
            }
            match allowed {
                Value::Bool(false) => self.require(false, path, || format!("has the unknown key {key}")),
                Value::Object(_) => self.check(value, allowed, &format!("{path}.{key}")),
                other => panic!("additionalProperties: {other} is not known to this walker"),
            }
        }
    }

    fn require(&mut self, holds: bool, path: &str, problem: impl FnOnce() -> String) {
        if !holds {
            self.found.push(format!("{path} {}", problem()));
        }
    }
}

fn has_type(value: &Value, types: &Value) -> bool {
    match types {
        Value::Array(types) => types.iter().any(|one| has_type(value, one)),
        Value::String(name) => match name.as_str() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "number" => value.is_number(),
            "integer" => value.as_f64().is_some_and(|number| number.fract() == 0.0),
            other => panic!("type {other} is not known to this walker"),
        },
        other => panic!("type: {other} is not known to this walker"),
    }
}

/// The three patterns that the schema uses; a fourth is a panic.
fn fits(text: &str, pattern: &str) -> bool {
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    match pattern {
        r"^1\.[0-9]+\.[0-9]+$" => {
            let parts: Vec<_> = text.split('.').collect();
            parts.len() == 3 && parts[0] == "1" && digits(parts[1]) && digits(parts[2])
        }
        "^[0-9]+$" => digits(text),
        "^HISTFAAA" => text.starts_with("HISTFAAA"),
        other => panic!("pattern {other} is not known to this walker"),
    }
}

/// A document that is right, to be spoilt.
async fn right() -> Value {
    let result = crate::runs::short_run().await;
    serde_json::to_value(result).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_result_is_what_the_schema_promises() {
    assert_eq!(violations(&right().await), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_document_is_refused() {
    type Spoil = fn(&mut Value);
    let cases: [(Spoil, &str); 12] = [
        (|d| drop(d.as_object_mut().unwrap().remove("totalConnections")), "$ lacks totalConnections"),
        (|d| d["latencies"] = 1.into(), "$ has the unknown key latencies"),
        (|d| d["phases"]["use"]["p98"] = 1.into(), "$.phases.use has the unknown key p98"),
        (|d| d["units"]["latency"] = "ms".into(), "$.units.latency is not \"us\""),
        (|d| d["run"]["seed"] = 42.into(), "$.run.seed is not of type \"string\""),
        (|d| d["run"]["seed"] = "42x".into(), "$.run.seed \"42x\" does not match \"^[0-9]+$\""),
        (|d| d["schemaVersion"] = "2.0.0".into(), "$.schemaVersion \"2.0.0\" does not match"),
        (|d| d["failedConnections"] = (-1).into(), "$.failedConnections -1 is less than 0"),
        (|d| d["totalConnections"] = 1.5.into(), "$.totalConnections is not of type \"integer\""),
        (|d| d["timeline"]["series"]["ok"][0] = "many".into(), "$.timeline.series.ok[0] is not of type"),
        (
            |d| d["errors"]["byKind"]["oops"] = d["errors"]["byKind"]["acquireTimeout"].take(),
            "$.errors.byKind.oops (the key) \"oops\" is none of",
        ),
        (
            |d| d["phases"]["use"]["histogram"]["data"] = "AAAA".into(),
            "$.phases.use.histogram fits 0 alternatives",
        ),
    ];
    let right = right().await;
    for (spoil, expected) in cases {
        let mut document = right.clone();
        spoil(&mut document);
        let found = violations(&document);
        assert!(found.iter().any(|violation| violation.starts_with(expected)), "{expected}: {found:?}");
    }
}
