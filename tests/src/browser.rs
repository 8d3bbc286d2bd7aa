//! A headless Chromium, driven over the W3C WebDriver protocol.

use crate::http::Client;
use crate::places::Scratch;
use crate::process::{Process, free_port, wait_for};
use anyhow::{Context, Result, bail};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// The key under which WebDriver names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser window.
#[derive(Debug)]
pub struct Browser {
    _driver: Process,
    _profile: Scratch,
    session: String,
    client: Client,
}

impl Browser {
    /// Starts chromedriver and a window with a fresh profile.
    pub fn start() -> Result<Self> {
        let profile = Scratch::new()?;
        let port = free_port()?;
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}"));
        let mut driver = Process::start(
            "chromedriver",
            &mut command,
            &profile.path().join("chromedriver.log"),
        )?;
        let client = Client::with_timeout(Duration::from_mins(1));
        let base = format!("http://127.0.0.1:{port}");
        wait_for("chromedriver to answer", Duration::from_secs(20), || {
            driver.check()?;
            let ready = client.get(&format!("{base}/status"), &[])?.json()?["value"]["ready"] == true;
            Ok(ready.then_some(()))
        })?;
        let user_data = format!("--user-data-dir={}", profile.path().join("profile").display());
        let arguments = [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            // What moves for ever is drawn anew all the time.
            "--force-prefers-reduced-motion",
            "--window-size=1280,900",
            &user_data,
        ];
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "goog:chromeOptions": {"args": arguments}, "goog:loggingPrefs": {"browser": "ALL"},
        }}});
        let answer = client
            .send(
                "POST",
                &format!("{base}/session"),
                &[],
                Some(wanted.to_string().as_bytes()),
            )?
            .expect(200)?;
        let id = answer["value"]["sessionId"]
            .as_str()
            .context("chromedriver gave no session")?;
        Ok(Self {
            _driver: driver,
            _profile: profile,
            session: format!("{base}/session/{id}"),
            client,
        })
    }

    pub(crate) fn command(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let bytes = body.map(|body| body.to_string().into_bytes());
        let answer = self
            .client
            .send(method, &format!("{}{path}", self.session), &[], bytes.as_deref())?;
        let mut value = answer.json()?;
        if answer.status != 200 {
            bail!(
                "the browser refused {method} {path}: {}",
                value["value"]["message"]
            );
        }
        Ok(value["value"].take())
    }

    /// Signs in with e-mail address and password; the overview is shown then.
    pub fn sign_in(&self, base: &str, email: &str, password: &str) -> Result<()> {
        self.open(&format!("{base}/sign-in"))?;
        self.fill("#email", email)?;
        self.fill("#password", password)?;
        self.click("form button")?;
        self.shows("Projects", Duration::from_secs(20))
    }

    /// Opens a page and waits until it is loaded.
    pub fn open(&self, url: &str) -> Result<()> {
        self.command("POST", "/url", Some(&json!({"url": url}))).map(drop)
    }

    /// The address that is shown.
    pub fn url(&self) -> Result<String> {
        Ok(self
            .command("GET", "/url", None)?
            .as_str()
            .unwrap_or_default()
            .to_owned())
    }

    /// Runs a function body in the page; `arguments` are its arguments.
    pub fn script(&self, body: &str, arguments: &Value) -> Result<Value> {
        self.command(
            "POST",
            "/execute/sync",
            Some(&json!({"script": body, "args": arguments})),
        )
    }

    /// Runs the body of an asynchronous function in the page, and waits for what it gives.
    pub fn later(&self, body: &str, arguments: &Value) -> Result<Value> {
        let script = format!(
            "const done = arguments[arguments.length - 1]; (async (...given) => {{ {body} }})(...arguments).then(done, \
             (error) => done(`failed: ${{error}}`));"
        );
        self.command(
            "POST",
            "/execute/async",
            Some(&json!({"script": script, "args": arguments})),
        )
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Result<String> {
        let found = self.whole_cookie(name)?;
        Ok(found["value"]
            .as_str()
            .context("a cookie without a value")?
            .to_owned())
    }

    /// A cookie with its attributes, as `WebDriver` names them.
    pub fn whole_cookie(&self, name: &str) -> Result<Value> {
        self.command("GET", &format!("/cookie/{name}"), None)
    }

    fn element(&self, selector: &str) -> Result<String> {
        let found = self.command(
            "POST",
            "/element",
            Some(&json!({"using": "css selector", "value": selector})),
        )?;
        Ok(found[ELEMENT].as_str().context("no element id")?.to_owned())
    }

    /// Waits for an element, then clicks it.
    pub fn click(&self, selector: &str) -> Result<()> {
        wait_for(
            &format!("`{selector}` to be clickable"),
            Duration::from_secs(15),
            || {
                let element = self.element(selector)?;
                self.command("POST", &format!("/element/{element}/click"), Some(&json!({})))?;
                Ok(Some(()))
            },
        )
    }

    /// Types into a field, as a person does.
    pub fn fill(&self, selector: &str, text: &str) -> Result<()> {
        let element = wait_for(&format!("`{selector}`"), Duration::from_secs(15), || {
            self.element(selector).map(Some)
        })?;
        self.command("POST", &format!("/element/{element}/clear"), Some(&json!({})))?;
        self.command(
            "POST",
            &format!("/element/{element}/value"),
            Some(&json!({"text": text})),
        )
        .map(drop)
    }

    /// Presses keys together and lets them go: characters, or the code points that `WebDriver` has for special keys.
    pub fn press(&self, keys: &[&str]) -> Result<()> {
        let event = |kind: &str, key: &&str| json!({"type": kind, "value": key});
        let down = keys.iter().map(|key| event("keyDown", key));
        let up = keys.iter().rev().map(|key| event("keyUp", key));
        let actions: Vec<Value> = down.chain(up).collect();
        let body = json!({"actions": [{"type": "key", "id": "keyboard", "actions": actions}]});
        self.command("POST", "/actions", Some(&body)).map(drop)
    }

    /// The text that a person sees on the page.
    pub fn text(&self) -> Result<String> {
        let text = self.script("return document.body.innerText", &json!([]))?;
        Ok(text.as_str().unwrap_or_default().to_owned())
    }

    /// Waits until the page shows a text, without loading it again.
    pub fn shows(&self, text: &str, limit: Duration) -> Result<()> {
        wait_for(&format!("the page to show “{text}”"), limit, || {
            let seen = self.text()?;
            if seen.contains(text) {
                Ok(Some(()))
            } else {
                bail!("it shows:\n{seen:.1500}")
            }
        })
    }

    /// Errors and warnings of the page's console.
    pub fn console(&self) -> Result<Vec<String>> {
        let entries = self.command("POST", "/se/log", Some(&json!({"type": "browser"})))?;
        let entries = entries.as_array().cloned().unwrap_or_default();
        Ok(entries
            .iter()
            .filter_map(|entry| entry["message"].as_str().map(str::to_owned))
            .collect())
    }

    /// Shows pages as a phone of that many pixels does; a window itself cannot be as narrow.
    pub fn emulate(&self, width: u32, height: u32) -> Result<()> {
        let screen = json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": true});
        self.tell("Emulation.setDeviceMetricsOverride", &screen)
    }

    /// Shows pages as wide as the window is again.
    pub fn emulate_nothing(&self) -> Result<()> {
        self.tell("Emulation.clearDeviceMetricsOverride", &json!({}))
    }

    /// A command of Chromium's own protocol.
    pub fn tell(&self, command: &str, parameters: &Value) -> Result<()> {
        let body = json!({"cmd": command, "params": parameters});
        self.command("POST", "/goog/cdp/execute", Some(&body)).map(drop)
    }

    /// Prefers something from now on, as a person can set it on their device: `reduced-motion`, `color-scheme`.
    pub fn prefer(&self, what: &str, value: &str) -> Result<()> {
        let features = json!([{"name": format!("prefers-{what}"), "value": value}]);
        self.tell("Emulation.setEmulatedMedia", &json!({"features": features}))
    }

    /// Lives in a time zone, such as `Asia/Tokyo`.
    pub fn time_zone(&self, name: &str) -> Result<()> {
        let body = json!({"cmd": "Emulation.setTimezoneOverride", "params": {"timezoneId": name}});
        self.command("POST", "/goog/cdp/execute", Some(&body)).map(drop)
    }

    /// Saves what is shown as a PNG.
    pub fn screenshot(&self, file: &Path) -> Result<()> {
        let picture = self.command("GET", "/screenshot", None)?;
        let bytes = BASE64_STANDARD
            .decode(picture.as_str().unwrap_or_default())
            .context("the screenshot is not base64")?;
        std::fs::write(file, bytes).with_context(|| format!("cannot write {}", file.display()))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.client.send("DELETE", &self.session, &[], None);
    }
}
