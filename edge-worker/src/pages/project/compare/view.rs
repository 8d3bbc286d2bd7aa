//! Two deployments, side by side: pure, of their rows.

use crate::pages::look::{self, Badge};
use crate::pages::moment::{Length, Moment};
use crate::pages::project::deployments::{asked_by, subject};
use crate::pages::project::framework;
use crate::store::compared::ComparedRow;
use crate::store::deployments::DeploymentRow;
use crate::store::environments::{BETWEEN, ChangesRow};
use devflow_domain::compare::{self, Difference};
use devflow_domain::environment::{Changes, together};
use devflow_domain::webhook::Provider;
use devflow_protocol::outcome::{LockedPackages, Manifest};
use devflow_protocol::text::EnvName;
use devflow_protocol::time::UnixMillis;

/// What stands for something that is not known.
const UNKNOWN: &str = "–";

/// What is known beside the two rows.
pub(crate) struct Known {
    pub(crate) provider: Option<Provider>,
    pub(crate) repository: String,
    pub(crate) now: UnixMillis,
    /// The versions of the environment between the two, oldest first.
    pub(crate) versions: Vec<ChangesRow>,
}

/// One of the two.
pub(crate) struct Side {
    pub(crate) id: String,
    pub(crate) badge: Badge,
    pub(crate) subject: String,
    pub(crate) when: Moment,
}

/// A line of the table; `same` where both say the same, or one says nothing.
pub(crate) struct Fact {
    pub(crate) name: &'static str,
    pub(crate) before: String,
    pub(crate) after: String,
    pub(crate) same: bool,
}

/// What came, went and changed of one kind.
pub(crate) struct List {
    pub(crate) head: &'static str,
    pub(crate) rows: Vec<Difference>,
}

/// A migration that one has and the other has not.
pub(crate) struct Migration {
    pub(crate) name: String,
    pub(crate) new: bool,
    /// The statement that the other's code may not get on with.
    pub(crate) destructive: Option<String>,
}

/// A step that at least one of the two did, with how long it took.
pub(crate) struct StepTimes {
    pub(crate) name: String,
    pub(crate) before: String,
    pub(crate) after: String,
}

/// What the page tells.
pub(crate) struct Compared {
    pub(crate) before: Side,
    pub(crate) after: Side,
    /// The provider's page of the commits between.
    pub(crate) commits: Option<String>,
    pub(crate) facts: Vec<Fact>,
    pub(crate) packages: Vec<List>,
    pub(crate) migrations: Vec<Migration>,
    /// `Added`, `Changed` and `Removed`, each with the names.
    pub(crate) variables: Vec<(&'static str, String)>,
    /// More versions lie between than are looked through.
    pub(crate) many_versions: bool,
    pub(crate) steps: Vec<StepTimes>,
    /// Why something is not told.
    pub(crate) unknown: Option<&'static str>,
}

impl Compared {
    pub(crate) fn sides(&self) -> [&Side; 2] {
        [&self.before, &self.after]
    }

    /// True where packages, migrations and variables are the same as far as they are known.
    pub(crate) fn is_quiet(&self) -> bool {
        self.packages.is_empty()
            && self.migrations.is_empty()
            && self.variables.is_empty()
            && !self.many_versions
    }
}

/// The version of the environment that a deployment went live with.
pub(crate) fn environment(row: &ComparedRow) -> Option<u32> {
    Some(row.deployment.made()?.environment_version)
}

fn packages(row: &ComparedRow) -> Option<LockedPackages> {
    serde_json::from_str(row.packages.as_deref()?).ok()
}

fn side(row: &DeploymentRow, now: UnixMillis) -> Side {
    Side {
        id: row.id.to_string(),
        badge: look::deployment(row.state),
        subject: subject(row),
        when: Moment::new(row.finished_at.unwrap_or(row.queued_at), now),
    }
}

/// Puts the two side by side.
pub(crate) fn compared(before: &ComparedRow, after: &ComparedRow, known: Known) -> Compared {
    let made = [before.deployment.made(), after.deployment.made()];
    let (one, other) = (&before.deployment, &after.deployment);
    let commits = match (known.provider, &one.commit_sha, &other.commit_sha) {
        (Some(provider), Some(a), Some(b)) if a != b => {
            compare::commits_page(provider, &known.repository, a, b)
        }
        _ => None,
    };
    let versions = made
        .each_ref()
        .map(|made| Some(made.as_ref()?.environment_version));
    let many_versions = known.versions.len() > BETWEEN;
    Compared {
        before: side(one, known.now),
        after: side(other, known.now),
        commits,
        facts: facts([one, other], [made[0].as_ref(), made[1].as_ref()]),
        packages: lists(packages(before), packages(after)),
        migrations: match &made {
            [Some(before), Some(after)] => migrations(before, after),
            _ => vec![],
        },
        variables: if many_versions {
            vec![]
        } else {
            variables(known.versions, versions[0] > versions[1])
        },
        many_versions,
        steps: steps(one, other),
        unknown: unknown(&made, before.packages.is_some() && after.packages.is_some()),
    }
}

fn unknown(made: &[Option<Manifest>; 2], packages: bool) -> Option<&'static str> {
    if made.iter().any(Option::is_none) {
        return Some(
            "One of them did not go live, or not yet. Packages, migrations and environment of a release are told when it does.",
        );
    }
    (!packages).then_some(
        "Of at least one of them no packages are known: it has no lock file, or its server's runner was older then.",
    )
}

