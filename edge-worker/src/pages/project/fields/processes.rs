//! Processes on the form of a new project: what is proposed as fields, and what was typed as the API takes it.

use super::value_of;
use crate::pages::project::count::{Count, MOST};
use devflow_domain::{command_line, pipeline};
use devflow_protocol::project::{Framework, Process, ProcessKind};
use devflow_protocol::text::StepName;
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Frameworks that come with processes, and the class of what is shown for them only.
const GROUPS: [(Framework, &str); 3] = [
    (Framework::Laravel, "of-laravel"),
    (Framework::MultiTenant, "of-tenants"),
    (Framework::Shopware, "of-shopware"),
];
/// Where others have the name of their framework: a process of the person's own, whatever the framework.
const OWN: &str = "own";
/// Before the names of their fields.
const FIELD: &str = "process.";
const WORKER: &str = "worker";
const SCHEDULER: &str = "scheduler";
/// Between SIGTERM and SIGKILL for a process that no framework comes with, in seconds.
const STOP_WAIT_S: u16 = 60;

/// A process as it is on the form.
#[derive(Clone, Debug)]
pub(crate) struct Planned {
    of: String,
    place: usize,
    pub(crate) name: String,
    pub(crate) kind: String,
    /// Nothing where it is not to run.
    pub(crate) command: String,
    pub(crate) count: String,
}

impl Planned {
    fn new(of: &str, place: usize) -> Self {
        Self {
            of: of.to_owned(),
            place,
            name: String::new(),
            kind: WORKER.to_owned(),
            command: String::new(),
            count: "1".to_owned(),
        }
    }

    fn usual(framework: Framework, place: usize, process: &Process) -> Self {
        let kind = match process.kind {
            ProcessKind::Worker => WORKER,
            ProcessKind::Scheduler => SCHEDULER,
        };
        Self {
            name: process.name.to_string(),
            kind: kind.to_owned(),
            command: command_line::join(&process.argv),
            count: process.count.to_string(),
            ..Self::new(value_of(framework), place)
        }
    }

    /// What is wrong with it is told under this name.
    pub(crate) fn key(&self) -> String {
        format!("{FIELD}{}.{}", self.of, self.place)
    }

    pub(crate) fn field(&self, what: &str) -> String {
        format!("{}.{what}", self.key())
    }

    pub(crate) fn id(&self, what: &str) -> String {
        self.field(what).replace('.', "-")
    }

    pub(crate) fn is_worker(&self) -> bool {
        self.kind != SCHEDULER
    }

    pub(crate) fn count_field(&self) -> Count {
        Count::new(self.field("count"), &self.name, self.count.clone())
    }

    /// The process, or None where it is not to run.
    fn read(&self, usual: &[Process]) -> Result<Option<Process>, String> {
        let (name, command) = (self.name.trim(), self.command.trim());
        if command.is_empty() {
            let half = self.of == OWN && !name.is_empty();
            return if half {
                Err("give the command too, or leave the name empty".to_owned())
            } else {
                Ok(None)
            };
        }
        let name: StepName = name.parse().map_err(|_| {
            "its name has 1 to 40 lower-case letters, digits and hyphens, a letter first".to_owned()
        })?;
        let argv = command_line::split(command).map_err(|error| error.to_string())?;
        let (kind, count) = if self.is_worker() {
            let count = self.count.trim().parse().ok().filter(|count| *count <= MOST);
            let count = count.ok_or_else(|| format!("how many is a whole number of at most {MOST}"))?;
            (ProcessKind::Worker, count)
        } else {
            (ProcessKind::Scheduler, 1)
        };
        let known = usual.iter().find(|process| process.name == name);
        Ok(Some(Process {
            stop_wait_s: known.map_or(STOP_WAIT_S, |process| process.stop_wait_s),
            name,
            kind,
            argv,
            count,
        }))
    }
}

/// All of them, those of frameworks that are not chosen too: the choice is a field of the same form.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(from = "BTreeMap<String, String>")]
pub(crate) struct Plan(Vec<Planned>);

impl Plan {
    /// What each framework starts with, and room for one more.
    pub(super) fn usual() -> Self {
        let usual = GROUPS.map(|(framework, _)| rows(framework, &pipeline::defaults(framework).processes));
        Self(
            usual
                .into_iter()
                .flatten()
                .chain([Planned::new(OWN, 0)])
                .collect(),
        )
    }

    /// The same with other processes for one framework.
    pub(super) fn proposed(mut self, framework: Framework, processes: &[Process]) -> Self {
        self.0.retain(|row| row.of != value_of(framework));
        self.0.extend(rows(framework, processes));
        self
    }

    /// Those that frameworks come with, each with the class of what is shown for it.
    pub(crate) fn groups(&self) -> Vec<(&'static str, Vec<&Planned>)> {
        let of = |framework| self.0.iter().filter(move |row| row.of == value_of(framework));
        let groups = GROUPS.map(|(framework, class)| (class, of(framework).collect::<Vec<_>>()));
        groups.into_iter().filter(|(_, rows)| !rows.is_empty()).collect()
    }

    pub(crate) fn own(&self) -> impl Iterator<Item = &Planned> {
        self.0.iter().filter(|row| row.of == OWN)
    }

    /// The processes of a project of `framework`; None where they are what it starts with.
    ///
    /// # Errors
    /// The keys of those that cannot be taken, and why.
    pub(super) fn read(&self, framework: &str) -> Result<Option<Vec<Process>>, Vec<(String, String)>> {
        // One that there is not is told at its own field.
        let Ok(framework) = serde_json::from_value::<Framework>(json!(framework)) else {
            return Ok(None);
        };
        if self.0.is_empty() {
            return Ok(None);
        }
        let usual = pipeline::defaults(framework).processes;
        let (mut processes, mut problems) = (Vec::new(), Vec::new());
        let of = [value_of(framework), OWN];
        for row in of
            .iter()
            .flat_map(|of| self.0.iter().filter(move |row| row.of == *of))
        {
            match row.read(&usual) {
                Ok(process) => processes.extend(process),
                Err(problem) => problems.push((row.key(), problem)),
            }
        }
        if problems.is_empty() {
            Ok(pipeline::other_processes(framework, processes))
        } else {
            Err(problems)
        }
    }
}

