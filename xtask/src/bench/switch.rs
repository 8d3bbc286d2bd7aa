//! No request fails while releases are switched.

use super::Say;
use anyhow::{Result, bail};
use devflow_tests::load::{Connections, Counted, meanwhile};
use devflow_tests::process::interrupted;
use devflow_tests::server::{Installation, Parts, Site};
use serde_json::{Map, Value, json};
use std::thread;
use std::time::Duration;

const SWITCHES: u32 = 50;
const QUIET: Duration = Duration::from_secs(5);
/// Between the end of a deployment and the next: visitors come all the time, pushes do not.
const BETWEEN: Duration = Duration::from_secs(3);

/// A page under load, and the application that it belongs to.
struct Page {
    app: &'static str,
    path: &'static str,
    /// Visitors of each kind at a time.
    connections: u16,
    services: Value,
}

pub(super) fn measure(say: Say) -> Result<Value> {
    let here = Installation::start(Parts {
        mariadb: true,
        redis: false,
    })?;
    let pages = [
        Page {
            app: "php",
            path: "/ping.php",
            connections: 16,
            services: json!({}),
        },
        Page {
            app: "laravel",
            path: "/",
            connections: 2,
            services: json!({"mariadb": true}),
        },
    ];
    let mut total = Counted::default();
    let (mut quiet, mut switching) = (Map::new(), Map::new());
    for page in &pages {
        let release = json!({"keep": 2, "drain_s": 30, "observe_s": 0, "ready_s": 30});
        let site = here.project(page.app, &json!({"release": release, "services": page.services}))?;
        site.push_live("First version")?;
        let calm = page.visited(&here, &site, || {
            thread::sleep(QUIET);
            Ok(())
        })?;
        let busy = page.visited(&here, &site, || deploy(&here, &site))?;
        for (when, counts, rates) in [
            ("nothing deployed", calm, &mut quiet),
            ("50 switches", busy, &mut switching),
        ] {
            for (how, counted) in &counts {
                say.line(&format!(
                    "{}, {}, {when}: {} requests ({}/s), {} failed",
                    page.app,
                    how.words(),
                    counted.requests,
                    counted.per_second,
                    counted.failed
                ));
                total.requests += counted.requests;
                total.failed += counted.failed;
            }
            let rate: u64 = counts.iter().map(|(_, counted)| counted.per_second).sum();
            rates.insert(page.app.to_owned(), json!(rate));
        }
    }
    Ok(json!({
        "requests": total.requests, "failed": total.failed, "switches": SWITCHES * 2,
        "quiet_per_s": quiet, "per_s": switching,
    }))
}

impl Page {
    /// What visitors of both kinds see while something is done.
    fn visited(
        &self,
        here: &Installation,
        site: &Site<'_>,
        done: impl FnOnce() -> Result<()>,
    ) -> Result<[(Connections, Counted); 2]> {
        let url = format!("http://127.0.0.1:{}{}", here.server.nginx.port(), self.path);
        meanwhile(here.folder(), &url, &site.host, self.connections, done)
    }
}

fn deploy(here: &Installation, site: &Site<'_>) -> Result<()> {
    for _ in 0..SWITCHES {
        if interrupted() {
            bail!("interrupted");
        }
        let deployment = here.api.deploy(&site.project)?;
        here.api.live(&deployment, Duration::from_mins(2))?;
        thread::sleep(BETWEEN);
    }
    Ok(())
}
