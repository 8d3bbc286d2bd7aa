//! An edge with several people, and projects that none of them shares with all.

use crate::api::{Api, Project, text};
use crate::browser::Browser;
use crate::database;
use crate::edge::{EMAIL, Edge};
use crate::places::Scratch;
use crate::plain::Plain;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;

/// The password of everybody who was invited.
pub const PASSWORD: &str = "Jane waters the ficus";

/// An edge with its owner and two projects, whose server has not been connected.
#[derive(Debug)]
pub struct House {
    /// The edge.
    pub edge: Edge,
    /// The owner's API key.
    pub api: Api,
    /// The owner's password.
    pub password: String,
    /// A project.
    pub flowers: Project,
    /// Another.
    pub blog: Project,
    scratch: Scratch,
}

impl House {
    /// Starts it.
    pub fn build() -> Result<Self> {
        Self::build_with(&json!({}))
    }

    /// Starts it with further variables of the worker.
    pub fn build_with(variables: &Value) -> Result<Self> {
        let scratch = Scratch::new()?;
        let edge = Edge::start_with(&scratch.path().join("e"), variables)?;
        Self::around(edge, scratch)
    }

    /// Starts it at a host name, see [`Edge::start_named`].
    pub fn build_named() -> Result<Self> {
        let scratch = Scratch::new()?;
        let edge = Edge::start_named(&scratch.path().join("e"))?;
        Self::around(edge, scratch)
    }

    fn around(edge: Edge, scratch: Scratch) -> Result<Self> {
        let (api, password) = edge.set_up()?;
        let (server, _) = api.add_server("web-1")?;
        let project = |name: &str| {
            api.add_project(&json!({
                "name": name, "framework": "php", "provider": "github", "server": server,
                "repository": format!("https://git.example.com/{name}.git"), "domains": [format!("{name}.example.com")],
            }))
        };
        let (flowers, blog) = (project("flowers")?, project("blog")?);
        Ok(Self {
            edge,
            api,
            password,
            flowers,
            blog,
            scratch,
        })
    }

    /// Where its data is.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// The owner's pages.
    pub fn owner(&self) -> Result<Plain> {
        Plain::sign_in(self.edge.url(), EMAIL, &self.password)
    }

    /// A browser in which the owner has signed in.
    pub fn browse(&self) -> Result<Browser> {
        let browser = Browser::start()?;
        browser.sign_in(self.edge.url(), EMAIL, &self.password)?;
        Ok(browser)
    }

    /// Invites by the API; gives the path of the link.
    pub fn invite(&self, body: &Value) -> Result<String> {
        invite(&self.edge, &self.api, body)
    }

    /// Invites somebody who comes in.
    pub fn add(&self, email: &str, body: &Value) -> Result<(Plain, String)> {
        let mut body = body.clone();
        body["email"] = json!(email);
        let link = self.invite(&body)?;
        let plain = self.accept(&link)?;
        let people = self.api.get("/people")?;
        let found = people["items"].as_array().context("no items")?;
        let person = found.iter().find(|person| person["email"] == email);
        Ok((plain, text(person.context("nobody came")?, "/id")?))
    }

    /// Lets more than a quarter of an hour pass since all who are signed in said who they are.
    pub fn forget_proofs(&mut self) -> Result<()> {
        self.edge.go_away();
        let sessions = database::open(self.folder(), "sessions")?;
        sessions.execute("UPDATE sessions SET proved_at = proved_at - 1000000", [])?;
        drop(sessions);
        self.edge.come_back()
    }

    /// Accepts an invitation.
    pub fn accept(&self, link: &str) -> Result<Plain> {
        accept(&self.edge, link)
    }
}

/// Invites somebody to an edge by its API; gives the path of the link.
pub fn invite(edge: &Edge, api: &Api, body: &Value) -> Result<String> {
    let made = api.post("/invitations", body, 201)?;
    let link = text(&made, "/link")?;
    let path = link.strip_prefix(edge.url());
    Ok(path.context("a link to elsewhere")?.to_owned())
}

/// Accepts an invitation.
pub fn accept(edge: &Edge, link: &str) -> Result<Plain> {
    let token = link.split("token=").nth(1).context("no token")?;
    let mut plain = Plain::new(edge.url());
    plain.enter("/join", &format!("token={token}&password={PASSWORD}"))?;
    Ok(plain)
}
