//! Schemas by name. What is read and what is written can differ where a type has defaults; then the former is named
//! `…Input`.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

const PLACE: &str = "#/components/schemas/";

fn refers(value: &Value, names: &BTreeSet<String>) -> bool {
    match value {
        Value::Object(fields) => fields.iter().any(|(name, value)| match value {
            Value::String(place) if name == "$ref" => {
                place.strip_prefix(PLACE).is_some_and(|name| names.contains(name))
            }
            _ => refers(value, names),
        }),
        Value::Array(items) => items.iter().any(|item| refers(item, names)),
        _ => false,
    }
}

/// Lets every reference to one of `names` lead to its input.
pub(super) fn rename(value: &mut Value, names: &BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(place) if name == "$ref" => {
                        if place.strip_prefix(PLACE).is_some_and(|name| names.contains(name)) {
                            place.push_str("Input");
                        }
                    }
                    _ => rename(value, names),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rename(item, names)),
        _ => {}
    }
}

/// The names of inputs that cannot share a schema with the output of that name.
pub(super) fn differing(inputs: &Map<String, Value>, outputs: &Map<String, Value>) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = inputs
        .iter()
        .filter(|(name, schema)| outputs.get(*name).is_some_and(|output| output != *schema))
        .map(|(name, _)| name.clone())
        .collect();
    loop {
        let before = names.len();
        let more = inputs
            .iter()
            .filter(|(name, schema)| outputs.contains_key(*name) && refers(schema, &names));
        let more: Vec<String> = more.map(|(name, _)| name.clone()).collect();
        names.extend(more);
        if names.len() == before {
            return names;
        }
    }
}
