//! What has to be true when everything is whole again.

use super::{Chaos, Report};
use crate::api::has_ended;
use crate::process::wait_for;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a site may take to serve.
const SERVING: Duration = Duration::from_mins(2);

impl Chaos {
    /// Looks at every deployment and at every site.
    pub(super) fn judge(&self) -> Report {
        let mut report = Report::default();
        for (number, site) in self.sites.iter().enumerate() {
            let slug = &site.project.slug;
            if let Err(error) = self.judge_site(number, &mut report) {
                let history = self.history(number);
                report.problems.push(format!("{slug}: {error:#}\n{history}"));
            }
        }
        if let Err(error) = self.here.server.nginx.test() {
            report.problems.push(format!("Nginx: {error:#}"));
        }
        report
    }

    fn judge_site(&self, number: usize, report: &mut Report) -> Result<()> {
        let slug = &self.sites[number].project.slug;
        let migrated = self.migrated(slug)?;
        let mut live = None;
        for pushed in self.pushed.iter().filter(|pushed| pushed.site == number) {
            let deployment = self.here.api.deployment(&pushed.id)?;
            let state = deployment["state"].as_str().unwrap_or_default().to_owned();
            let runs = migrated.get(&pushed.version).copied().unwrap_or(0);
            if let Err(error) = is_true(&deployment, runs) {
                let (id, version) = (&pushed.id, pushed.version);
                report
                    .problems
                    .push(format!("{slug}: {id} of version {version} is {state}: {error:#}"));
            }
            if state == "live" {
                live = Some(pushed);
            }
            *report.ended.entry(state).or_insert(0) += 1;
        }
        let live = live.context("nothing of it ever went live")?;
        let current = self.here.server.live_release(slug).context("no live release")?;
        ensure!(
            current == live.id,
            "`current` is {current}, and the edge says {}",
            live.id
        );
        let shown = format!("version {}.", live.version);
        let site = self.sites[number].on(&self.here);
        wait_for("the site to serve", SERVING, || {
            let page = site.page("/")?;
            ensure!(page == shown, "it shows {page:.200} in place of {shown}");
            Ok(Some(()))
        })?;
        self.here.server.nothing_is_orphaned(slug, &current)
    }

    /// What the edge says of a site's deployments, for whoever looks for the reason.
    fn history(&self, number: usize) -> String {
        let of_site = self.pushed.iter().filter(|pushed| pushed.site == number);
        let lines = of_site.map(|pushed| match self.here.api.deployment(&pushed.id) {
            Ok(told) => {
                let (id, version) = (&pushed.id, pushed.version);
                format!(
                    "    {version:>4}  {id} is {}: {}\n",
                    told["state"], told["reason"]
                )
            }
            Err(error) => format!("    {} is unknown: {error:#}\n", pushed.id),
        });
        lines.collect()
    }

    /// How often each version's migration was run.
    fn migrated(&self, slug: &str) -> Result<BTreeMap<u32, u32>> {
        let database = self.here.server.mariadb.as_ref().context("no database")?;
        let name = slug.replace('-', "_");
        let rows = database.query(&format!(
            "SELECT version, count(*) FROM df_{name}.migrated GROUP BY version"
        ))?;
        rows.lines()
            .map(|row| {
                let (version, count) = row.split_once('\t').context("two columns")?;
                Ok((version.parse()?, count.parse()?))
            })
            .collect()
    }
}

/// A deployment has ended, says why where it did not go live, and migrated as often as that.
fn is_true(deployment: &Value, migrations: u32) -> Result<()> {
    ensure!(has_ended(deployment), "that is no end");
    ensure!(migrations <= 1, "it migrated {migrations} times");
    if deployment["state"] == "live" {
        ensure!(migrations == 1, "it never migrated");
    } else {
        let reason = deployment["reason"].as_str().unwrap_or_default();
        ensure!(!reason.is_empty(), "nothing says why");
    }
    Ok(())
}
