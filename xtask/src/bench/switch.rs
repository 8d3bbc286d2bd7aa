//! No request fails while releases are switched.

use super::Say;
use anyhow::{Result, bail};
use devflow_tests::load::{Connections, Counted, Load};
use devflow_tests::process::interrupted;
use devflow_tests::server::{Installation, Parts};
use serde_json::{Map, Value, json};
use std::time::Duration;

const SWITCHES: u32 = 50;

pub(super) fn measure(say: Say) -> Result<Value> {
    let here = Installation::start(Parts {
        mariadb: true,
        redis: false,
    })?;
    let mut total = Counted::default();
    let mut switches = 0;
    let mut per_second = Map::new();
    for (app, page, connections, services) in [
        ("php", "/ping.php", 16, json!({})),
        ("laravel", "/", 2, json!({"mariadb": true})),
    ] {
        let release = json!({"keep": 2, "drain_s": 30, "observe_s": 0, "ready_s": 30});
        let site = here.project(app, &json!({"release": release, "services": services}))?;
        site.push_live("First version")?;
        let url = format!("http://127.0.0.1:{}{page}", here.server.nginx.port());
        let kinds = [
            ("keep-alive", Connections::KeepAlive),
            ("close", Connections::Close),
        ];
        let loads: Vec<Load> = kinds
            .iter()
            .map(|(name, how)| {
                Load::start(
                    here.folder(),
                    &format!("{app}-{name}"),
                    &url,
                    &site.host,
                    *how,
                    connections,
                )
            })
            .collect::<Result<_>>()?;
        for _ in 0..SWITCHES {
            if interrupted() {
                bail!("interrupted");
            }
            let deployment = here.api.deploy(&site.project)?;
            here.api.live(&deployment, Duration::from_mins(2))?;
            switches += 1;
        }
        let mut rate = 0;
        for (load, (name, _)) in loads.into_iter().zip(kinds) {
            let counted = load.stop()?;
            say.line(&format!(
                "{app}, {name}: {} requests ({}/s), {} failed, {SWITCHES} switches",
                counted.requests, counted.per_second, counted.failed
            ));
            total.requests += counted.requests;
            total.failed += counted.failed;
            rate += counted.per_second;
        }
        per_second.insert(app.to_owned(), json!(rate));
    }
    Ok(json!({
        "requests": total.requests, "failed": total.failed, "switches": switches, "per_s": per_second,
    }))
}
