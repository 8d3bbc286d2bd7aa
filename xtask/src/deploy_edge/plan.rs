//! What there is to do, decided from what is there.

use anyhow::{Result, bail};
use std::fmt::{Display, Formatter};

/// The databases: binding and name.
pub(crate) const DATABASES: [(&str, &str); 2] = [("DB", "devflow-core"), ("LOGS", "devflow-logs")];
/// The bucket.
pub(super) const BUCKET: &str = "devflow-blobs";
/// The secret that holds the statements about keys.
const STATEMENTS: &str = "KEY_STATEMENTS";
/// Keys that the Worker cannot do without.
pub(super) const KEYS: [&str; 2] = ["JOB_KEY", "DATA_KEY"];

/// What is in the account.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// Names of databases.
    pub(super) databases: Vec<String>,
    /// Whether the bucket is there.
    pub(super) bucket: bool,
    /// Whether raw bodies expire.
    pub(super) bodies_expire: bool,
    /// Names of the Worker's secrets; none without a Worker.
    pub(super) secrets: Vec<String>,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    CreateDatabase(&'static str),
    CreateBucket,
    ExpireBodies,
    Configure,
    Import,
    Migrate(&'static str),
    Upload,
    PutKeys,
    PutStatements,
    PutSetupToken,
    PublishRunner,
}

impl Display for Step {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::CreateDatabase(name) => write!(out, "create the D1 database {name}"),
            Self::CreateBucket => write!(out, "create the R2 bucket {BUCKET}"),
            Self::ExpireBodies => write!(out, "let raw webhook bodies in {BUCKET} expire after 30 days"),
            Self::Configure => write!(out, "write the installation's wrangler.toml"),
            Self::Import => write!(out, "put the copy into the databases"),
            Self::Migrate(binding) => write!(out, "apply the migrations of {binding}"),
            Self::Upload => write!(out, "upload the Worker"),
            Self::PutKeys => write!(
                out,
                "make the keys {} and hand them to the Worker",
                KEYS.join(" and ")
            ),
            Self::PutStatements => write!(
                out,
                "make the recovery key, which stays here, and tell servers its public half"
            ),
            Self::PutSetupToken => write!(out, "make the set-up token"),
            Self::PublishRunner => write!(out, "sign the runner's programs and put them into {BUCKET}"),
        }
    }
}

