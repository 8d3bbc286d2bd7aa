//! The JSON API as a person's session uses it, without a browser.

use crate::browser::Browser;
use crate::http::{Answer, Client};
use crate::plain::Plain;
use anyhow::Result;
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
        Self::behind(Plain::sign_in(base, email, password)?, base)
    }

    /// The session of who is signed in in a browser.
    pub fn of(browser: &Browser, base: &str) -> Result<Self> {
        Self::behind(Plain::of(browser, base)?, base)
    }

    fn behind(pages: Plain, base: &str) -> Result<Self> {
        Ok(Self {
            csrf: pages.csrf("/keys")?,
            base: base.to_owned(),
            pages,
        })
    }

    /// A request to the API; any status that its document knows is an answer.
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
        let cookie = self.pages.cookie();
        let mut headers = headers.to_vec();
        headers.extend([
            ("cookie", cookie.as_str()),
            ("origin", self.base.as_str()),
            ("x-csrf-token", self.csrf.as_str()),
            ("content-type", "application/json"),
        ]);
        let bytes = body.map(|body| body.to_string().into_bytes());
        let url = format!("{}/api/v1{path}", self.base);
        Client::default().send(method, &url, &headers, bytes.as_deref())
    }
}
