//! Makes the document and holds it against the committed one.

use super::components::{differing, rename};
use super::describe::Operation;
use crate::access::{Limit, Needs, Route};
use axum::http::Method;
use devflow_domain::access::{Role, Scope};
use devflow_protocol::runner_api::Problem;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");

/// A route with what its handler's type says, as the document has it.
fn operation(route: &Route, found: &Operation) -> Value {
    let doc = route.doc.expect("only described routes are asked for");
    let names = |part: &str| {
        part.strip_prefix('{')
            .and_then(|part| part.strip_suffix('}'))
            .map(str::to_owned)
    };
    let rest = route.path.trim_start_matches("/api/v1/");
    let parts: Vec<&str> = rest.split('/').filter(|part| names(part).is_none()).collect();
    let mut parameters = found.parameters.clone();
    let told: Vec<Value> = parameters
        .iter()
        .map(|parameter| parameter["name"].clone())
        .collect();
    for name in rest
        .split('/')
        .filter_map(names)
        .filter(|name| !told.contains(&json!(name)))
    {
        parameters
            .push(json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    }
    let may = matches!(route.needs, Needs::May(..));
    if may && route.method == Method::POST {
        parameters.push(json!({ "$ref": "#/components/parameters/IdempotencyKey" }));
    }
    let mut answers = found.answers.clone();
    if Limit::told(route.needs, &route.method).is_some() {
        for answer in answers.values_mut() {
            answer["headers"]["RateLimit-Policy"] = json!({ "$ref": "#/components/headers/RateLimitPolicy" });
        }
    }
    answers.insert(
        "default".to_owned(),
        json!({ "$ref": "#/components/responses/Problem" }),
    );
    let verb = route.method.as_str().to_lowercase();
    let mut shown = json!({
        "operationId": format!("{verb}_{}", rest.replace(['/', '.'], "_").replace(['{', '}'], "")),
        "summary": doc.summary,
        "tags": [parts[0]],
        "parameters": parameters,
        "responses": answers,
    });
    if let Some(body) = &found.body {
        shown["requestBody"] = body.clone();
    }
    match route.needs {
        Needs::Open(_) => shown["security"] = json!([]),
        Needs::May(action, _) => {
            shown["x-action"] = json!(action.as_str());
            shown["x-least-role"] = json!(action.least_role().map(Role::as_str));
            shown["x-least-scope"] = json!(action.least_scope().map(Scope::as_str));
        }
    }
    shown
}

/// What all operations share.
fn frame() -> Value {
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "DevFlow Pro",
            "version": "1",
            "description": "Times are milliseconds since 1970 (UTC). Lists are pages: ask again with `next` as `cursor`. \
                Errors are problem details (RFC 9457) whose `code` stays. Fields may be added to answers; unknown fields \
                of requests are refused.",
        },
        "security": [{ "key": [] }, { "session": [], "csrf": [] }],
        "components": {
            "securitySchemes": {
                "key": { "type": "http", "scheme": "bearer", "description": "An API key, `dfp_…`." },
                "session": { "type": "apiKey", "in": "cookie", "name": crate::auth::COOKIE },
                "csrf": {
                    "type": "apiKey", "in": "header", "name": "x-csrf-token",
                    "description": "With a session, for what changes something.",
                },
            },
            "parameters": {
                "IdempotencyKey": {
                    "name": "Idempotency-Key", "in": "header", "required": false,
                    "description": "1 to 255 visible characters of your choice: the same request with the same key gets the \
                        first answer again for a day, and nothing is done twice.",
                    "schema": { "type": "string", "minLength": 1, "maxLength": 255 },
                },
                "IfMatch": {
                    "name": "If-Match", "in": "header", "required": false,
                    "description": "The ETag of the version that is changed; another one by now refuses the change (412).",
                    "schema": { "type": "string" },
                },
            },
            "headers": {
                "ETag": {
                    "description": "Names this version, for `If-Match`.", "required": true,
                    "schema": { "type": "string" },
                },
                "RateLimitPolicy": {
                    "description": "What the request is counted under, how many there may be (`q`) in how many seconds (`w`).",
                    "required": true, "schema": { "type": "string" },
                },
                "RetryAfter": {
                    "description": "Seconds until it makes sense again, where there were too many requests (429).",
                    "schema": { "type": "integer" },
                },
            },
            "responses": {
                "Problem": {
                    "description": "What is wrong and what to do.",
                    "headers": { "Retry-After": { "$ref": "#/components/headers/RetryAfter" } },
                    "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } },
                },
            },
        },
    })
}

/// The whole document.
fn document(routes: &[Route]) -> Value {
    let mut found = Operation::new();
    found.outputs.subschema_for::<Problem>();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in routes {
        let Some(doc) = route.doc else { continue };
        (found.parameters, found.body, found.answers) = (vec![], None, Map::new());
        (doc.describe)(&mut found);
        let verb = route.method.as_str().to_lowercase();
        paths
            .entry(route.path)
            .or_default()
            .insert(verb, operation(route, &found));
    }
    let (inputs, mut schemas) = (
        found.inputs.take_definitions(true),
        found.outputs.take_definitions(true),
    );
    let names = differing(&inputs, &schemas);
    for (name, mut schema) in inputs {
        rename(&mut schema, &names);
        let name = if names.contains(&name) {
            format!("{name}Input")
        } else {
            name
        };
        schemas.insert(name, schema);
    }
    let mut paths = json!(paths);
    for operation in paths
        .as_object_mut()
        .into_iter()
        .flatten()
        .filter_map(|(_, path)| path.as_object_mut())
        .flatten()
    {
        for part in ["parameters", "requestBody"] {
            if let Some(part) = operation.1.get_mut(part) {
                rename(part, &names);
            }
        }
    }
    let mut document = frame();
    document["paths"] = paths;
    document["components"]["schemas"] = Value::Object(schemas);
    document
}

