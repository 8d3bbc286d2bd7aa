//! Looks at everything that the runner needs on a server and says what to do about what is missing. Changes nothing.

mod docker;
mod edge;
mod machine;
mod nginx;
mod services;

use crate::config::Config;
use serde::Serialize;
use std::time::Duration;

/// How long one answer of a tool may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    /// As it should be.
    Ok,
    /// It works, with a limit that is worth knowing.
    Warn,
    /// Deployments will fail.
    Fail,
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What was looked at.
    pub(crate) name: &'static str,
    /// How it is.
    pub(crate) verdict: Verdict,
    /// What was found and what it means.
    pub(crate) says: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fix: Option<String>,
}

impl Check {
    fn ok(name: &'static str, says: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Ok,
            says: says.into(),
            fix: None,
        }
    }

    fn warn(name: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Warn,
            says: says.into(),
            fix: Some(fix.into()),
        }
    }

    fn fail(name: &'static str, says: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Fail,
            ..Self::warn(name, says, fix)
        }
    }
}

/// Looks at everything.
pub(crate) async fn examine(config: &Config) -> Vec<Check> {
    let mut checks = machine::checks(config);
    checks.extend(machine::tools().await);
    checks.extend(edge::checks(config).await);
    checks.extend(docker::checks(config).await);
    checks.extend(nginx::checks(config).await);
    checks.extend(services::checks(config).await);
    checks
}

/// The report as people read it.
pub(crate) fn describe(checks: &[Check]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for check in checks {
        let word = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "warn",
            Verdict::Fail => "FAIL",
        };
        let _ = writeln!(text, "{word:<5} {:<16} {}", check.name, check.says);
        if let Some(fix) = &check.fix {
            let _ = writeln!(text, "{:<22} → {fix}", "");
        }
    }
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let _ = writeln!(
        text,
        "\n{} ok, {} to look at, {} to mend",
        count(Verdict::Ok),
        count(Verdict::Warn),
        count(Verdict::Fail)
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describe_puts_what_to_do_under_each_finding() {
        let checks = [
            Check::ok("git", "git version 2.39.5"),
            Check::fail("docker", "does not answer", "start it"),
        ];
        assert_eq!(
            describe(&checks),
            "ok    git              git version 2.39.5\nFAIL  docker           does not answer\n                       \
             → start it\n\n1 ok, 0 to look at, 1 to mend\n"
        );
    }
}
