//! `host-runner policy`: what this server allows, and the pins that only its own command line changes.

use crate::clock;
use crate::config::Config;
use crate::files;
use crate::journal::Journal;
use crate::policy::{Policy, Rules};
use anyhow::Context as _;
use devflow_protocol::text::{RepositoryUrl, Slug};
use std::process::ExitCode;

/// Sub-commands of `policy`.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check the policy file and show what it allows
    Check,
    /// Let a project be deployed from another repository than the one it was first deployed from
    Pin {
        /// The project's slug
        slug: Slug,
        /// Where its code comes from, from now on
        repository: RepositoryUrl,
    },
}

impl Command {
    pub(super) fn execute(&self, config: &Config) -> anyhow::Result<ExitCode> {
        files::private_dir(&config.state_dir)
            .with_context(|| format!("cannot use {}", config.state_dir.display()))?;
        let journal = Journal::open(&config.state_dir)?;
        match self {
            Self::Check => {
                let policy = Policy::load(&config.policy_file)?;
                let origin = if policy.is_some() {
                    config.policy_file.display().to_string()
                } else {
                    format!("built in, because {} is missing", config.policy_file.display())
                };
                println!("Policy: {origin}");
                print!("{}", describe(&policy.unwrap_or_default(), &journal.pins()?));
            }
            Self::Pin { slug, repository } => {
                journal.set_pin(slug.as_str(), repository.as_str(), clock::local())?;
                println!("{slug} is deployed from {repository} from now on.");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn describe(policy: &Policy, pins: &[(String, String)]) -> String {
    use std::fmt::Write as _;
    let mut text = section("All projects", &policy.general);
    for (slug, rules) in &policy.projects {
        text.push_str(&section(&format!("Project {slug}"), rules));
    }
    text.push_str("\nPinned repositories (changed with `host-runner policy pin`):\n");
    if pins.is_empty() {
        text.push_str("  none yet: a project's first live release pins its repository\n");
    }
    for (slug, repository) in pins {
        let _ = writeln!(text, "  {slug}: {repository}");
    }
    text
}

fn section(title: &str, rules: &Rules) -> String {
    let list = |texts: &[String]| {
        if texts.is_empty() {
            "nothing".to_owned()
        } else {
            texts.join(", ")
        }
    };
    format!(
        "\n{title}:\n  repositories  {}\n  images        {}\n  verbs         {}\n  commands      {}\n  \
         limits        {}\n",
        list(&rules.repositories),
        list(&rules.images),
        list(&rules.verbs),
        if rules.own_commands {
            "also the projects' own"
        } else {
            "those of the built-in pipelines"
        },
        rules.caps
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn describe_names_rules_and_pins() {
        let policy = Policy::parse(
            "[projects.shop]\nimages = []\nverbs = [\"ping\"]\nown_commands = false\nmemory_mib = 512",
        )
        .expect("valid");
        let text = describe(&policy, &[("shop".into(), "https://h.test/a".into())]);
        assert_eq!(
            text,
            "\nAll projects:\n  repositories  https://**, ssh://**, *@*:**\n  images        devflow/php:*\n  \
             verbs         deploy, rollback, cancel, stop, restart, scale, remove_project, ping, inspect, update\n  commands      also the \
             projects' own\n  limits        whatever is asked for\n\nProject shop:\n  \
             repositories  https://**, ssh://**, *@*:**\n  images        nothing\n  verbs         ping\n  commands      \
             those of the built-in pipelines\n  limits        memory_mib 512\n\nPinned \
             repositories (changed with `host-runner policy pin`):\n  shop: https://h.test/a\n"
        );
    }
}