fn facts(rows: [&DeploymentRow; 2], made: [Option<&Manifest>; 2]) -> Vec<Fact> {
    let fact = |name, of: &dyn Fn(usize) -> Option<String>| {
        let (before, after) = (of(0), of(1));
        let known = before.is_some() || after.is_some();
        known.then(|| Fact {
            name,
            same: before == after || before.is_none() || after.is_none(),
            before: before.unwrap_or_else(|| UNKNOWN.to_owned()),
            after: after.unwrap_or_else(|| UNKNOWN.to_owned()),
        })
    };
    let filled = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let all = [
        fact("Commit", &|at| {
            Some(rows[at].commit_sha.as_ref()?.short().to_owned())
        }),
        fact("Branch", &|at| Some(rows[at].ref_name.short().to_owned())),
        fact("Author", &|at| filled(&rows[at].author)),
        fact("Asked for by", &|at| Some(asked_by(rows[at]).to_owned())),
        fact("Framework", &|at| {
            Some(framework(made[at]?.framework?).to_owned())
        }),
        fact("PHP", &|at| Some(made[at]?.php.as_ref()?.to_string())),
        fact("Image", &|at| Some(short_digest(&made[at]?.image_digest))),
        fact("Environment", &|at| {
            Some(format!("version {}", made[at]?.environment_version))
        }),
        fact("Answers in", &|at| Some(format!("{} ms", made[at]?.answer_ms?))),
        fact("Took", &|at| {
            let (from, to) = rows[at].started_at.zip(rows[at].finished_at)?;
            Some(Length(to.since(from)).to_string())
        }),
    ];
    all.into_iter().flatten().collect()
}

/// The first digits of an image's content id.
fn short_digest(digest: &str) -> String {
    digest
        .rsplit(':')
        .next()
        .unwrap_or_default()
        .chars()
        .take(12)
        .collect()
}

fn lists(before: Option<LockedPackages>, after: Option<LockedPackages>) -> Vec<List> {
    let (Some(before), Some(after)) = (before, after) else {
        return vec![];
    };
    let lists = [
        (
            "Composer packages",
            compare::values(&before.composer, &after.composer),
        ),
        ("npm packages", compare::values(&before.npm, &after.npm)),
    ];
    let lists = lists.into_iter().filter(|(_, rows)| !rows.is_empty());
    lists.map(|(head, rows)| List { head, rows }).collect()
}

fn migrations(before: &Manifest, after: &Manifest) -> Vec<Migration> {
    let told = |new: bool, one: &Manifest, other: &Manifest| -> Vec<Migration> {
        let names = compare::new_names(&other.migrations, &one.migrations);
        let row = |name: &str| Migration {
            name: name.to_owned(),
            new,
            destructive: one.destructive.get(name).cloned(),
        };
        names.into_iter().map(row).collect()
    };
    let mut all = told(true, after, before);
    all.extend(told(false, before, after));
    all
}

fn variables(versions: Vec<ChangesRow>, backwards: bool) -> Vec<(&'static str, String)> {
    let read = versions
        .into_iter()
        .map(|row| serde_json::from_str::<Changes>(&row.changes).unwrap_or_default());
    let changes = together(read);
    let changes = if backwards { changes.reversed() } else { changes };
    let kinds = [
        ("Added", changes.added),
        ("Changed", changes.changed),
        ("Removed", changes.removed),
    ];
    kinds
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(kind, names)| {
            let names: Vec<&str> = names.iter().map(EnvName::as_str).collect();
            (kind, names.join(", "))
        })
        .collect()
}

fn steps(before: &DeploymentRow, after: &DeploymentRow) -> Vec<StepTimes> {
    let times = |row: &DeploymentRow| -> Vec<(String, String)> {
        let time = |ms: Option<u64>| match ms {
            Some(ms) => Length(i64::try_from(ms).unwrap_or(i64::MAX)).to_string(),
            None => "not finished".to_owned(),
        };
        let steps = row.steps().into_iter();
        steps.map(|step| (step.step.to_string(), time(step.ms))).collect()
    };
    let [then, now] = [before, after].map(times);
    // In the order of the newer one; what only the older one did comes behind.
    let mut names: Vec<String> = Vec::new();
    for (name, _) in now.iter().chain(&then) {
        if !names.contains(name) {
            names.push(name.clone());
        }
    }
    let of = |times: &[(String, String)], name: &str| {
        let found = times.iter().rfind(|(step, _)| step == name);
        found.map_or_else(|| UNKNOWN.to_owned(), |(_, time)| time.clone())
    };
    names
        .into_iter()
        .map(|name| StepTimes {
            before: of(&then, &name),
            after: of(&now, &name),
            name,
        })
        .collect()
}

#[cfg(test)]
mod tests;
