//! What is wrong with a project's settings.

use super::{Problem, ProjectSettings};
use crate::hooks::{self, Hook};
use crate::plan;
use devflow_protocol::project::{Framework, Process, ProcessKind, ReleasePolicy, Step};
use devflow_protocol::text::{RelPath, Slug};

/// Tags of one project, at most: each is a row that the overview by tag may read.
const TAGS: usize = 8;

/// All problems of `settings`, field by field.
pub(super) fn of(settings: &ProjectSettings) -> Vec<Problem> {
    let mut found = Problems(Vec::new());
    found.web(settings);
    found.limits(settings);
    found.release(settings.release);
    found.tags(&settings.tags);
    found.steps(settings.steps.as_deref().unwrap_or_default());
    found.hooks(&settings.hooks);
    found.processes(settings.processes.as_deref().unwrap_or_default());
    found.container(settings);
    found.0
}

struct Problems(Vec<Problem>);

impl Problems {
    fn check(&mut self, ok: bool, field: &'static str, message: &str) {
        if !ok {
            self.0.push(Problem {
                field,
                message: message.to_owned(),
            });
        }
    }

    fn tags(&mut self, tags: &[Slug]) {
        let mut different = tags.to_vec();
        different.sort_unstable();
        different.dedup();
        self.check(different.len() == tags.len(), "tags", "a tag is listed twice");
        self.check(tags.len() <= TAGS, "tags", "at most 8 tags");
    }

    fn web(&mut self, settings: &ProjectSettings) {
        let mut domains = settings.domains.clone();
        domains.sort_unstable();
        domains.dedup();
        self.check(
            !domains.is_empty(),
            "domains",
            "give at least one host name, such as shop.example.com",
        );
        self.check(
            domains.len() == settings.domains.len(),
            "domains",
            "a host name is listed twice",
        );
        self.check(domains.len() <= 100, "domains", "at most 100 host names");
        let dir = settings.public_dir.as_deref().unwrap_or_default();
        let dir_ok = dir.is_empty() || dir.parse::<RelPath>().is_ok();
        self.check(
            dir_ok,
            "public_dir",
            "a folder inside the repository, such as public, or empty",
        );
        self.check(
            (1..=4096).contains(&settings.body_mib),
            "body_mib",
            "1 to 4096 MiB",
        );
        if let Some(auth) = &settings.basic_auth {
            let name_ok = !auth.user.is_empty()
                && auth.user.len() <= 64
                && auth.user.bytes().all(|b| b.is_ascii_graphic() && b != b':');
            self.check(
                name_ok,
                "basic_auth.user",
                "1 to 64 visible characters without a colon",
            );
            let hash = &auth.password_hash;
            let hash_ok = ["$2y$", "$5$", "$6$", "$apr1$"]
                .iter()
                .any(|kind| hash.starts_with(kind))
                && hash.len() <= 256
                && hash.bytes().all(|b| b.is_ascii_graphic() && b != b':');
            self.check(
                hash_ok,
                "basic_auth.password_hash",
                "a hash as `htpasswd -nB` or `openssl passwd -6` print it",
            );
        }
        self.check(
            settings.path_filter.len() <= 50,
            "path_filter",
            "at most 50 globs",
        );
        let globs_ok = settings
            .path_filter
            .iter()
            .all(|glob| (1..=200).contains(&glob.len()));
        self.check(globs_ok, "path_filter", "each glob has 1 to 200 characters");
    }

    fn container(&mut self, settings: &ProjectSettings) {
        let Some(container) = settings.container() else {
            return;
        };
        let steps = settings.steps.iter().flatten();
        self.check(
            steps.clone().all(|step| step.cache.is_none()),
            "steps.cache",
            "the files of such a project are in its image, so a step has none to keep",
        );
        self.check(
            settings.framework != Framework::Compose || container.compose.is_some(),
            "container.compose.service",
            "name the service of the compose file that visitors reach, such as web",
        );
        self.check(container.port > 0, "container.port", "1 to 65535");
        self.check(
            (1..=16).contains(&container.replicas),
            "container.replicas",
            "1 to 16 containers",
        );
    }

