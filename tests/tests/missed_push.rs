//! Pushes that no webhook tells of: the server finds them where it asks the repository.

use anyhow::{Context, Result};
use devflow_tests::process::wait_for;
use devflow_tests::server::{Installation, Parts};
use devflow_tests::webhook::Delivery;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

fn deployments(here: &Installation, project: &str) -> Result<Vec<Value>> {
    let list = here.api.get(&format!("/projects/{project}/deployments"))?;
    Ok(list["items"].as_array().context("items")?.clone())
}

#[test]
fn push_whose_webhook_never_came_goes_live_once() -> Result<()> {
    let mut here = Installation::start(Parts::default())?;
    let config = here.folder().join("s/runner.toml");
    let text = fs::read_to_string(&config)?;
    fs::write(&config, format!("heads_every_s = 1\n{text}"))?;
    here.server.runner.stop();
    here.server.runner.start()?;
    let api = here.api.clone();

    let shop = here.project("php", &json!({}))?.detach();
    shop.on(&here).push_live("First version")?;
    let lost = shop.repository.push("Nobody tells of this")?;
    let limit = Duration::from_mins(2);
    let found = wait_for("the push to be found", limit, || {
        let newest = deployments(&here, &shop.project.id)?.swap_remove(0);
        Ok((newest["commit"] == *lost.after).then_some(newest))
    })?;
    assert_eq!(found["trigger"], "found", "{found}");
    assert_eq!(found["subject"], "Nobody tells of this", "{found}");
    let id = found["id"].as_str().context("an id")?;
    api.live(id, limit)?;

    // The webhook that comes after all brings nothing new.
    let late = Delivery::push(&lost).send(&shop.project.hook)?.expect(200)?;
    assert_eq!(late["decision"], "ignored", "{late}");

    // What its author does not want deployed is noted with the reason, as from a webhook.
    let skipped = shop.repository.push("Words only [skip ci]")?;
    wait_for("the second push to be found", limit, || {
        let inbox = api.get(&format!("/projects/{}/deliveries", shop.project.id))?;
        let newest = &inbox["items"][0];
        let is_it = newest["reason"] == "The commit message says [skip ci].";
        Ok((is_it && newest["delivery_id"].to_string().contains(&skipped.after)).then_some(()))
    })?;
    assert_eq!(deployments(&here, &shop.project.id)?.len(), 2);
    Ok(())
}
