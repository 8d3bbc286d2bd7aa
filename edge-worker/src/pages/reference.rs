//! The reference of the JSON API, made of its document.

use super::assets;
use super::shell::{Section, Shell};
use super::web::Visitor;
use crate::error::ApiError;
use crate::openapi;
use askama::Template;
use axum::response::Response;
use serde_json::{Map, Value};

/// A piece of a type's name; a link where it is a schema of the page.
pub(crate) struct Piece {
    pub(crate) text: String,
    pub(crate) linked: bool,
}

/// A parameter, or a field of a schema.
pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) kind: Vec<Piece>,
    pub(crate) required: bool,
    pub(crate) about: String,
}

/// What is sent or answered: a status or the body, and its type.
pub(crate) struct Content {
    pub(crate) name: String,
    pub(crate) kind: Vec<Piece>,
    pub(crate) about: String,
}

/// One method of one path.
pub(crate) struct Operation {
    pub(crate) id: String,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) summary: String,
    /// Least role and scope, in words.
    pub(crate) needs: String,
    pub(crate) parameters: Vec<Field>,
    pub(crate) contents: Vec<Content>,
}

/// Operations about one kind of thing.
pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) operations: Vec<Operation>,
}

/// A named schema.
pub(crate) struct Schema {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) kind: Vec<Piece>,
    pub(crate) fields: Vec<Field>,
}

#[derive(Template)]
#[template(path = "reference.html")]
pub(crate) struct ReferencePage {
    pub(crate) shell: Shell,
    pub(crate) intro: String,
    pub(crate) groups: Vec<Group>,
    pub(crate) schemas: Vec<Schema>,
}

/// A text of the document; its marks of code are no use on a page.
fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().replace('`', "")
}

fn plain(text: impl Into<String>) -> Piece {
    Piece {
        text: text.into(),
        linked: false,
    }
}

/// `pieces` between which `between` stands.
fn joined(pieces: impl IntoIterator<Item = Vec<Piece>>, between: &str) -> Vec<Piece> {
    let mut all = Vec::new();
    for more in pieces {
        if !all.is_empty() {
            all.push(plain(between));
        }
        all.extend(more);
    }
    all
}

/// What a schema takes, in words.
fn kind(schema: &Value) -> Vec<Piece> {
    let Some(fields) = schema.as_object() else {
        return vec![plain("anything")];
    };
    if let Some(name) = schema["$ref"].as_str().and_then(|place| place.rsplit('/').next()) {
        return vec![Piece {
            text: name.to_owned(),
            linked: true,
        }];
    }
    if let Some(value) = fields.get("const") {
        return vec![plain(value.to_string())];
    }
    if let Some(values) = schema["enum"].as_array() {
        return joined(values.iter().map(|value| vec![plain(value.to_string())]), " or ");
    }
    let choices = ["anyOf", "oneOf"]
        .iter()
        .find_map(|name| schema[*name].as_array());
    if let Some(choices) = choices {
        return joined(choices.iter().map(kind), " or ");
    }
    match &schema["type"] {
        Value::Array(kinds) => {
            let each = kinds.iter().filter_map(Value::as_str);
            joined(each.map(|name| one(name, schema)), " or ")
        }
        Value::String(name) => one(name, schema),
        _ => vec![plain("anything")],
    }
}

/// A type of JSON, with what is in it.
fn one(name: &str, schema: &Value) -> Vec<Piece> {
    match name {
        "array" => joined([vec![plain("list of ")], kind(&schema["items"])], ""),
        "object" => {
            let other = schema["patternProperties"]
                .as_object()
                .and_then(|patterns| patterns.values().next());
            match other.or(schema.get("additionalProperties")) {
                Some(values @ Value::Object(_)) => joined([vec![plain("object of ")], kind(values)], ""),
                _ => named_fields(schema),
            }
        }
        other => vec![plain(other)],
    }
}

/// An object without a name: its fields in braces.
fn named_fields(schema: &Value) -> Vec<Piece> {
    let Some(fields) = schema["properties"].as_object() else {
        return vec![plain("object")];
    };
    let each = fields
        .iter()
        .map(|(name, field)| joined([vec![plain(name.clone())], kind(field)], ": "));
    joined([vec![plain("{ ")], joined(each, ", "), vec![plain(" }")]], "")
}

/// What `value` refers to, or itself.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let place = value["$ref"].as_str().and_then(|place| place.strip_prefix('#'));
    place.and_then(|place| document.pointer(place)).unwrap_or(value)
}

fn parameter(document: &Value, told: &Value) -> Field {
    let told = resolved(document, told);
    Field {
        name: text(told, "name"),
        kind: kind(&told["schema"]),
        required: told["required"] == true,
        about: text(told, "description"),
    }
}

