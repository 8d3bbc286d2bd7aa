//! The JSON API as a person's session uses it, without a browser.

use crate::contract;
use crate::http::{Answer, Client};
use crate::plain::Plain;
use anyhow::{Context, Result};
use serde_json::Value;

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct Session {
    /// Their pages.
    pub pages: Plain,
    base: String,
    csrf: String,
}

impl Session {
    /// The session of somebody with that address.
    pub fn sign_in(base: &str, email: &str, password: &str) -> Result<Self> {
        let pages = Plain::sign_in(base, email, password)?;
        let page = pages.page("/keys")?;
        let token = page
            .split("name=\"csrf\" value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        Ok(Self {
            csrf: token.context("the page has no form")?.to_owned(),
            base: base.to_owned(),
            pages,
        })
    }

    /// A request to the API; any status that its document knows is an answer.
    pub fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Answer> {
        let cookie = self.pages.cookie();
        let headers = [
            ("cookie", cookie.as_str()),
            ("origin", self.base.as_str()),
            ("x-csrf-token", self.csrf.as_str()),
            ("content-type", "application/json"),
        ];
        let bytes = body.map(|body| body.to_string().into_bytes());
        let url = format!("{}/api/v1{path}", self.base);
        let answer = Client::default().send(method, &url, &headers, bytes.as_deref())?;
        contract::check(method, path, &answer)?;
        Ok(answer)
    }
}
