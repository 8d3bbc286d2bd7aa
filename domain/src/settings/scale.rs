//! Another number of workers, in the settings and for the release that is live.

use super::{Problem, ProjectSettings};
use crate::pipeline;
use devflow_protocol::job::WorkerCount;
use devflow_protocol::project::{Process, ProcessKind};
use devflow_protocol::text::StepName;
use std::collections::BTreeMap;

impl ProjectSettings {
    /// The processes of the project: its own, or the framework's.
    pub fn all_processes(&self) -> Vec<Process> {
        let own = self.processes.clone();
        own.unwrap_or_else(|| pipeline::defaults(self.framework).processes)
    }

    /// How many of each worker are set.
    pub fn workers(&self) -> Vec<WorkerCount> {
        let workers = self.all_processes().into_iter();
        workers
            .filter(|process| process.kind == ProcessKind::Worker)
            .map(|Process { name, count, .. }| WorkerCount { name, count })
            .collect()
    }

    /// The processes with other numbers of workers; None where they are those of the framework, so that a better default
    /// still reaches the project.
    ///
    /// # Errors
    /// There is no such worker. Whether a number is allowed is told by [`Self::problems`].
    pub fn scaled(&self, counts: &BTreeMap<StepName, u8>) -> Result<Option<Vec<Process>>, Problem> {
        let mut processes = self.all_processes();
        for (name, count) in counts {
            let mut workers = processes.iter_mut();
            let worker = workers.find(|it| it.kind == ProcessKind::Worker && it.name == *name);
            let Some(worker) = worker else {
                return Err(Problem {
                    field: "workers",
                    message: format!("the project has no worker `{name}`"),
                });
            };
            worker.count = *count;
        }
        Ok(pipeline::other_processes(self.framework, processes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn laravel() -> ProjectSettings {
        serde_json::from_str(
            r#"{"framework":"laravel","repository":"https://github.com/acme/shop.git","domains":["shop.test"]}"#,
        )
        .expect("settings")
    }

    fn counts(name: &str, count: u8) -> BTreeMap<StepName, u8> {
        BTreeMap::from([(name.parse().expect("a name"), count)])
    }

    #[test]
    fn scaled_changes_one_number_and_keeps_the_rest() {
        let settings = laravel();
        let before = settings.all_processes();
        let worker = settings.workers()[0].name.clone();
        let after = settings
            .scaled(&counts(worker.as_str(), 4))
            .expect("scaled")
            .expect("changed");
        assert_eq!(after.len(), before.len());
        for (old, new) in before.iter().zip(&after) {
            let expected = Process {
                count: if old.name == worker { 4 } else { old.count },
                ..old.clone()
            };
            assert_eq!(*new, expected);
        }
    }

    #[test]
    fn scaled_back_to_the_usual_number_follows_the_framework_again() {
        let mut settings = laravel();
        let worker = settings.workers()[0].clone();
        settings.processes = settings.scaled(&counts(worker.name.as_str(), 0)).expect("scaled");
        assert_eq!(settings.problems(), vec![]);
        assert_eq!(
            settings.scaled(&counts(worker.name.as_str(), worker.count)),
            Ok(None)
        );
    }

    #[test]
    fn scaled_refuses_what_is_no_worker() {
        let scheduler = laravel()
            .all_processes()
            .into_iter()
            .find(|process| process.kind == ProcessKind::Scheduler)
            .expect("a scheduler");
        for name in ["mails", scheduler.name.as_str()] {
            let problem = laravel().scaled(&counts(name, 2)).expect_err("refused");
            assert_eq!(problem.message, format!("the project has no worker `{name}`"));
        }
    }
}