fn rows(framework: Framework, processes: &[Process]) -> Vec<Planned> {
    let processes = processes.iter().enumerate();
    processes
        .map(|(place, process)| Planned::usual(framework, place, process))
        .collect()
}

impl From<BTreeMap<String, String>> for Plan {
    fn from(typed: BTreeMap<String, String>) -> Self {
        let mut rows = BTreeMap::new();
        for (field, text) in typed {
            let Some((of, place, what)) = parts(&field) else {
                continue;
            };
            let row = rows
                .entry((of.to_owned(), place))
                .or_insert_with(|| Planned::new(of, place));
            match what {
                "name" => row.name = text,
                "kind" => row.kind = text,
                "command" => row.command = text,
                "count" => row.count = text,
                _ => {}
            }
        }
        Self(rows.into_values().collect())
    }
}

/// Whose process a field is of, its place among them, and what of it.
fn parts(field: &str) -> Option<(&str, usize, &str)> {
    let mut parts = field.strip_prefix(FIELD)?.splitn(3, '.');
    let of = parts.next()?;
    let known = of == OWN || GROUPS.iter().any(|(framework, _)| value_of(*framework) == of);
    Some((of, parts.next()?.parse().ok()?, parts.next()?)).filter(|_| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(fields: &[(&str, &str)]) -> Plan {
        let fields = fields
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Plan::from(fields.collect::<BTreeMap<_, _>>())
    }

    /// The fields as a browser sends them.
    fn sent(plan: &Plan) -> BTreeMap<String, String> {
        let fields = plan.0.iter().flat_map(|row| {
            [
                (row.field("name"), row.name.clone()),
                (row.field("kind"), row.kind.clone()),
                (row.field("command"), row.command.clone()),
                (row.field("count"), row.count.clone()),
            ]
        });
        fields.collect()
    }

    fn lines(processes: &[Process]) -> Vec<String> {
        let line = |one: &Process| {
            format!(
                "{} × {} {:?} {} s",
                one.count, one.name, one.argv, one.stop_wait_s
            )
        };
        processes.iter().map(line).collect()
    }

    #[test]
    fn plan_that_nobody_changed_leaves_each_framework_its_own() {
        let plan = Plan::from(sent(&Plan::usual()));
        for framework in [
            "laravel",
            "multi_tenant",
            "shopware",
            "php",
            "dockerfile",
            "compose",
        ] {
            assert_eq!(plan.read(framework), Ok(None), "{framework}");
        }
        assert_eq!(Plan::default().read("laravel"), Ok(None), "a form without them");
    }

    #[test]
    fn plan_is_read_for_the_framework_that_was_chosen_with_what_was_added() {
        let mut fields = sent(&Plan::usual());
        for (field, text) in [
            ("process.laravel.0.count", " 3 "),
            ("process.laravel.1.command", ""),
            ("process.shopware.0.command", "bin/console other"),
            ("process.own.0.name", "mails"),
            ("process.own.0.command", "php artisan queue:work '--name=a b'"),
        ] {
            fields.insert(field.to_owned(), text.to_owned());
        }
        let plan = Plan::from(fields);
        let read = plan.read("laravel").unwrap().unwrap();
        assert_eq!(
            lines(&read),
            [
                r#"3 × worker ["php", "artisan", "queue:work", "--sleep=1", "--tries=3", "--max-time=3600"] 60 s"#,
                r#"1 × mails ["php", "artisan", "queue:work", "--name=a b"] 60 s"#,
            ]
        );
        let read = plan.read("php").unwrap().unwrap();
        assert_eq!(read.len(), 1, "{read:?}");
    }

    #[test]
    fn plan_names_the_process_that_cannot_be_taken() {
        let plan = typed(&[
            ("process.laravel.0.name", "worker"),
            ("process.laravel.0.command", "php artisan 'queue:work"),
            ("process.laravel.1.name", "scheduler"),
            ("process.laravel.1.command", "php artisan schedule:run"),
            ("process.laravel.1.count", "many"),
            ("process.own.0.name", "Mails"),
            ("process.own.0.command", "php mails.php"),
            ("process.own.1.name", "mails"),
            ("process.joomla.0.command", "nothing"),
            ("process.own.x.command", "nothing"),
        ]);
        let problems = plan.read("laravel").unwrap_err();
        let problems: Vec<String> = problems
            .into_iter()
            .map(|(key, text)| format!("{key}: {text}"))
            .collect();
        assert_eq!(
            problems,
            [
                "process.laravel.0: a quote is opened and not closed",
                "process.laravel.1: how many is a whole number of at most 32",
                "process.own.0: its name has 1 to 40 lower-case letters, digits and hyphens, a letter first",
                "process.own.1: give the command too, or leave the name empty",
            ]
        );
    }

    #[test]
    fn plan_takes_over_what_is_proposed_for_a_framework() {
        let mut processes = pipeline::defaults(Framework::Laravel).processes;
        processes.truncate(1);
        processes[0].count = 4;
        let plan = Plan::usual().proposed(Framework::Laravel, &processes);
        assert_eq!(plan.read("laravel").unwrap(), Some(processes));
        assert_eq!(plan.groups().len(), 3);
        assert_eq!(plan.own().count(), 1);
    }
}
