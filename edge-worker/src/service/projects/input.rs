//! What is sent of a project: its head beside its settings, checked, and merged where it changes one.

use crate::error::ApiError;
use crate::service::check_name;
use crate::service::repository_tokens::{Change, Given};
use devflow_domain::settings::ProjectSettings;
use devflow_domain::targets::Policy;
use devflow_domain::webhook::Provider;
use devflow_protocol::text::{InvalidText, RefName, Slug};
use devflow_protocol::{JobId, ServerId};
use serde::Deserialize;
use serde_json::{Map, Value};

/// A project to make: [`Head`] and [`ProjectSettings`] in one object, told apart when it is read.
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct NewProject(pub(crate) Map<String, Value>);

/// Fields of a project to change (JSON Merge Patch).
#[derive(Deserialize)]
#[serde(transparent)]
pub(crate) struct ProjectChanges(pub(crate) Map<String, Value>);

impl ProjectChanges {
    /// True where its servers, or what becomes of them, are to change.
    pub(crate) fn names_servers(&self) -> bool {
        ["servers", "server_policy"]
            .iter()
            .any(|&field| self.0.contains_key(field))
    }
}

/// What belongs to a project beside its settings.
#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Head {
    /// 1 to 80 characters.
    pub(super) name: String,
    /// Names it in addresses and folders, for good; made of the name where none is given.
    pub(super) slug: Option<String>,
    /// Its only server, in place of `servers`.
    pub(super) server: Option<ServerId>,
    /// Its servers, at most 10: the first one is deployed to first and migrates the database that they share.
    pub(super) servers: Option<Vec<ServerId>>,
    /// What becomes of the others where a server fails.
    #[serde(default)]
    pub(super) server_policy: Policy,
    /// The branch that pushes deploy, or a whole ref; `main` where none is given.
    pub(super) branch: Option<String>,
    /// Who sends its webhooks.
    pub(super) provider: Provider,
    /// What its repository asks for, where that is private and its address one of https.
    pub(super) repository_token: Option<Given>,
    /// The look at its repository whose access token it takes over, in place of `repository_token`.
    pub(super) inspection: Option<JobId>,
}

const HEAD_FIELDS: [&str; 9] = [
    "name",
    "repository_token",
    "inspection",
    "slug",
    "server",
    "servers",
    "server_policy",
    "branch",
    "provider",
];

/// Those that are given once, when a project is made.
pub(super) const FIXED: [&str; 4] = ["slug", "server", "provider", "inspection"];

/// Takes the fields that are not settings out of `input`.
pub(super) fn split(mut input: Map<String, Value>) -> (Map<String, Value>, Map<String, Value>) {
    let head = HEAD_FIELDS
        .iter()
        .filter_map(|&field| Some((field.to_owned(), input.remove(field)?)))
        .collect();
    (head, input)
}

pub(super) fn read<T: serde::de::DeserializeOwned>(object: Map<String, Value>) -> Result<T, ApiError> {
    serde_json::from_value(Value::Object(object))
        .map_err(|error| ApiError::invalid("body", error.to_string()))
}

pub(super) fn read_settings(object: Map<String, Value>) -> Result<ProjectSettings, ApiError> {
    let settings: ProjectSettings = read(object)?;
    let problems = settings.problems();
    if problems.is_empty() {
        return Ok(settings);
    }
    Err(ApiError::Invalid(
        problems
            .into_iter()
            .map(|problem| (problem.field.to_owned(), problem.message))
            .collect(),
    ))
}

pub(super) fn project_name(name: &str) -> Result<String, ApiError> {
    check_name(name, 80, "give the project a name of 1 to 80 characters").map(str::to_owned)
}

impl Head {
    /// The servers that were named one way or the other.
    pub(super) fn servers(&self) -> Result<Vec<ServerId>, ApiError> {
        let only = || self.server.iter().cloned().collect();
        let servers = self.servers.clone().unwrap_or_else(only);
        if self.server.is_some() && self.server.as_ref() != servers.first() {
            return Err(ApiError::invalid(
                "server",
                "name it first in `servers`, or leave it out",
            ));
        }
        Ok(servers)
    }
}

/// What is to become of the access token; null takes it away.
pub(super) fn token_change(head: &mut Map<String, Value>) -> Result<Change, ApiError> {
    match head.remove("repository_token") {
        None => Ok(Change::Keep),
        Some(Value::Null) => Ok(Change::TakeAway),
        Some(Value::Object(given)) => read(given).map(Change::Set),
        Some(_) => Err(ApiError::invalid(
            "repository_token",
            "an object of `user` and `token`, or null",
        )),
    }
}