/// The steps in order. Migrations go before the Worker: they only add, so the version that runs meanwhile goes on.
///
/// # Errors
/// A Worker that lost its keys while its databases are there is not given new ones: nothing in them could be read. With
/// `restoring`, a copy is put in, and databases that are there are not touched.
pub(super) fn plan(there: &Inventory, keys_kept: bool, restoring: bool) -> Result<Vec<Step>> {
    let has = |name: &str| there.secrets.iter().any(|secret| secret == name);
    let has_keys = KEYS.iter().all(|key| has(key));
    let new = DATABASES
        .iter()
        .all(|(_, name)| !there.databases.iter().any(|database| database == name));
    if restoring && !new {
        bail!(
            "the account has the databases already, which are not touched: to put this copy in their place, delete them \
             first (`wrangler d1 delete`). To go back by some days, `wrangler d1 time-travel` does without a copy"
        );
    }
    if !new && !has_keys && !keys_kept {
        bail!(
            "the databases are there, but neither the Worker nor this folder has their keys: what is encrypted in \
             them could not be read with new ones. Name the folder with the keys with --folder; if they are lost, \
             delete the databases to begin anew"
        );
    }
    let mut steps = Vec::new();
    for (_, name) in DATABASES {
        if !there.databases.iter().any(|database| database == name) {
            steps.push(Step::CreateDatabase(name));
        }
    }
    if !there.bucket {
        steps.push(Step::CreateBucket);
    }
    if !there.bodies_expire {
        steps.push(Step::ExpireBodies);
    }
    steps.push(Step::Configure);
    if restoring {
        steps.push(Step::Import);
    }
    steps.extend(DATABASES.map(|(binding, _)| Step::Migrate(binding)));
    steps.push(Step::Upload);
    if restoring {
        steps.push(Step::PutKeys);
        return Ok(steps);
    }
    if !has_keys {
        steps.push(Step::PutKeys);
    }
    // Only who has the job key can say which recovery key servers are to trust.
    if !has(STATEMENTS) && (keys_kept || !has_keys) {
        steps.push(Step::PutStatements);
    }
    if new {
        steps.push(Step::PutSetupToken);
    }
    steps.push(Step::PublishRunner);
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn everything() -> Inventory {
        Inventory {
            databases: DATABASES.map(|(_, name)| name.to_owned()).into(),
            bucket: true,
            bodies_expire: true,
            secrets: KEYS.into_iter().chain([STATEMENTS]).map(str::to_owned).collect(),
        }
    }

    #[test]
    fn empty_account_gets_everything_in_order() {
        let steps = plan(&Inventory::default(), false, false).expect("a plan");
        assert_eq!(
            steps,
            [
                Step::CreateDatabase("devflow-core"),
                Step::CreateDatabase("devflow-logs"),
                Step::CreateBucket,
                Step::ExpireBodies,
                Step::Configure,
                Step::Migrate("DB"),
                Step::Migrate("LOGS"),
                Step::Upload,
                Step::PutKeys,
                Step::PutStatements,
                Step::PutSetupToken,
                Step::PublishRunner,
            ]
        );
    }

    #[test]
    fn installation_that_is_there_is_only_updated() {
        let update = [
            Step::Configure,
            Step::Migrate("DB"),
            Step::Migrate("LOGS"),
            Step::Upload,
            Step::PublishRunner,
        ];
        for keys_kept in [true, false] {
            assert_eq!(plan(&everything(), keys_kept, false).expect("a plan"), update);
        }
    }

    #[test]
    fn installation_of_before_gets_its_recovery_key_where_its_job_key_is() {
        let there = Inventory {
            secrets: KEYS.map(str::to_owned).into(),
            ..everything()
        };
        let steps = plan(&there, true, false).expect("a plan");
        assert_eq!(
            steps[steps.len() - 2..],
            [Step::PutStatements, Step::PublishRunner]
        );
        let without = plan(&there, false, false).expect("a plan");
        assert_eq!(without[without.len() - 2..], [Step::Upload, Step::PublishRunner]);
    }

    #[test]
    fn copy_goes_into_an_account_without_databases_before_newer_migrations() {
        let steps = plan(&Inventory::default(), true, true).expect("a plan");
        let import = steps
            .iter()
            .position(|step| *step == Step::Import)
            .expect("an import");
        assert_eq!(steps[import - 1], Step::Configure);
        assert_eq!(
            steps[import + 1..],
            [
                Step::Migrate("DB"),
                Step::Migrate("LOGS"),
                Step::Upload,
                Step::PutKeys
            ]
        );
        for database in ["devflow-core", "devflow-logs"] {
            let there = Inventory {
                databases: vec![database.into()],
                ..Inventory::default()
            };
            let error = plan(&there, true, true).expect_err("refused").to_string();
            assert!(error.contains("are not touched"), "{error}");
        }
    }

    #[test]
    fn deployment_that_was_cut_short_goes_on_where_it_stood() {
        let there = Inventory {
            databases: vec!["devflow-core".into()],
            bucket: true,
            ..Inventory::default()
        };
        let steps = plan(&there, true, false).expect("a plan");
        assert_eq!(
            steps[..2],
            [Step::CreateDatabase("devflow-logs"), Step::ExpireBodies]
        );
        assert_eq!(
            steps[steps.len() - 3..],
            [Step::PutKeys, Step::PutStatements, Step::PublishRunner]
        );
    }

    #[test]
    fn databases_without_their_keys_are_refused() {
        let there = Inventory {
            secrets: vec!["JOB_KEY".into()],
            ..everything()
        };
        let error = plan(&there, false, false).expect_err("refused").to_string();
        assert!(error.contains("could not be read"), "{error}");
        assert!(
            plan(&there, true, false)
                .expect("a plan")
                .contains(&Step::PutKeys)
        );
    }
}
