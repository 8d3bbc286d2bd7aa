//! A small HTTP client: no redirects followed, every status is an answer.

use crate::contract;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::time::Duration;
use ureq::http::Request;

/// An HTTP answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Header names in lower case, with their values.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first header of that (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_slice(&self.body).with_context(|| {
            format!(
                "status {} with a body that is not JSON: {:.300}",
                self.status,
                self.text()
            )
        })
    }

    /// The body as JSON when the status is the expected one.
    pub fn expect(&self, status: u16) -> Result<Value> {
        ensure!(
            self.status == status,
            "expected status {status}, got {}: {:.800}",
            self.status,
            self.text()
        );
        if self.body.is_empty() {
            Ok(Value::Null)
        } else {
            self.json()
        }
    }
}

/// Keeps connections between requests.
#[derive(Clone, Debug)]
pub struct Client(ureq::Agent);

impl Default for Client {
    fn default() -> Self {
        Self::with_timeout(Duration::from_secs(30))
    }
}

impl Client {
    /// A client that gives up after `limit`.
    pub fn with_timeout(limit: Duration) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(limit))
            .proxy(None)
            .build();
        Self(config.into())
    }

    /// One request. Bodies of answers are read up to 64 MiB. What the JSON API answers has to be what its document says.
    pub fn send(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer> {
        let answer = self.exchange(method, url, headers, body)?;
        if let Some(path) = api_path(url).filter(|_| method != "HEAD") {
            contract::check(method, path, &answer)?;
        }
        Ok(answer)
    }

    fn exchange(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> Result<Answer> {
        let mut request = Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let failed = || format!("{method} {url} got no answer");
        let answer = match body {
            Some(body) => self.0.run(request.body(body)?),
            None => self.0.run(request.body(())?),
        }
        .with_context(failed)?;
        let status = answer.status().as_u16();
        let headers = answer
            .headers()
            .iter()
            .map(|(name, value)| {
                (
                    name.as_str().to_owned(),
                    String::from_utf8_lossy(value.as_bytes()).into_owned(),
                )
            })
            .collect();
        let body = answer
            .into_body()
            .with_config()
            .limit(64 << 20)
            .read_to_vec()
            .with_context(failed)?;
        Ok(Answer {
            status,
            headers,
            body,
        })
    }

    /// `GET` with headers.
    pub fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Answer> {
        self.send("GET", url, headers, None)
    }
}

/// The path behind `/api/v1` of an address of the JSON API.
fn api_path(url: &str) -> Option<&str> {
    let (_, rest) = url.split_once("://")?;
    let path = &rest[rest.find('/')?..];
    path.strip_prefix("/api/v1").filter(|path| path.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn api_path_is_that_of_the_api_alone() {
        assert_eq!(api_path("http://127.0.0.1:1/api/v1/key?a=b"), Some("/key?a=b"));
        for other in [
            "http://127.0.0.1:1/",
            "http://127.0.0.1:1/hooks/api/v1/x",
            "http://127.0.0.1:1",
            "/api/v1/key",
        ] {
            assert_eq!(api_path(other), None, "{other}");
        }
    }
}
