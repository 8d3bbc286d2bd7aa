//! A browser without a script, as far as pages and forms go.

use crate::browser::Browser;
use crate::http::{Answer, Client};
use crate::process::wait_for;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::time::Duration;

/// The session's cookie.
const SESSION: &str = "__Host-devflow";
/// Until a server has looked at a repository.
const LOOK: Duration = Duration::from_secs(30);

/// A browser that keeps its cookies.
#[derive(Clone, Debug)]
pub struct Plain {
    base: String,
    cookies: BTreeMap<String, String>,
    client: Client,
}

impl Plain {
    /// One that has not been anywhere.
    pub fn new(base: &str) -> Self {
        Self {
            base: base.to_owned(),
            cookies: BTreeMap::new(),
            client: Client::default(),
        }
    }

    /// One whose person has signed in.
    pub fn sign_in(base: &str, email: &str, password: &str) -> Result<Self> {
        let mut plain = Self::new(base);
        plain.enter("/sign-in", &format!("email={email}&password={password}"))?;
        Ok(plain)
    }

    /// One with the session of another browser.
    pub fn of(browser: &Browser, base: &str) -> Result<Self> {
        let mut plain = Self::new(base);
        plain.cookies.insert(SESSION.to_owned(), browser.cookie(SESSION)?);
        Ok(plain)
    }

    /// The cookies as they are sent.
    pub fn cookie(&self) -> String {
        let pairs = self.cookies.iter().map(|(name, value)| format!("{name}={value}"));
        pairs.collect::<Vec<_>>().join("; ")
    }

    /// Sends a form that starts a session, and keeps it.
    pub fn enter(&mut self, path: &str, fields: &str) -> Result<Answer> {
        let answer = self.send("POST", path, Some(fields))?;
        self.keep(&answer)?;
        Ok(answer)
    }

    /// Keeps the cookies of an answer that has a session.
    pub fn keep(&mut self, answer: &Answer) -> Result<()> {
        self.cookies.remove(SESSION);
        self.take(answer);
        ensure!(
            self.cookies.contains_key(SESSION),
            "no session: {} {:.600}",
            answer.status,
            answer.text()
        );
        Ok(())
    }

    /// Takes over what an answer sets.
    fn take(&mut self, answer: &Answer) {
        let set = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
        let pairs = set.filter_map(|(_, value)| value.split(';').next()?.split_once('='));
        self.cookies
            .extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
    }

    /// Forgets the session and stays the same device.
    pub fn leave(&mut self) {
        self.cookies.remove(SESSION);
    }

    /// One request; redirects are answers.
    pub fn send(&self, method: &str, path: &str, body: Option<&str>) -> Result<Answer> {
        let cookies = self.cookie();
        let headers = [
            ("cookie", cookies.as_str()),
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

    /// The token that the forms of a page carry.
    pub fn csrf(&self, page: &str) -> Result<String> {
        let text = self.page(page)?;
        let token = text
            .split("name=\"csrf\" value=\"")
            .nth(1)
            .and_then(|rest| rest.split('"').next());
        Ok(token.with_context(|| format!("{page} has no form"))?.to_owned())
    }

    /// Sends a form with the token of `page`, whether that has such a form or not.
    pub fn post(&self, page: &str, action: &str, fields: &str) -> Result<Answer> {
        let body = format!("csrf={}&{fields}", self.csrf(page)?);
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
        let mut next = self.clone();
        next.take(&answer);
        next.page(place)
    }

    /// Has a server look at a repository, and waits until the page about it says `text`; gives its path and the page.
    /// `fields` are repository, branch and server, and what the repository asks for.
    pub fn inspect(&self, fields: &str, text: &str) -> Result<(String, String)> {
        let asked = self.post("/projects/new", "/projects/inspect", fields)?;
        let path = asked.header("location").context("no redirect")?.to_owned();
        let page = wait_for(&format!("the page to say “{text}”"), LOOK, || {
            let page = self.page(&path)?;
            ensure!(page.contains(text), "it says:\n{page:.3000}");
            Ok(Some(page))
        })?;
        Ok((path, page))
    }
}