#[test]
fn document_is_what_the_routes_and_their_types_say() {
    let routes = crate::app::routes();
    let made = serde_json::to_string_pretty(&document(routes.list())).unwrap() + "\n";
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(FILE, &made).unwrap();
    }
    let kept = std::fs::read_to_string(FILE).unwrap_or_default();
    assert!(
        kept == made,
        "docs/openapi.json is out of date; run the test with UPDATE_DOCS=1 and look at the difference"
    );
}

#[test]
fn document_has_every_route_of_the_api_and_no_other() {
    let kept: Value = serde_json::from_str(super::TEXT).unwrap();
    let paths = kept["paths"].as_object().unwrap();
    let told: BTreeSet<String> = paths
        .iter()
        .flat_map(|(path, verbs)| {
            let verbs = verbs.as_object().unwrap().keys();
            verbs.map(move |verb| format!("{} {path}", verb.to_uppercase()))
        })
        .collect();
    let routes = crate::app::routes();
    let there: BTreeSet<String> = routes
        .list()
        .iter()
        .filter(|route| route.path.starts_with("/api/"))
        .map(|route| format!("{} {}", route.method, route.path))
        .collect();
    assert_eq!(
        told, there,
        "a route of the API is added by `Routes::api`, then docs/openapi.json is made again with UPDATE_DOCS=1"
    );
}

/// Places of objects in a schema that would take fields which nobody named.
fn open_objects(schema: &Value, all: &Value, seen: &mut BTreeSet<String>, open: &mut Vec<String>) {
    match schema {
        Value::Object(fields) => {
            if let Some(place) = fields.get("$ref").and_then(Value::as_str) {
                let named = place.strip_prefix('#').and_then(|pointer| all.pointer(pointer));
                if seen.insert(place.to_owned()) {
                    open_objects(named.unwrap_or(&Value::Null), all, seen, open);
                }
            }
            let names = fields.get("properties").and_then(Value::as_object);
            if names.is_some() && fields.get("additionalProperties") != Some(&json!(false)) {
                open.push(
                    names
                        .map(|names| names.keys().cloned().collect::<Vec<_>>().join(", "))
                        .unwrap_or_default(),
                );
            }
            fields
                .values()
                .for_each(|value| open_objects(value, all, seen, open));
        }
        Value::Array(items) => items.iter().for_each(|item| open_objects(item, all, seen, open)),
        _ => {}
    }
}

#[test]
fn bodies_of_requests_take_no_field_that_nobody_named() {
    let kept: Value = serde_json::from_str(super::TEXT).unwrap();
    let paths = kept["paths"].as_object().unwrap();
    let mut bodies = 0;
    for (path, verbs) in paths {
        for (verb, operation) in verbs.as_object().unwrap() {
            let Some(body) = operation.get("requestBody") else {
                continue;
            };
            bodies += 1;
            let (mut seen, mut open) = (BTreeSet::new(), vec![]);
            open_objects(body, &kept, &mut seen, &mut open);
            assert_eq!(open, Vec::<String>::new(), "{verb} {path}");
        }
    }
    assert!(bodies > 20, "{bodies}");
}

#[test]
fn every_edit_is_conditional_and_gives_the_version_that_it_made() {
    let kept: Value = serde_json::from_str(super::TEXT).unwrap();
    let paths = kept["paths"].as_object().unwrap();
    let (condition, tag) = (
        json!({ "$ref": "#/components/parameters/IfMatch" }),
        json!({ "$ref": "#/components/headers/ETag" }),
    );
    let mut edits = 0;
    for (path, verbs) in paths {
        for verb in ["patch", "put"] {
            let Some(operation) = verbs.get(verb) else {
                continue;
            };
            edits += 1;
            let parameters = operation["parameters"].as_array().unwrap();
            assert!(parameters.contains(&condition), "{verb} {path} takes no If-Match");
            for (which, shown) in [(verb, operation), ("get", &verbs["get"])] {
                assert_eq!(
                    shown["responses"]["200"]["headers"]["ETag"], tag,
                    "{which} {path}"
                );
            }
        }
    }
    assert!(edits > 8, "{edits}");
}

#[test]
fn document_refers_to_nothing_that_is_not_in_it() {
    let kept: Value = serde_json::from_str(super::TEXT).unwrap();
    let mut places = BTreeSet::new();
    collect(&kept, &mut places);
    assert!(places.len() > 20);
    for place in places {
        let pointer = place
            .strip_prefix('#')
            .expect("only the document itself is referred to");
        assert!(kept.pointer(pointer).is_some(), "{place}");
    }
}

fn collect(value: &Value, places: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(place) = fields.get("$ref").and_then(Value::as_str) {
                places.insert(place.to_owned());
            }
            fields.values().for_each(|value| collect(value, places));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, places)),
        _ => {}
    }
}