/// A slug made of a name, where none was given.
fn slug_of(name: &str) -> String {
    let letters: String = name
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() {
                c.to_ascii_lowercase()
            } else {
                '-'
            }
        })
        .collect();
    let words: Vec<&str> = letters.split('-').filter(|word| !word.is_empty()).collect();
    let slug: String = words.join("-").chars().take(32).collect();
    slug.trim_end_matches('-').to_owned()
}

/// The slug that was given, or one made of the name.
pub(super) fn slug(given: Option<&str>, name: &str) -> Result<Slug, ApiError> {
    let text = given.map_or_else(|| slug_of(name), str::to_owned);
    text.parse()
        .map_err(|error: InvalidText| ApiError::invalid("slug", error.to_string()))
}

/// `main` is a branch; `refs/tags/…` is taken as it is.
pub(super) fn ref_of(branch: &str) -> Result<RefName, ApiError> {
    let text = if branch.starts_with("refs/") {
        branch.to_owned()
    } else {
        format!("refs/heads/{branch}")
    };
    text.parse()
        .map_err(|error: InvalidText| ApiError::invalid("branch", error.to_string()))
}

/// JSON Merge Patch (RFC 7396): objects are merged field by field, `null` removes, everything else replaces.
pub(super) fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else {
        return;
    };
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(&name);
        } else {
            merge(fields.entry(name).or_insert(Value::Null), value);
        }
    }
}

/// Schemas of the two bodies, made of the types that they are read into.
#[cfg(test)]
mod schema {
    use super::{FIXED, Head, NewProject, ProjectChanges};
    use devflow_domain::settings::ProjectSettings;
    use schemars::{JsonSchema, Schema, SchemaGenerator};
    use serde_json::{Value, json};
    use std::borrow::Cow;

    #[derive(serde::Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Fields {
        #[serde(flatten)]
        head: Head,
        #[serde(flatten)]
        settings: ProjectSettings,
    }

    impl JsonSchema for NewProject {
        fn schema_name() -> Cow<'static, str> {
            "NewProject".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let mut schema = Fields::json_schema(generator);
            schema.insert("description".to_owned(), "A project to make.".into());
            schema.insert("additionalProperties".to_owned(), false.into());
            schema
        }
    }

    impl JsonSchema for ProjectChanges {
        fn schema_name() -> Cow<'static, str> {
            "ProjectChanges".into()
        }

        fn json_schema(generator: &mut SchemaGenerator) -> Schema {
            let mut schema = Fields::json_schema(generator);
            let told = "Fields to change; those inside of `limits` and the like one by one.";
            schema.insert("description".to_owned(), told.into());
            schema.insert("additionalProperties".to_owned(), false.into());
            schema.remove("required");
            let fields = schema.get_mut("properties").and_then(Value::as_object_mut);
            let fields = fields.expect("a project has fields");
            fields.retain(|name, _| !FIXED.contains(&name.as_str()));
            for (_, field) in fields
                .iter_mut()
                .filter(|(name, _)| !["name", "branch"].contains(&name.as_str()))
            {
                *field = json!({ "anyOf": [field.take(), { "type": "null" }] });
            }
            schema
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slug_of_makes_what_a_slug_may_be() {
        let slugs: Vec<String> = [
            "Shop",
            "My  Süper Shop!",
            "--a--",
            "ends with a very long name that is cut-",
        ]
        .into_iter()
        .map(slug_of)
        .collect();
        assert_eq!(
            slugs,
            ["shop", "my-s-per-shop", "a", "ends-with-a-very-long-name-that"]
        );
    }

    #[test]
    fn merge_does_what_the_rfc_s_appendix_shows() {
        let cases = [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ];
        for (target, patch, expected) in cases {
            let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
            let mut merged = parse(target);
            merge(&mut merged, parse(patch));
            assert_eq!(merged, parse(expected), "{target} + {patch}");
        }
    }

    #[test]
    fn ref_of_takes_branches_and_whole_refs() {
        assert_eq!(ref_of("main").unwrap().as_str(), "refs/heads/main");
        assert_eq!(ref_of("refs/tags/v1").unwrap().as_str(), "refs/tags/v1");
        assert!(ref_of("a b").is_err());
    }
}
