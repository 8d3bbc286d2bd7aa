//! Enrolment, policy, and the way to the edge.

use super::Check;
use crate::clock;
use crate::config::Config;
use crate::edge;
use crate::identity::Identity;
use crate::policy::Policy;
use devflow_protocol::dsse::fingerprint;
use devflow_protocol::request::SKEW_MS;

/// A difference that is worth a word; the `Date` of an answer has whole seconds only.
const NOTABLE_MS: i64 = 5_000;

pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let mut checks = vec![policy(config)];
    match Identity::load(&config.state_dir) {
        Ok(identity) => {
            checks.push(Check::ok("enrolment", format!("enrolled as {}", identity.server)));
            checks.push(keys(&identity));
            let base = config.edge.clone().unwrap_or(identity.edge_url);
            checks.extend(way(config, &base).await);
        }
        Err(error) => checks.push(Check::fail(
            "enrolment",
            error.to_string(),
            "add a server on the dashboard and run the command that it shows",
        )),
    }
    checks
}

/// Whose jobs are taken, for a person to compare with what the dashboard shows.
fn keys(identity: &Identity) -> Check {
    let job_key = fingerprint(&identity.pins.job_key);
    match &identity.pins.recovery_key {
        Some(recovery_key) => Check::ok(
            "keys",
            format!(
                "jobs have to be signed by {job_key}, which {} may replace",
                fingerprint(recovery_key)
            ),
        ),
        None => Check::warn(
            "keys",
            format!("jobs have to be signed by {job_key}; no recovery key is known yet"),
            "start the runner, it is told the key; where the edge has none, run cargo xtask deploy-edge",
        ),
    }
}

fn policy(config: &Config) -> Check {
    match Policy::load(&config.policy_file) {
        Ok(Some(_)) => Check::ok("policy", format!("{} holds", config.policy_file.display())),
        Ok(None) => Check::warn(
            "policy",
            "there is no policy file, so projects may come from any https or ssh repository",
            format!(
                "name your repositories in {}; host-runner policy check shows what holds",
                config.policy_file.display()
            ),
        ),
        Err(error) => Check::fail(
            "policy",
            error.to_string(),
            "mend the file; the runner does not start with it",
        ),
    }
}

async fn way(config: &Config, base: &str) -> Vec<Check> {
    let date = match edge::probe(base, config.ca_file.as_deref()).await {
        Ok(date) => date,
        Err(error) => {
            return vec![Check::fail(
                "edge",
                error.to_string(),
                format!("try: curl -v {base}/"),
            )];
        }
    };
    let mut checks = vec![Check::ok("edge", format!("{base} answers"))];
    if let Some(date) = date {
        let offset = date.since(clock::local());
        checks.push(match offset.abs() {
            ..NOTABLE_MS => Check::ok("clock", "agrees with the edge's"),
            away => Check::warn(
                "clock",
                format!(
                    "is {} s {}; the runner {}",
                    away / 1000,
                    if offset > 0 { "behind" } else { "ahead" },
                    if away > SKEW_MS {
                        "has to correct every request"
                    } else {
                        "corrects for it"
                    }
                ),
                "timedatectl set-ntp true",
            ),
        });
    }
    checks
}
