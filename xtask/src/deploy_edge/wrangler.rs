//! Cloudflare's own command line, which does all that touches the account.

use super::plan::{BUCKET, Inventory};
use crate::show;
use anyhow::{Context, Result, bail};
use devflow_tests::places;
use devflow_tests::process::output;
use serde_json::{Map, Value};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The name of the bucket's rule that ends raw webhook bodies.
const LIFECYCLE_RULE: &str = "deliveries";

#[derive(Clone)]
pub(crate) struct Wrangler {
    config: PathBuf,
    path: String,
    /// Where the databases and the bucket are that it works on.
    databases: &'static str,
}

impl Wrangler {
    /// Wrangler with an installation's configuration, which need not be there yet.
    pub(crate) fn new(config: PathBuf) -> Result<Self> {
        Ok(Self {
            config,
            path: places::path_with_npm()?,
            databases: "--remote",
        })
    }

    /// The same for databases on this machine, below the folder of the configuration.
    pub(crate) fn local(config: PathBuf) -> Result<Self> {
        Ok(Self {
            databases: "--local",
            ..Self::new(config)?
        })
    }

    fn program(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(places::npm_bin()?.join("wrangler"));
        command
            .args(arguments)
            .env("PATH", &self.path)
            // Nobody answers questions here, and nothing is reported about the person who runs it.
            .env("CI", "1")
            .env("WRANGLER_SEND_METRICS", "false");
        Ok(command)
    }

    /// For the installation, whose configuration is there by now.
    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = self.program(arguments)?;
        command.arg("--config").arg(&self.config);
        Ok(command)
    }

    fn run(&self, title: &str, arguments: &[&str]) -> Result<()> {
        show::run(title, &mut self.command(arguments)?)
    }

    pub(crate) fn configure(&self, text: &str) -> Result<()> {
        fs::write(&self.config, text).with_context(|| format!("cannot write {}", self.config.display()))
    }

    /// Whether somebody is signed in.
    pub(crate) fn check_account(&self) -> Result<()> {
        if output(&mut self.program(&["whoami", "--json"])?).is_err() {
            bail!(
                "nobody is signed in to Cloudflare: run `{} login`, or set CLOUDFLARE_API_TOKEN and \
                 CLOUDFLARE_ACCOUNT_ID (token with Workers Scripts, Workers Routes, D1 and Workers R2 Storage: edit)",
                places::npm_bin()?.join("wrangler").display()
            );
        }
        Ok(())
    }

    /// What is in the account.
    pub(super) fn inventory(&self) -> Result<Inventory> {
        let buckets = output(&mut self.command(&["r2", "bucket", "list"])?)?;
        let bucket = names_bucket(&buckets, BUCKET);
        let bodies_expire = bucket
            && output(&mut self.command(&["r2", "bucket", "lifecycle", "list", BUCKET])?)?
                .contains(LIFECYCLE_RULE);
        Ok(Inventory {
            databases: self.databases()?.into_iter().map(|(name, _)| name).collect(),
            bucket,
            bodies_expire,
            secrets: self.secrets()?,
        })
    }

    /// Names and ids of the account's databases.
    pub(crate) fn databases(&self) -> Result<Vec<(String, String)>> {
        named(&output(&mut self.command(&["d1", "list", "--json"])?)?, "uuid")
    }

    /// Names of the Worker's secrets; none where there is no Worker.
    pub(crate) fn secrets(&self) -> Result<Vec<String>> {
        let answer = self.command(&["secret", "list", "--format", "json"])?.output()?;
        let text = String::from_utf8_lossy(&answer.stdout);
        if !answer.status.success() {
            let why = format!("{text}{}", String::from_utf8_lossy(&answer.stderr));
            // Cloudflare's code for a Worker that does not exist.
            if why.contains("10007") {
                return Ok(vec![]);
            }
            bail!("the Worker's secrets cannot be listed:\n{why}");
        }
        Ok(named(&text, "type")?.into_iter().map(|(name, _)| name).collect())
    }

    pub(super) fn create_database(&self, name: &str) -> Result<()> {
        self.run(&format!("create {name}"), &["d1", "create", name])
    }

    pub(super) fn create_bucket(&self) -> Result<()> {
        self.run("create the bucket", &["r2", "bucket", "create", BUCKET])
    }

    pub(super) fn expire_bodies(&self) -> Result<()> {
        let rule = [
            "r2",
            "bucket",
            "lifecycle",
            "add",
            BUCKET,
            LIFECYCLE_RULE,
            "deliveries/",
        ];
        self.run(
            "add the lifecycle rule",
            &[&rule[..], &["--expire-days", "30", "--force"]].concat(),
        )
    }

    pub(super) fn migrate(&self, binding: &str) -> Result<()> {
        self.run(
            &format!("apply the migrations of {binding}"),
            &["d1", "migrations", "apply", binding, "--remote"],
        )
    }

    /// The column `value` of the rows of a query on the database of the state.
    pub(crate) fn column(&self, sql: &str) -> Result<Vec<String>> {
        let arguments = ["d1", "execute", "DB", self.databases, "--json", "--command", sql];
        let answer = output(&mut self.command(&arguments)?)?;
        values(&answer).with_context(|| format!("wrangler answered no rows: {answer:.200}"))
    }

    /// Writes a dump of a database.
    pub(crate) fn export(&self, database: &str, to: &Path) -> Result<()> {
        let to = to.to_str().context("the copy's path is not UTF-8")?;
        self.run(
            &format!("copy {database}"),
            &[
                "d1",
                "export",
                database,
                self.databases,
                "--output",
                to,
                "--skip-confirmation",
            ],
        )
    }

    /// Runs the statements of a file on a database.
    pub(crate) fn import(&self, database: &str, from: &Path) -> Result<()> {
        let from = from.to_str().context("the copy's path is not UTF-8")?;
        self.run(
            &format!("restore {database}"),
            &["d1", "execute", database, self.databases, "--file", from, "--yes"],
        )
    }

    /// Runs statements on the database of the state.
    pub(crate) fn execute(&self, sql: &str) -> Result<()> {
        self.run(
            "finish the restoration",
            &["d1", "execute", "DB", self.databases, "--command", sql, "--yes"],
        )
    }

    /// Puts a file into the bucket.
    pub(crate) fn put_object(&self, key: &str, file: &Path) -> Result<()> {
        let object = format!("{BUCKET}/{key}");
        let file = file.to_str().context("the file's path is not UTF-8")?;
        self.run(
            &format!("upload {key}"),
            &["r2", "object", "put", &object, "--file", file, self.databases],
        )
    }

    /// Takes a secret away from the Worker.
    pub(crate) fn delete_secret(&self, name: &str) -> Result<()> {
        self.run(&format!("take {name} away"), &["secret", "delete", name])
    }

    pub(super) fn upload(&self) -> Result<()> {
        self.run("upload the Worker", &["deploy"])
    }

    /// Packs the Worker as an upload would, and checks its configuration.
    pub(super) fn pack(&self, folder: &Path) -> Result<()> {
        let folder = folder.to_str().context("the folder's path is not UTF-8")?;
        self.run("pack the Worker", &["deploy", "--dry-run", "--outdir", folder])
    }

    /// Hands secrets over by standard input: arguments are seen by everybody on the machine.
    pub(crate) fn put_secrets(&self, secrets: &[(&str, String)]) -> Result<()> {
        let values: Map<String, Value> = secrets
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
            .collect();
        let mut child = self
            .command(&["secret", "bulk"])?
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run wrangler")?;
        let mut input = child.stdin.take().context("wrangler has no standard input")?;
        input.write_all(Value::from(values).to_string().as_bytes())?;
        drop(input);
        let ended = child.wait_with_output()?;
        if !ended.status.success() {
            bail!(
                "the secrets could not be handed over:\n{}",
                String::from_utf8_lossy(&ended.stderr)
            );
        }
        Ok(())
    }
}

