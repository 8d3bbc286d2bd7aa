//! Whether a project's commands are those of the built-in pipelines.

use devflow_domain::pipeline::defaults;
use devflow_protocol::project::ProjectSpec;

/// Refuses a step or a process that this runner's own pipeline of the framework does not have. Who takes over the
/// control plane can then not name a command of theirs for a project's containers.
///
/// # Errors
/// One sentence: which command, and where it is forbidden.
pub(super) fn judge(spec: &ProjectSpec) -> Result<(), String> {
    let built_in = defaults(spec.framework);
    let steps = spec.steps.iter().map(|step| (&step.name, &step.argv));
    let processes = spec
        .processes
        .iter()
        .map(|process| (&process.name, &process.argv));
    let lists = spec.steps.iter().filter_map(|step| {
        let tenants = step.tenants.as_ref()?;
        Some((&step.name, &tenants.list))
    });
    let running = built_in.processes.iter().chain(&built_in.alternatives);
    let own = |argv: &Vec<String>| {
        !built_in.steps.iter().any(|step| step.argv == *argv)
            && !running.clone().any(|process| process.argv == *argv)
            && !built_in
                .steps
                .iter()
                .any(|step| step.tenants.as_ref().is_some_and(|tenants| tenants.list == *argv))
    };
    match steps.chain(processes).chain(lists).find(|(_, argv)| own(argv)) {
        None => Ok(()),
        Some((name, _)) => Err(format!(
            "this server's policy allows the commands of the built-in pipelines only, and `{name}` is none of them; \
             take it out of the project's pipeline, or see `own_commands` in the server's policy.toml"
        )),
    }
}

#[cfg(test)]
mod tests {
    use crate::policy::Policy;
    use crate::samples;
    use devflow_domain::pipeline::defaults;
    use devflow_protocol::job::{Deploy, Work};
    use devflow_protocol::project::{Framework, Phase};

    fn built_in(framework: Framework) -> Deploy {
        let mut deploy = samples::deploy("shop");
        let defaults = defaults(framework);
        deploy.spec.framework = framework;
        (deploy.spec.steps, deploy.spec.processes) = (defaults.steps, defaults.processes);
        deploy
    }

    fn judged(policy: &str, deploy: Deploy) -> Result<(), String> {
        let policy = Policy::parse(policy).expect("a valid policy");
        policy.judge(&Work::Deploy(Box::new(deploy)), None)
    }

    #[test]
    fn judge_takes_the_built_in_pipelines_and_no_command_beside_them() {
        const CLOSED: &str = "[allow]\nown_commands = false\n[projects.blog]\nown_commands = true";
        for framework in [
            Framework::Laravel,
            Framework::MultiTenant,
            Framework::Php,
            Framework::Shopware,
            Framework::Dockerfile,
            Framework::Compose,
        ] {
            assert_eq!(judged(CLOSED, built_in(framework)), Ok(()));
        }
        let mut hooked = built_in(Framework::Laravel);
        let mut hook = hooked.spec.steps[0].clone();
        hook.name = "hook:warm".parse().expect("a name");
        hook.phase = Phase::BeforeSwitch;
        hook.argv = ["sh", "-c", "env"].map(str::to_owned).into();
        hooked.spec.steps.push(hook);
        assert_eq!(judged("", hooked.clone()), Ok(()));
        assert_eq!(
            judged(CLOSED, hooked.clone()).expect_err("must be refused"),
            "this server's policy allows the commands of the built-in pipelines only, and `hook:warm` is none of them; \
             take it out of the project's pipeline, or see `own_commands` in the server's policy.toml"
        );
        let mut worker = built_in(Framework::Laravel);
        worker.spec.processes[0].argv = ["sh", "-c", "env"].map(str::to_owned).into();
        assert!(judged(CLOSED, worker).is_err());
        let mut horizon = built_in(Framework::Laravel);
        horizon.spec.processes[0] = defaults(Framework::Laravel).alternatives.remove(0);
        assert_eq!(judged(CLOSED, horizon), Ok(()));
        // A project's own word takes the place of the general one.
        hooked.spec.slug = "blog".parse().expect("a slug");
        assert_eq!(judged(CLOSED, hooked), Ok(()));
    }
}
