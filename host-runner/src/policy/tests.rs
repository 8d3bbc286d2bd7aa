use super::*;
use crate::samples;
use devflow_protocol::job::Rollback;
use devflow_protocol::{DeploymentId, UnixMillis};

fn allowed(policy: &str, repository: &str, image: &str, pin: Option<&str>) -> Result<(), String> {
    let policy = Policy::parse(policy).expect("a valid policy");
    let mut deploy = samples::deploy("shop");
    deploy.spec.repository = repository.parse().expect("a repository");
    deploy.spec.image = image.parse().expect("an image");
    policy.judge(&Work::Deploy(Box::new(deploy)), pin)
}

#[test]
fn judge_without_rules_takes_protected_repositories_and_official_images() {
    let image = "devflow/php:8.4";
    for repository in [
        "https://github.com/acme/shop.git",
        "ssh://git@h.test:22/a/b",
        "git@github.com:acme/shop.git",
    ] {
        assert_eq!(allowed("", repository, image, None), Ok(()));
    }
    for repository in [
        "http://h.test/a",
        "file:///srv/git/a.git",
        "https://h.test/a/../b",
        "https://h.test/a/%2e%2e/b",
    ] {
        let reason = allowed("", repository, image, None).expect_err("must be refused");
        assert_eq!(
            reason,
            format!(
                "this server's policy does not allow the repository {repository}; see `repositories` in its policy.toml"
            )
        );
    }
    assert_eq!(
        allowed("", "https://h.test/a", "evil/php:8.4", None).expect_err("must be refused"),
        "this server's policy does not allow the image evil/php:8.4; see `images` in its policy.toml"
    );
}

#[test]
fn judge_takes_a_projects_own_rules_before_the_general_ones() {
    let policy = r#"
        [allow]
        repositories = ["https://github.com/acme/*"]
        [projects.shop]
        repositories = ["file:///srv/git/*"]
        verbs = ["deploy", "ping"]
    "#;
    let image = "devflow/php:8.4";
    assert_eq!(allowed(policy, "file:///srv/git/shop.git", image, None), Ok(()));
    assert!(allowed(policy, "https://github.com/acme/shop", image, None).is_err());
    let policy = Policy::parse(policy).expect("valid");
    assert_eq!(
        policy
            .judge(&samples::stop("shop"), None)
            .expect_err("must be refused"),
        "this server's policy does not allow `stop` for shop; see `verbs` in its policy.toml"
    );
    assert_eq!(policy.judge(&samples::stop("blog"), None), Ok(()));
}

#[test]
fn judge_refuses_another_repository_than_the_pinned_one() {
    let image = "devflow/php:8.4";
    let pin = Some("https://github.com/acme/shop");
    assert_eq!(allowed("", "https://github.com/acme/shop", image, pin), Ok(()));
    assert_eq!(
        allowed("", "https://github.com/evil/shop", image, pin).expect_err("must be refused"),
        "shop is pinned to https://github.com/acme/shop on this server, and the job names \
         https://github.com/evil/shop; if that is wanted, run `host-runner policy pin shop \
         https://github.com/evil/shop` on the server"
    );
}

#[test]
fn judge_of_a_rollback_asks_for_the_image_only() {
    let policy = Policy::parse("[allow]\nrepositories = []").expect("valid");
    let rollback = |image: &str| {
        let mut spec = samples::spec("shop");
        spec.image = image.parse().expect("an image");
        Work::Rollback(Box::new(Rollback {
            deployment: DeploymentId::new(UnixMillis(1), [1; 10]),
            release: DeploymentId::new(UnixMillis(1), [2; 10]),
            force: false,
            spec,
        }))
    };
    assert_eq!(
        policy.judge(&rollback("devflow/php:8.4"), Some("https://h.test/other")),
        Ok(())
    );
    assert!(policy.judge(&rollback("evil/php:8.4"), None).is_err());
}

#[test]
fn parse_reports_every_problem_at_once() {
    let problems = Policy::parse(
        r#"
        allowed = 1
        [allow]
        verbs = ["deploy", "shell"]
        images = "x"
        [projects.Shop]
        [projects.blog]
        mounts = []
        "#,
    )
    .expect_err("must be refused");
    assert_eq!(
        problems.0,
        [
            "`allowed` is not known; known here: allow, projects",
            "`allow.images` must be a list of texts",
            "`allow.verbs` names the unknown verb `shell`; known: deploy, rollback, cancel, stop, restart, scale, \
             remove_project, ping, inspect, update",
            "`projects.Shop` names no project: `Shop` is not a slug of 1 to 32 lower-case letters, digits and \
             inner hyphens",
            "`projects.blog.mounts` is not known; known here: repositories, images, verbs, own_commands, \
             memory_mib, cpu_milli, max_children",
        ]
    );
}

#[test]
fn the_sample_policy_is_valid() {
    Policy::parse(include_str!("../../packaging/policy.toml")).expect("the sample is valid");
}

proptest::proptest! {
    /// A damaged policy is read, or refused with what is wrong.
    #[test]
    fn damaged_policy_is_read_or_refused(
        at in proptest::prelude::any::<proptest::sample::Index>(),
        put in "[a-z\"\\[\\]=.,\n#*{}\\\\]{0,6}",
        taken in 0_usize..12,
    ) {
        let sample = include_str!("../../packaging/policy.toml");
        let at = at.index(sample.len());
        let end = sample.ceil_char_boundary((at + taken).min(sample.len()));
        let start = sample.floor_char_boundary(at);
        let damaged = format!("{}{put}{}", &sample[..start], &sample[end..]);
        if let Err(Problems(problems)) = Policy::parse(&damaged) {
            proptest::prop_assert!(!problems.is_empty());
        }
    }
}