/// The type of a body, whatever its media type.
fn body(told: &Value) -> Vec<Piece> {
    let contents = told["content"].as_object();
    let content = contents.and_then(|contents| contents.values().next());
    content.map_or_else(Vec::new, |content| kind(&content["schema"]))
}

fn operation(document: &Value, path: &str, method: &str, told: &Value) -> Operation {
    let parameters = told["parameters"].as_array().into_iter().flatten();
    let sent = told.get("requestBody").map(|told| Content {
        name: "Body".to_owned(),
        kind: body(told),
        about: if told["required"] == true {
            String::new()
        } else {
            "May be left out.".to_owned()
        },
    });
    let answers = told["responses"].as_object().into_iter().flatten();
    let answers = answers
        .filter(|(status, _)| *status != "default")
        .map(|(status, told)| Content {
            name: status.clone(),
            kind: body(told),
            about: text(told, "description"),
        });
    let role = told["x-least-role"].as_str().map(|role| format!("role {role}"));
    let scope = told["x-least-scope"]
        .as_str()
        .map(|scope| format!("scope {scope}"));
    let needs: Vec<String> = [role, scope].into_iter().flatten().collect();
    Operation {
        id: text(told, "operationId"),
        method: method.to_uppercase(),
        path: path.to_owned(),
        summary: text(told, "summary"),
        needs: needs.join(", "),
        parameters: parameters.map(|told| parameter(document, told)).collect(),
        contents: sent.into_iter().chain(answers).collect(),
    }
}

fn groups(document: &Value) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    let paths = document["paths"].as_object().into_iter().flatten();
    for (path, verbs) in paths {
        for (method, told) in verbs.as_object().into_iter().flatten() {
            let name = told["tags"][0].as_str().unwrap_or_default().to_owned();
            let shown = operation(document, path, method, told);
            match groups.iter_mut().find(|group| group.name == name) {
                Some(group) => group.operations.push(shown),
                None => groups.push(Group {
                    name,
                    operations: vec![shown],
                }),
            }
        }
    }
    groups
}

fn fields(schema: &Value) -> Vec<Field> {
    let required = schema["required"].as_array();
    let fields: Option<&Map<String, Value>> = schema["properties"].as_object();
    let field = |(name, told): (&String, &Value)| Field {
        name: name.clone(),
        kind: kind(told),
        required: required.is_some_and(|names| names.iter().any(|other| other == name.as_str())),
        about: text(told, "description"),
    };
    fields.into_iter().flatten().map(field).collect()
}

fn schemas(document: &Value) -> Vec<Schema> {
    let all = document["components"]["schemas"]
        .as_object()
        .into_iter()
        .flatten();
    let schema = |(name, told): (&String, &Value)| {
        let fields = fields(told);
        Schema {
            name: name.clone(),
            about: text(told, "description"),
            kind: if fields.is_empty() { kind(told) } else { vec![] },
            fields,
        }
    };
    all.map(schema).collect()
}

impl ReferencePage {
    pub(super) fn new(shell: Shell) -> Result<Self, ApiError> {
        let document: Value = serde_json::from_str(openapi::TEXT)
            .map_err(|error| ApiError::Internal(format!("the API's document cannot be read: {error}")))?;
        Ok(Self {
            shell,
            intro: text(&document["info"], "description"),
            groups: groups(&document),
            schemas: schemas(&document),
        })
    }
}

/// `GET /reference`
pub(crate) async fn show(visitor: Visitor) -> Result<Response, ApiError> {
    let shell = visitor.shell("API reference", Section::Keys, None);
    visitor.page(&ReferencePage::new(shell)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn words(schema: &Value) -> String {
        kind(schema).iter().map(|piece| piece.text.as_str()).collect()
    }

    #[test]
    fn kind_says_what_a_schema_takes() {
        let cases = [
            (json!({ "type": "string" }), "string"),
            (json!({ "type": ["string", "null"] }), "string or null"),
            (json!({ "$ref": "#/components/schemas/Job" }), "Job"),
            (
                json!({ "anyOf": [{ "$ref": "#/components/schemas/Job" }, { "type": "null" }] }),
                "Job or null",
            ),
            (
                json!({ "type": "array", "items": { "type": "integer" } }),
                "list of integer",
            ),
            (
                json!({ "type": "object", "additionalProperties": { "type": "string" } }),
                "object of string",
            ),
            (json!({ "type": "string", "enum": ["a", "b"] }), r#""a" or "b""#),
            (
                json!({ "oneOf": [{ "type": "object", "properties": { "kind": { "const": "a" }, "n": { "type": "integer" } } }] }),
                r#"{ kind: "a", n: integer }"#,
            ),
            (json!(true), "anything"),
        ];
        for (schema, expected) in cases {
            assert_eq!(words(&schema), expected);
        }
    }
}
