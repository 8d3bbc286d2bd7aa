//! An edge without anything behind it.

use crate::api::{Api, Project};
use crate::edge::Edge;
use crate::places::Scratch;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// An edge with a server that has not been enrolled: jobs wait, and nothing is lost.
#[derive(Debug)]
pub struct Alone {
    /// The edge.
    pub edge: Edge,
    /// The owner's API key.
    pub api: Api,
    /// The owner's password.
    pub password: String,
    server: String,
    scratch: Scratch,
}

impl Alone {
    /// Starts it.
    pub fn start() -> Result<Self> {
        Self::start_with(&json!({}))
    }

    /// Starts it with further variables of the worker.
    pub fn start_with(variables: &Value) -> Result<Self> {
        let scratch = Scratch::new()?;
        let edge = Edge::start_with(scratch.path(), variables)?;
        let (api, password) = edge.set_up()?;
        let (server, _) = api.add_server("web-1")?;
        Ok(Self {
            edge,
            api,
            password,
            server,
            scratch,
        })
    }

    /// A folder for the story's own files; the worker's are in it too.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The worker's databases.
    pub fn data(&self) -> PathBuf {
        self.scratch.path().join("data")
    }

    /// A project of plain PHP; `more` is merged into the API's request.
    pub fn project(&self, name: &str, more: &Value) -> Result<Project> {
        let mut body = json!({
            "name": name, "framework": "php", "repository": "https://github.com/acme/shop.git", "server": self.server,
            "domains": [format!("{name}.example.com")], "provider": "github",
        });
        body.as_object_mut()
            .context("an object")?
            .extend(more.as_object().cloned().unwrap_or_default());
        self.api.add_project(&body)
    }
}
