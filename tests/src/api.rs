//! The JSON API, as a script of an owner uses it.

use crate::http::{Answer, Client};
use crate::process::{GiveUp, wait_for};
use crate::webhook::Hook;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::time::Duration;

/// States in which a deployment does not change any more.
const FINAL: [&str; 6] = [
    "live",
    "failed",
    "rolled_back",
    "cancelled",
    "superseded",
    "refused",
];

/// The API with a key.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    key: String,
    client: Client,
}

/// A project with what is needed to push to it.
#[derive(Clone, Debug)]
pub struct Project {
    /// Its id.
    pub id: String,
    /// Its slug.
    pub slug: String,
    /// Its hook.
    pub hook: Hook,
}

impl Api {
    /// Makes the owner's account with the set-up token.
    pub fn set_up(base: &str, token: &str, email: &str, password: &str) -> Result<Self> {
        let client = Client::default();
        let body = json!({"token": token, "email": email, "password": password}).to_string();
        let answer = client.send(
            "POST",
            &format!("{base}/api/v1/setup"),
            &[("content-type", "application/json")],
            Some(body.as_bytes()),
        )?;
        Ok(Self::new(base, &text(&answer.expect(201)?, "/api_key")?))
    }

    /// The API of an edge with a key that there is already.
    pub fn new(base: &str, key: &str) -> Self {
        Self {
            base: base.to_owned(),
            key: key.to_owned(),
            client: Client::default(),
        }
    }

    /// The edge's address.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// The API key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The same edge with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self {
            key: key.to_owned(),
            ..self.clone()
        }
    }

    /// One request with a JSON body; any status is an answer.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        self.call_with(method, path, &[], body)
    }

    /// As [`Self::call`], with further headers.
    pub fn call_with(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&Value>,
    ) -> Result<Answer> {
        let authorization = format!("Bearer {}", self.key);
        let mut headers = headers.to_vec();
        headers.push(("authorization", &authorization));
        let bytes = body.map(|body| body.to_string().into_bytes());
        if bytes.is_some() {
            headers.push(("content-type", "application/json"));
        }
        self.client.send(
            method,
            &format!("{}/api/v1{path}", self.base),
            &headers,
            bytes.as_deref(),
        )
    }

    /// `GET`, status 200.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.call("GET", path, None)?
            .expect(200)
            .with_context(|| format!("GET {path}"))
    }

    /// `POST` with an expected status.
    pub fn post(&self, path: &str, body: &Value, status: u16) -> Result<Value> {
        self.call("POST", path, Some(body))?
            .expect(status)
            .with_context(|| format!("POST {path}"))
    }

    /// Adds a server; gives its id and the enrolment (token, fingerprint, command).
    pub fn add_server(&self, name: &str) -> Result<(String, Value)> {
        let answer = self.post("/servers", &json!({"name": name}), 201)?;
        Ok((text(&answer, "/server/id")?, answer["enrolment"].clone()))
    }

    /// Makes a project.
    pub fn add_project(&self, body: &Value) -> Result<Project> {
        let answer = self.post("/projects", body, 201)?;
        Ok(Project {
            id: text(&answer, "/project/id")?,
            slug: text(&answer, "/project/slug")?,
            hook: Hook {
                url: text(&answer, "/hook/url")?,
                secret: text(&answer, "/hook/secret")?,
            },
        })
    }

    /// Messages to an endpoint, the newest first.
    pub fn messages(&self, endpoint: &str) -> Result<Vec<Value>> {
        let list = self.get(&format!("/endpoints/{endpoint}/messages"))?;
        Ok(list["items"].as_array().context("items")?.clone())
    }

    /// Sets variables of a project; the others stay.
    pub fn set_environment(&self, project: &Project, values: &Value) -> Result<()> {
        let path = format!("/projects/{}/environment", project.id);
        self.call("PATCH", &path, Some(&json!({"values": values})))?
            .expect(200)
            .context("PATCH environment")
            .map(drop)
    }

    /// Asks for a deployment of the branch's tip; gives its id.
    pub fn deploy(&self, project: &Project) -> Result<String> {
        text(
            &self.post(&format!("/projects/{}/deployments", project.id), &json!({}), 202)?,
            "/deployment/id",
        )
    }

    /// A deployment as it is now.
    pub fn deployment(&self, id: &str) -> Result<Value> {
        self.get(&format!("/deployments/{id}"))
    }

    /// Waits until a deployment does not change any more.
    pub fn finished(&self, id: &str, limit: Duration) -> Result<Value> {
        wait_for(&format!("deployment {id} to end"), limit, || {
            let deployment = self.deployment(id)?;
            ensure!(has_ended(&deployment), "it is {}", deployment["state"]);
            Ok(Some(deployment))
        })
    }

    /// Waits until a deployment is live; any other end fails at once, with its reason and the end of its output.
    pub fn live(&self, id: &str, limit: Duration) -> Result<Value> {
        let deployment = self.finished(id, limit)?;
        if deployment["state"] != "live" {
            let output = self.output(id).unwrap_or_default();
            let lines: Vec<&str> = output.lines().collect();
            let end = lines[lines.len().saturating_sub(40)..].join("\n");
            return Err(GiveUp(format!(
                "deployment {id} is {}: {}\n{end}",
                deployment["state"], deployment["reason"]
            ))
            .into());
        }
        Ok(deployment)
    }

    /// Waits until a deployment is in one of `states`.
    pub fn reaches(&self, id: &str, states: &[&str], limit: Duration) -> Result<Value> {
        wait_for(
            &format!("deployment {id} to be {}", states.join(" or ")),
            limit,
            || {
                let deployment = self.deployment(id)?;
                let state = deployment["state"].as_str().unwrap_or_default();
                if states.contains(&state) {
                    Ok(Some(deployment))
                } else if has_ended(&deployment) {
                    Err(GiveUp(format!(
                        "it is {state}: {}\n{}",
                        deployment["reason"],
                        self.output(id)?
                    ))
                    .into())
                } else {
                    bail!("it is {state}")
                }
            },
        )
    }

    /// What a deployment printed, a line each.
    pub fn output(&self, id: &str) -> Result<String> {
        let mut text = String::new();
        let mut after = 0;
        loop {
            let answer = self.get(&format!("/deployments/{id}/output?after={after}"))?;
            let events = answer["events"].as_array().cloned().unwrap_or_default();
            for event in &events {
                if let Some(line) = event["what"]["text"].as_str() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
            let last = answer["last"].as_u64().unwrap_or(after);
            if events.is_empty() || last <= after {
                return Ok(text);
            }
            after = last;
        }
    }

    /// Waits until a job has ended; gives it.
    pub fn job(&self, id: &str, limit: Duration) -> Result<Value> {
        wait_for(&format!("job {id} to end"), limit, || {
            let job = self.get(&format!("/jobs/{id}"))?;
            if job["finished_at"].is_null() {
                bail!("it is {}", job["state"]);
            }
            Ok(Some(job))
        })
    }
}

/// Whether a deployment does not change any more.
pub fn has_ended(deployment: &Value) -> bool {
    FINAL.contains(&deployment["state"].as_str().unwrap_or_default())
}

/// The text at a JSON pointer.
pub fn text(value: &Value, pointer: &str) -> Result<String> {
    let found = value.pointer(pointer).and_then(Value::as_str);
    found
        .map(str::to_owned)
        .with_context(|| format!("no text at {pointer} in {value:.600}"))
}
