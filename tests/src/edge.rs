//! The built worker in workerd, with databases and blobs in a folder of its own.

use crate::api::Api;
use crate::http::Client;
use crate::places;
use crate::process::{Process, free_port, wait_for};
use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The owner's e-mail address in demo and stories.
pub const EMAIL: &str = "owner@example.com";

/// A worker that answers, or is away for a while.
#[derive(Debug)]
pub struct Edge {
    process: Option<Process>,
    folder: PathBuf,
    url: String,
    setup_token: String,
}

impl Edge {
    /// Starts it with the usual settings.
    pub fn start(folder: &Path) -> Result<Self> {
        Self::start_with(folder, &json!({}))
    }

    /// Starts it with further variables.
    pub fn start_with(folder: &Path, variables: &Value) -> Result<Self> {
        Self::launch(folder, "127.0.0.1", variables, false)
    }

    /// Starts it at a host name: browsers offer no passkeys to pages at a bare address.
    pub fn start_named(folder: &Path) -> Result<Self> {
        Self::launch(folder, "localhost", &json!({}), false)
    }

    /// Starts it with its limits: elsewhere they would only be in the way.
    pub fn start_limited(folder: &Path) -> Result<Self> {
        Self::launch(folder, "127.0.0.1", &json!({}), true)
    }

    fn launch(folder: &Path, host: &str, variables: &Value, limits: bool) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let port = free_port()?;
        let url = format!("http://{host}:{port}");
        let setup_token = hex::encode(random::<16>()?);
        let mut vars = Map::new();
        vars.insert("PUBLIC_ORIGIN".into(), json!(url));
        vars.insert("JOB_KEY".into(), json!(BASE64_STANDARD.encode(random::<32>()?)));
        vars.insert("DATA_KEY".into(), json!(BASE64_STANDARD.encode(random::<32>()?)));
        vars.insert("SETUP_TOKEN".into(), json!(setup_token));
        // What is not on this machine is not asked, unless a story has something that stands for it.
        vars.insert("BREACHED_PASSWORDS".into(), json!(""));
        vars.extend(variables.as_object().cloned().unwrap_or_default());
        let config = json!({
            "npm": places::cache()?.join("npm/node_modules"),
            "worktree": places::workspace(),
            "port": port,
            "persist": folder.join("data"),
            "vars": vars,
            "limits": limits,
        });
        fs::write(folder.join("edge.json"), config.to_string())
            .context("cannot write the worker's settings")?;
        let mut edge = Self {
            process: None,
            folder: folder.to_owned(),
            url,
            setup_token,
        };
        edge.come_back()?;
        Ok(edge)
    }

    /// Starts it (again) at the same address with the same data.
    pub fn come_back(&mut self) -> Result<()> {
        let launcher = places::workspace().join("xtask/node/edge.mjs");
        ensure!(
            places::workspace().join("edge-worker/build/index.js").exists(),
            "the worker is not built; run `cargo xtask build-edge`"
        );
        let log = self.log();
        let seen = fs::metadata(&log).map_or(0, |meta| usize::try_from(meta.len()).unwrap_or(0));
        let mut command = Command::new(places::npm_bin()?.join("node"));
        command
            .arg(launcher)
            .arg(self.folder.join("edge.json"))
            .env("PATH", places::path_with_npm()?)
            .env("NODE_COMPILE_CACHE", places::cache()?.join("node-compiled"));
        let mut process = Process::start("the worker", &mut command, &log)?;
        wait_for("the worker to start", Duration::from_mins(1), || {
            process.check()?;
            let text = fs::read(&log)?;
            let ready = String::from_utf8_lossy(&text[seen.min(text.len())..]).contains("{\"ready\":true");
            Ok(ready.then_some(()))
        })?;
        self.process = Some(process);
        Ok(())
    }

    /// Takes it away, at once.
    pub fn go_away(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill();
        }
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The token that opens the set-up page.
    pub fn setup_token(&self) -> &str {
        &self.setup_token
    }

    /// What it logged.
    pub fn log(&self) -> PathBuf {
        self.folder.join("edge.log")
    }

    /// Its process, while it is there.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Process::pid)
    }

    /// Makes the owner with a fresh password.
    pub fn set_up(&self) -> Result<(Api, String)> {
        let password = hex::encode(random::<10>()?);
        Ok((
            Api::set_up(&self.url, &self.setup_token, EMAIL, &password)?,
            password,
        ))
    }

    /// Runs the cron trigger now.
    pub fn cron(&self) -> Result<()> {
        let url = format!("{}/cdn-cgi/local/scheduled?cron=*+*+*+*+*", self.url);
        let answer = Client::default().get(&url, &[])?;
        ensure!(
            answer.status == 200,
            "the cron trigger answers {}: {:.300}",
            answer.status,
            answer.text()
        );
        Ok(())
    }
}

/// Random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0u8; N];
    getrandom::fill(&mut bytes).context("no random bytes from the system")?;
    Ok(bytes)
}