/// `name` and one other field of each object of a JSON list.
fn named(json: &str, field: &str) -> Result<Vec<(String, String)>> {
    let list: Vec<Value> =
        serde_json::from_str(json).with_context(|| format!("wrangler answered no list: {json:.200}"))?;
    let text = |object: &Value, key: &str| object[key].as_str().map(str::to_owned);
    list.iter()
        .map(|object| Some((text(object, "name")?, text(object, field)?)))
        .collect::<Option<_>>()
        .with_context(|| format!("wrangler's list lacks `name` or `{field}`: {json:.200}"))
}

/// `value` of the rows that `wrangler d1 execute --json` gives.
fn values(json: &str) -> Option<Vec<String>> {
    let answers: Value = serde_json::from_str(json).ok()?;
    let rows = answers[0]["results"].as_array()?;
    rows.iter()
        .map(|row| Some(row["value"].as_str()?.to_owned()))
        .collect()
}

/// Whether `wrangler r2 bucket list` names a bucket; it prints `name: …` lines.
fn names_bucket(list: &str, name: &str) -> bool {
    list.lines()
        .filter_map(|line| line.trim().strip_prefix("name:"))
        .any(|found| found.trim() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_wrangler_are_read() {
        let databases =
            r#"[{"uuid":"id-1","name":"devflow-core","created_at":"2026-01-01","version":"production"}]"#;
        assert_eq!(
            named(databases, "uuid").expect("a list"),
            [("devflow-core".to_owned(), "id-1".to_owned())]
        );
        assert!(named("You are not logged in", "uuid").is_err());
        assert!(named(r#"[{"name":"x"}]"#, "uuid").is_err());
        let rows = r#"[{"results":[{"value":"edge_1"}],"success":true,"meta":{"duration":1}}]"#;
        assert_eq!(values(rows), Some(vec!["edge_1".to_owned()]));
        assert_eq!(values(r#"[{"results":[],"success":true}]"#), Some(vec![]));
        assert_eq!(values(r#"{"error":{"text":"no such table"}}"#), None);
        let buckets = "Listing buckets...\nname:           devflow-blobs-old\ncreation_date:  2026-01-01\n";
        assert!(!names_bucket(buckets, "devflow-blobs"));
        assert!(names_bucket(&buckets.replace("-old", ""), "devflow-blobs"));
    }
}