    fn limits(&mut self, settings: &ProjectSettings) {
        let limits = &settings.limits;
        self.check(
            (64..=1_048_576).contains(&limits.memory_mib),
            "limits.memory_mib",
            "64 to 1048576 MiB",
        );
        self.check(
            (50..=256_000).contains(&limits.cpu_milli),
            "limits.cpu_milli",
            "50 to 256000 thousandths of a core",
        );
        self.check(
            // What is no PHP of ours has no use for it.
            settings.container().is_some() || (16..=limits.memory_mib).contains(&limits.php_memory_mib),
            "limits.php_memory_mib",
            "16 MiB up to limits.memory_mib",
        );
        self.check(
            (1..=1000).contains(&limits.max_children),
            "limits.max_children",
            "1 to 1000",
        );
        self.check(
            (1..=3600).contains(&limits.execution_s),
            "limits.execution_s",
            "1 to 3600 seconds",
        );
        let ini_ok = limits
            .php_ini
            .iter()
            .all(|(name, value)| ini_name(name) && ini_value(value));
        self.check(
            ini_ok,
            "limits.php_ini",
            "names of letters, digits, dots and underscores; values of visible characters without quotes, `;` and `$`",
        );
    }

    fn release(&mut self, release: ReleasePolicy) {
        self.check(
            (1..=50).contains(&release.keep),
            "release.keep",
            "1 to 50 releases",
        );
        self.check(
            (1..=3600).contains(&release.drain_s),
            "release.drain_s",
            "1 to 3600 seconds",
        );
        self.check(
            release.tenant_failures <= 1000,
            "release.tenant_failures",
            "0 to 1000 tenants",
        );
        self.check(release.observe_s <= 600, "release.observe_s", "0 to 600 seconds");
        self.check(
            (1..=600).contains(&release.ready_s),
            "release.ready_s",
            "1 to 600 seconds",
        );
    }

    fn steps(&mut self, steps: &[Step]) {
        self.check(steps.len() <= 40, "steps", "at most 40 steps");
        self.check(
            steps.is_sorted_by_key(|step| step.phase),
            "steps",
            "the steps must be in the order of their phases",
        );
        self.check(steps.iter().all(|step| argv_ok(&step.argv)), "steps.argv", ARGV);
        let time_ok = steps.iter().all(|step| (1..=7200).contains(&step.timeout_s));
        self.check(time_ok, "steps.timeout_s", "1 to 7200 seconds");
        let names: std::collections::BTreeSet<_> = steps.iter().map(|step| &step.name).collect();
        self.check(
            names.len() == steps.len(),
            "steps.name",
            "two steps have the same name",
        );
        self.check(
            !steps.iter().any(|step| plan::is_reserved(&step.name)),
            "steps.name",
            "a step is called as one that every deployment has; take another name",
        );
    }

    fn hooks(&mut self, hooks: &[Hook]) {
        self.check(hooks.len() <= hooks::MOST, "hooks", "at most 20 hooks");
        self.check(hooks.iter().all(|hook| argv_ok(&hook.argv)), "hooks.argv", ARGV);
        let time_ok = hooks.iter().all(|hook| (1..=7200).contains(&hook.timeout_s));
        self.check(time_ok, "hooks.timeout_s", "1 to 7200 seconds");
        if let Some(problem) = hooks::name_problem(hooks) {
            self.check(false, "hooks.name", problem);
        }
    }

    fn processes(&mut self, processes: &[Process]) {
        self.check(processes.len() <= 20, "processes", "at most 20 processes");
        self.check(
            processes.iter().all(|process| argv_ok(&process.argv)),
            "processes.argv",
            ARGV,
        );
        let count_ok = processes.iter().all(|process| match process.kind {
            ProcessKind::Worker => process.count <= 32,
            ProcessKind::Scheduler => process.count == 1,
        });
        self.check(
            count_ok,
            "processes.count",
            "0 to 32 of a worker, 1 of a scheduler",
        );
        self.check(
            processes.iter().all(|p| p.stop_wait_s <= 3600),
            "processes.stop_wait_s",
            "0 to 3600 seconds",
        );
        let names: std::collections::BTreeSet<_> = processes.iter().map(|process| &process.name).collect();
        self.check(
            names.len() == processes.len(),
            "processes.name",
            "two processes have the same name",
        );
    }
}

const ARGV: &str = "1 to 64 arguments of at most 4096 characters without NUL, the program first";

fn argv_ok(argv: &[String]) -> bool {
    (1..=64).contains(&argv.len())
        && !argv[0].is_empty()
        && argv.iter().all(|word| word.len() <= 4096 && !word.contains('\0'))
}

fn ini_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'_')
}

fn ini_value(value: &str) -> bool {
    value.len() <= 256
        && value
            .bytes()
            .all(|b| (b' '..0x7f).contains(&b) && !b"\"';$`\\".contains(&b))
}
