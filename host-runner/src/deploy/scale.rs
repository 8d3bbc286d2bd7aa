//! Another number of workers and other limits for the live release, without a deployment: the commands stay those of the
//! release, and no request is lost. Doing it twice, or being killed in the middle of it, is fine.

use super::control::{done, live_of, reload_web};
use super::layout::Layout;
use super::live::apply_vhost;
use super::prepare::write_limits;
use crate::host::{Host, Result};
use crate::job::JobContext;
use devflow_protocol::job::Scale;
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::{ProcessKind, ProjectSpec};

/// Scales a project as `work` says.
pub(crate) async fn scale(job: &JobContext, work: &Scale) -> Outcome {
    let layout = Layout::new(&job.host, &work.slug);
    let spec = match live_of(&job.host, &layout) {
        Ok((_, live)) => scaled(&live.record.spec, work),
        Err(error) => return done(Err(error)),
    };
    if let Err(reason) = job.policy.judge_kept(&spec) {
        return Outcome::Refused { reason };
    }
    done(apply(&job.host, &layout, spec).await)
}

/// What the live release runs with from now on.
fn scaled(before: &ProjectSpec, work: &Scale) -> ProjectSpec {
    let mut spec = before.clone();
    spec.limits = work.limits.clone();
    let workers = spec.processes.iter_mut();
    for process in workers.filter(|process| process.kind == ProcessKind::Worker) {
        if let Some(wanted) = work.workers.iter().find(|it| it.name == process.name) {
            process.count = wanted.count;
        }
    }
    spec
}

async fn apply(host: &Host, layout: &Layout, spec: ProjectSpec) -> Result<()> {
    let (project, mut live) = live_of(host, layout)?;
    let before = std::mem::replace(&mut live.record.spec, spec);
    let spec = live.record.spec.clone();
    // First what the engine may refuse: nothing else has been changed then.
    live.limit_running(&spec.limits).await?;
    write_limits(&live.release, project.uid, &spec)?;
    // From here on the reconcile loop keeps it so.
    live.record.save(&live.release)?;
    if project.stopped {
        return Ok(());
    }
    live.end_surplus().await?;
    if before.limits != spec.limits {
        // Their limits hold already for containers that know nothing of PHP.
        if spec.container.is_none() {
            reload_web(&live).await?;
        }
        apply_vhost(host, layout, &spec, false).await?;
    }
    if before.limits.php_ini != spec.limits.php_ini {
        // A worker reads PHP's settings once, when it starts.
        live.stop_workers().await?;
    }
    live.ensure_running().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use devflow_protocol::job::WorkerCount;
    use devflow_protocol::project::Process;

    #[test]
    fn scaled_changes_counts_and_limits_and_no_command() {
        let mut before = samples::spec("shop");
        let process = |name: &str, kind, argv: &str| Process {
            name: name.parse().expect("a name"),
            kind,
            argv: vec![argv.to_owned()],
            count: 1,
            stop_wait_s: 10,
        };
        before.processes = vec![
            process("queue", ProcessKind::Worker, "work"),
            process("schedule", ProcessKind::Scheduler, "schedule"),
        ];
        let count = |name: &str, count| WorkerCount {
            name: name.parse().expect("a name"),
            count,
        };
        let mut limits = before.limits.clone();
        limits.max_children = 20;
        let after = scaled(
            &before,
            &Scale {
                slug: before.slug.clone(),
                workers: vec![count("queue", 4), count("schedule", 4), count("mails", 2)],
                limits: limits.clone(),
            },
        );
        let mut expected = before;
        expected.processes[0].count = 4;
        expected.limits = limits;
        assert_eq!(after, expected);
    }
}
