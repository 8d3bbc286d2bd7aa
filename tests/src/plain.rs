//! A browser without a script, as far as pages and forms go.

use crate::http::{Answer, Client};
use anyhow::{Context, Result, ensure};

/// A browser that keeps its session.
#[derive(Clone, Debug)]
pub struct Plain {
    base: String,
    cookie: String,
    client: Client,
}

impl Plain {
    /// One that has not been anywhere.
    pub fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            cookie: String::new(),
            client: Client::default(),
        }
    }

    /// One whose person has signed in.
    pub fn sign_in(base: &str, email: &str, password: &str) -> Result<Self> {
        let mut plain = Self::new(base);
        plain.enter("/sign-in", &format!("email={email}&password={password}"))?;
        Ok(plain)
    }

    /// The session's cookie.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }

    /// Sends a form that starts a session, and keeps it.
    pub fn enter(&mut self, path: &str, fields: &str) -> Result<Answer> {
        let answer = self.send("POST", path, Some(fields))?;
        self.keep(&answer)?;
        Ok(answer)
    }

    /// Keeps the session of an answer.
    pub fn keep(&mut self, answer: &Answer) -> Result<()> {
        let cookie = answer
            .headers
            .iter()
            .filter(|(name, value)| name == "set-cookie" && value.starts_with("__Host-devflow="))
            .map(|(_, value)| value.as_str())
            .next()
            .with_context(|| format!("no cookie: {} {:.600}", answer.status, answer.text()))?;
        cookie
            .split(';')
            .next()
            .unwrap_or_default()
            .clone_into(&mut self.cookie);
        Ok(())
    }

    /// One request; redirects are answers.
    pub fn send(&self, method: &str, path: &str, body: Option<&str>) -> Result<Answer> {
        let headers = [
            ("cookie", self.cookie.as_str()),
            ("origin", self.base.as_str()),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let url = format!("{}{path}", self.base);
        self.client.send(method, &url, &headers, body.map(str::as_bytes))
    }

    /// The text of a page.
    pub fn page(&self, path: &str) -> Result<String> {
        let answer = self.send("GET", path, None)?;
        ensure!(answer.status == 200, "{path} answered {}", answer.status);
        Ok(answer.text())
    }

    /// Sends a form with the token of `page`, whether that has such a form or not.
    pub fn post(&self, page: &str, action: &str, fields: &str) -> Result<Answer> {
        let text = self.page(page)?;
        let token = text
            .split("name=\"csrf\" value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        let body = format!("csrf={}&{fields}", token.context("no token")?);
        self.send("POST", action, Some(&body))
    }

    /// Sends a form of a page with the page's token, and follows the redirect to the page that says what was done.
    pub fn submit(&self, page: &str, action: &str, fields: &str) -> Result<String> {
        ensure!(
            self.page(page)?.contains(&format!("action=\"{action}\"")),
            "{page} has no form for {action}"
        );
        let answer = self.post(page, action, fields)?;
        ensure!(
            answer.status == 303,
            "{action} answered {}: {:.600}",
            answer.status,
            answer.text()
        );
        let place = answer.header("location").context("no redirect")?;
        let notice = answer.header("set-cookie").and_then(|set| set.split(';').next());
        let next = Self {
            cookie: format!("{}; {}", self.cookie, notice.unwrap_or_default()),
            ..self.clone()
        };
        next.page(place)
    }
}
