//! Holds each answer of the API against its document.

use crate::http::Answer;
use anyhow::{Context, Result, bail, ensure};
use jsonschema::Validator;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../docs/openapi.json")).expect("the document is JSON")
});
/// By the place of the schema in the document.
static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);

/// What the document says of an answer of that status; None where there is no such route.
fn documented(method: &str, path: &str, status: u16) -> Option<(String, &'static Value)> {
    let path = format!("/api/v1{}", path.split('?').next().unwrap_or_default());
    let fits = |pattern: &str| {
        pattern.split('/').count() == path.split('/').count()
            && pattern
                .split('/')
                .zip(path.split('/'))
                .all(|(name, part)| name == part || (name.starts_with('{') && !part.is_empty()))
    };
    let paths = DOCUMENT["paths"].as_object()?;
    let (pattern, verbs) = paths.iter().find(|(pattern, _)| fits(pattern))?;
    let answers = verbs.get(method.to_lowercase())?.get("responses")?;
    let status = status.to_string();
    let told = answers.get(&status).or_else(|| answers.get("default"))?;
    Some((format!("{method} {pattern} {status}"), resolved(told)))
}

/// What a reference leads to.
fn resolved(value: &'static Value) -> &'static Value {
    let place = value["$ref"].as_str().and_then(|place| place.strip_prefix('#'));
    place.and_then(|place| DOCUMENT.pointer(place)).unwrap_or(value)
}

fn validator(name: &str, schema: &Value) -> Result<Arc<Validator>> {
    let mut known = VALIDATORS.lock().expect("no holder of the lock panics");
    if let Some(validator) = known.get(name) {
        return Ok(validator.clone());
    }
    let mut whole = schema.clone();
    whole["components"] = DOCUMENT["components"].clone();
    let validator = jsonschema::draft202012::new(&whole)
        .map_err(|error| anyhow::anyhow!("the schema of {name} cannot be used: {error}"))?;
    let validator = Arc::new(validator);
    known.insert(name.to_owned(), validator.clone());
    Ok(validator)
}

/// Fails where the answer is not what the document says of `path`, which is the one behind `/api/v1`. What is not in
/// the document has to be a problem.
pub fn check(method: &str, path: &str, answer: &Answer) -> Result<()> {
    let problem = || {
        (
            "a problem".to_owned(),
            &DOCUMENT["components"]["responses"]["Problem"],
        )
    };
    let (name, told) = match documented(method, path, answer.status) {
        Some(found) => found,
        None if answer.status >= 400 => problem(),
        None => bail!(
            "{method} {path} answers {}, and is not in the document",
            answer.status
        ),
    };
    for (header, described) in told["headers"].as_object().into_iter().flatten() {
        let missing =
            resolved(described)["required"] == true && answer.header(&header.to_lowercase()).is_none();
        ensure!(
            !missing,
            "{name} has no header {header}, which is in the document"
        );
    }
    let Some(contents) = told["content"].as_object() else {
        ensure!(
            answer.body.is_empty(),
            "{name} has a body that is not in the document"
        );
        return Ok(());
    };
    let kind = answer.header("content-type").unwrap_or_default();
    let content = contents.get(kind).with_context(|| {
        format!(
            "{name} is {kind:?}, which is not in the document: {:.300}",
            answer.text()
        )
    })?;
    let body = answer.json()?;
    let wrong: Vec<String> = validator(&name, &content["schema"])?
        .iter_errors(&body)
        .map(|error| format!("{} at {:?}", error, error.instance_path().to_string()))
        .collect();
    ensure!(
        wrong.is_empty(),
        "{name} is not as documented: {}\n{:.600}",
        wrong.join("; "),
        answer.text()
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answer(status: u16, kind: &str, body: &Value) -> Answer {
        Answer {
            status,
            headers: vec![
                ("content-type".to_owned(), kind.to_owned()),
                ("ratelimit-policy".to_owned(), "\"api\";q=600;w=60".to_owned()),
            ],
            body: body.to_string().into_bytes(),
        }
    }

    #[test]
    fn check_takes_what_is_documented_and_nothing_else() {
        let page = json!({ "items": [], "next": null });
        let good = answer(200, "application/json", &page);
        assert!(check("GET", "/servers?cursor=a", &good).is_ok());
        let told =
            |method: &str, path: &str, answer: &Answer| check(method, path, answer).unwrap_err().to_string();
        assert!(told("GET", "/nowhere", &good).contains("not in the document"));
        let without = answer(200, "application/json", &json!({ "items": [] }));
        assert!(told("GET", "/servers", &without).contains("\"next\" is a required property"));
        let mut silent = good.clone();
        silent.headers.pop();
        assert!(told("GET", "/servers", &silent).contains("no header RateLimit-Policy"));
        let plain = answer(200, "text/html", &page);
        assert!(told("GET", "/servers", &plain).contains("text/html"));
        let wrong = answer(404, "application/problem+json", &json!({ "code": "not_found" }));
        assert!(told("GET", "/servers/srv_1", &wrong).contains("required property"));
        assert!(told("GET", "/nowhere", &wrong).contains("required property"));
    }
}
