//! An installation with two servers, each with a Docker engine of its own, and a database that the containers of both reach.

use crate::docker::Engine;
use crate::relay;
use crate::server::{FurtherServer, Installation, Parts, Site};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// Writes a row each time that it runs.
const MIGRATE: &str = "$db = new PDO('mysql:host=' . getenv('DB_HOST') . ';dbname=shop', 'shop', getenv('DB_PASSWORD')); \
                       $db->exec('CREATE TABLE IF NOT EXISTS migrated (at TIMESTAMP)'); \
                       $db->exec('INSERT INTO migrated VALUES (now())');";

/// Two servers, each with an engine of its own, and a database that the containers of both reach.
#[derive(Debug)]
pub struct Pair {
    // In the order in which they have to end.
    /// The second server.
    pub two: FurtherServer,
    /// The installation with the first one.
    pub here: Installation,
    _engines: [Engine; 2],
}

impl Pair {
    /// Starts it.
    pub fn build() -> Result<Self> {
        let engines = [Engine::own("dk-one")?, Engine::own("dk-two")?];
        let parts = Parts {
            mariadb: true,
            redis: false,
        };
        let variables = json!({"MISSING_AFTER_MS": "4000", "POLL_HOLD_MS": "1000"});
        let here = Installation::start_with(engines[0].docker().clone(), parts, &variables)?;
        let two = here.add_server("two", engines[1].docker().clone())?;
        let database = here.server.mariadb.as_ref().context("no database")?;
        database.query(
            "CREATE DATABASE shop; CREATE USER shop IDENTIFIED BY 'secret'; GRANT ALL ON shop.* TO shop",
        )?;
        for engine in &engines {
            relay::start(engine, database.socket())?;
        }
        Ok(Self {
            two,
            here,
            _engines: engines,
        })
    }

    /// A project on both, in this order.
    pub fn project(&self, more: &Value) -> Result<Site<'_>> {
        let servers = [self.here.server.runner.id(), self.two.server.runner.id()];
        let mut body = json!({
            "servers": servers,
            "steps": [
                {"name": "composer", "phase": "dependencies", "argv": ["composer", "install", "--no-interaction"], "timeout_s": 300},
                {"name": "migrate", "phase": "migrate", "argv": ["php", "-r", MIGRATE], "timeout_s": 60},
            ],
        });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        let site = self.here.project("php", &body)?;
        let environment = json!({"DB_HOST": relay::HOST, "DB_PASSWORD": "secret"});
        self.here.api.set_environment(&site.project, &environment)?;
        Ok(site)
    }

    /// How often the database was migrated.
    pub fn migrated(&self) -> Result<String> {
        let database = self.here.server.mariadb.as_ref().context("no database")?;
        database.query("SELECT count(*) FROM shop.migrated")
    }

    /// What the page says on each server.
    pub fn pages(&self, site: &Site<'_>) -> Result<[String; 2]> {
        let first = site.page("/")?;
        let second = self.two.server.visit(&site.host, "/")?;
        ensure!(
            second.status == 200,
            "two answers {}: {:.300}",
            second.status,
            second.text()
        );
        Ok([first, second.text()])
    }

    /// The releases that are live.
    pub fn live(&self, site: &Site<'_>) -> [Option<String>; 2] {
        [&self.here.server, &self.two.server].map(|server| server.live_release(&site.project.slug))
    }
}
