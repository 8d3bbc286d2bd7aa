//! A project on several servers: one after the other, the database migrated once, and what becomes of the others where one
//! fails.

use anyhow::{Context, Result, ensure};
use devflow_tests::api::text;
use devflow_tests::docker::Engine;
use devflow_tests::process::wait_for;
use devflow_tests::relay;
use devflow_tests::server::{FurtherServer, Installation, Parts, Site};
use serde_json::{Value, json};
use std::time::Duration;

const LIMIT: Duration = Duration::from_mins(2);

/// Writes a row each time that it runs.
const MIGRATE: &str = "$db = new PDO('mysql:host=' . getenv('DB_HOST') . ';dbname=shop', 'shop', getenv('DB_PASSWORD')); \
                       $db->exec('CREATE TABLE IF NOT EXISTS migrated (at TIMESTAMP)'); \
                       $db->exec('INSERT INTO migrated VALUES (now())');";

/// Two servers, each with an engine of its own, and a database that the containers of both reach.
struct House {
    // In the order in which they have to end.
    two: FurtherServer,
    here: Installation,
    _engines: [Engine; 2],
}

impl House {
    fn build() -> Result<Self> {
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
    fn project(&self, more: &Value) -> Result<Site<'_>> {
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
    fn migrated(&self) -> Result<String> {
        let database = self.here.server.mariadb.as_ref().context("no database")?;
        database.query("SELECT count(*) FROM shop.migrated")
    }

    /// What the page says on each server.
    fn pages(&self, site: &Site<'_>) -> Result<[String; 2]> {
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
    fn live(&self, site: &Site<'_>) -> [Option<String>; 2] {
        [&self.here.server, &self.two.server].map(|server| server.live_release(&site.project.slug))
    }
}

/// State and names of the steps, server by server.
fn parts(deployment: &Value) -> Result<Vec<(String, Vec<String>)>> {
    let servers = deployment["servers"].as_array().context("no servers")?;
    let part = |server: &Value| {
        let steps = server["steps"].as_array().context("no steps")?;
        let names = steps.iter().map(|step| text(step, "/step"));
        Ok((text(server, "/state")?, names.collect::<Result<_>>()?))
    };
    servers.iter().map(part).collect()
}

fn states(deployment: &Value) -> Result<Vec<String>> {
    Ok(parts(deployment)?.into_iter().map(|(state, _)| state).collect())
}

#[test]
fn push_goes_live_on_both_servers_and_migrates_once() -> Result<()> {
    let house = House::build()?;
    let site = house.project(&json!({}))?;
    let (_, deployed) = site.push_live("First version")?;
    let id = text(&deployed, "/id")?;
    assert_eq!(house.migrated()?, "1");
    assert_eq!(house.live(&site), [Some(id.clone()), Some(id.clone())]);
    assert!(house.pages(&site)?.iter().all(|page| page.contains("version 1")));
    let parts = parts(&deployed)?;
    assert_eq!(states(&deployed)?, ["live", "live"], "{deployed}");
    let has_migrated: Vec<bool> = parts
        .iter()
        .map(|(_, steps)| steps.iter().any(|step| step == "migrate"))
        .collect();
    assert_eq!(has_migrated, [true, false], "{parts:?}");
    assert!(
        parts
            .iter()
            .all(|(_, steps)| steps.iter().any(|step| step == "switch")),
        "{parts:?}"
    );
    assert_eq!(deployed["server"], house.here.server.runner.id());

    site.repository.write("VERSION", "2\n")?;
    let (_, second) = site.push_live("Second version")?;
    assert_eq!(house.migrated()?, "2");
    assert!(house.pages(&site)?.iter().all(|page| page.contains("version 2")));

    // Back and forth on both, without a migration.
    let back = house
        .here
        .api
        .post(&format!("/deployments/{id}/rollback"), &json!({}), 202)?;
    let back = house.here.api.live(&text(&back, "/deployment/id")?, LIMIT)?;
    assert_eq!(states(&back)?, ["live", "live"]);
    assert!(house.pages(&site)?.iter().all(|page| page.contains("version 1")));
    assert_eq!(house.migrated()?, "2");
    assert_ne!(second["id"], back["id"]);
    Ok(())
}
