//! What is in an envelope, and who can open it.

use super::*;
use devflow_protocol::repository::RepositoryToken;
use devflow_protocol::{JobId, ProjectId};

const SETTINGS: &str =
    r#"{"framework":"php","repository":"https://git.test/a/b.git","domains":["shop.test"]}"#;

fn materials(verb: &str) -> Materials {
    let at = UnixMillis(1);
    let project = ProjectId::new(at, [1; 10]);
    let data_key = DataKey::new([5; 32]);
    Materials {
        id: JobId::new(at, [2; 10]),
        environment: Some(data_key.encrypt(&environment_context(&project, 3), br#"{"A":"1"}"#, [0; 12])),
        project: Some(project),
        verb: verb.to_owned(),
        arguments: "{}".to_owned(),
        attempt: 1,
        sequence: 7,
        deployment: Some(DeploymentId::new(at, [3; 10])),
        trigger_kind: Some(Trigger::Push),
        ref_name: Some("refs/heads/main".parse().unwrap()),
        commit_sha: Some("a".repeat(40).parse().unwrap()),
        target: None,
        force: Some(0),
        slug: Some("shop".parse().unwrap()),
        settings: Some(SETTINGS.to_owned()),
        environment_version: Some(3),
        repository_token: None,
        sealing_key: Some(STANDARD.encode(seal::public_key(&[7; 32]).unwrap())),
        position: None,
        segment: None,
    }
}

fn built(materials: &Materials) -> Result<Job, BuildError> {
    built_for(materials, true)
}

fn built_for(materials: &Materials, with_segment: bool) -> Result<Job, BuildError> {
    let (job_key, data_key) = (SigningKey::from_bytes(&[9; 32]), DataKey::new([5; 32]));
    let envelope = build(
        materials,
        &Seal {
            job_key: &job_key,
            data_key: &data_key,
            server: &ServerId::new(UnixMillis(1), [4; 10]),
            lease: "lease",
            now: UnixMillis(1_000_000),
            expires_at: UnixMillis(1_300_000),
            with_segment,
            entropy: SealEntropy {
                environment: [8; 32],
                repository_token: [6; 32],
            },
        },
    )?;
    Ok(Job::open(&envelope, [&job_key.verifying_key()]).unwrap())
}

#[test]
fn build_seals_the_environment_to_the_runner_alone() {
    let materials = materials("deploy");
    let job = built(&materials).unwrap();
    let Work::Deploy(deploy) = job.work else {
        panic!("a deploy was asked for")
    };
    assert_eq!(deploy.environment.version, 3);
    let context = environment_context(materials.project.as_ref().unwrap(), 3);
    assert_eq!(
        seal::open(&[7; 32], &context, &deploy.environment.sealed)
            .unwrap()
            .as_slice(),
        br#"{"A":"1"}"#
    );
    assert_eq!(
        (deploy.spec.slug.as_str(), deploy.trigger),
        ("shop", Trigger::Push)
    );
    assert_eq!(job.expires_at, UnixMillis(1_300_000));
}

#[test]
fn build_seals_a_token_to_the_runner_for_the_repository_that_it_was_given_for() {
    let (key, token) = (
        DataKey::new([5; 32]),
        RepositoryToken::new("ada", "ghp_secret").unwrap(),
    );
    let at = |owner: &str, repository: &str| {
        let context = crypt::repository_context(owner, &repository.parse().unwrap());
        Some(key.encrypt(&context, &token.to_plain(), [0; 12]))
    };
    let opened = |sealed: Option<Sealed>, repository: &str| {
        let context = repository_token_context(&repository.parse().unwrap());
        let plain = seal::open(&[7; 32], &context, &sealed.unwrap()).unwrap();
        RepositoryToken::from_plain(&plain).unwrap()
    };
    let (ours, theirs) = ("https://git.test/a/b.git", "https://evil.test/a/b.git");
    let deploy = materials("deploy");
    let project = deploy.project.clone().unwrap();
    let with = |repository_token| Materials {
        repository_token,
        ..materials("deploy")
    };
    let Work::Deploy(work) = built(&with(at(project.as_str(), ours))).unwrap().work else {
        panic!("a deploy was asked for")
    };
    assert_eq!(opened(work.repository_token, ours), token);
    assert_eq!(
        built(&with(at(project.as_str(), theirs)))
            .map(|_| ())
            .unwrap_err()
            .to_string(),
        "the repository's access token cannot be opened (the value was changed, or belongs to another place); give it \
         again in the project's settings"
    );
    let look = materials("inspect");
    let look = Materials {
        arguments: format!(r#"{{"repository":"{theirs}","ref_name":"refs/heads/main"}}"#),
        repository_token: at(look.id.as_str(), theirs),
        project: None,
        ..look
    };
    let Work::Inspect(work) = built(&look).unwrap().work else {
        panic!("a look was asked for")
    };
    assert_eq!(opened(work.repository_token, theirs), token);
}

#[test]
fn build_signs_the_newest_segment_into_the_job_where_the_runner_reads_it() {
    let segment = Envelope::sign(
        devflow_protocol::audit::SEGMENT_TYPE,
        b"{}",
        &SigningKey::from_bytes(&[9; 32]),
    );
    let with = |text: &str| Materials {
        segment: Some(text.to_owned()),
        ..materials("ping")
    };
    let stored = with(&serde_json::to_string(&segment).unwrap());
    assert_eq!(built(&stored).unwrap().segment, Some(segment));
    assert_eq!(built_for(&stored, false).unwrap().segment, None);
    assert_eq!(built(&with("no JSON")).unwrap().segment, None);
    assert_eq!(built(&materials("ping")).unwrap().segment, None);
}

#[test]
fn build_scales_to_what_is_set_by_then() {
    let materials = Materials {
        settings: Some(SETTINGS.replace(
            '}',
            r#","limits":{"max_children":12},"processes":[{"name":"queue",
            "kind":"worker","argv":["php","work"],"count":3,"stop_wait_s":10}]}"#,
        )),
        ..materials("scale")
    };
    let Work::Scale(scale) = built(&materials).unwrap().work else {
        panic!("a change of scale was asked for")
    };
    assert_eq!(scale.limits.max_children, 12);
    assert_eq!(
        (scale.workers[0].name.as_str(), scale.workers[0].count),
        ("queue", 3)
    );
}

#[test]
fn build_tells_what_is_missing() {
    let cases = [
        (
            Materials {
                settings: None,
                ..materials("deploy")
            },
            "the job's project is not there any more",
        ),
        (
            Materials {
                environment: None,
                ..materials("deploy")
            },
            "the job's environment is not there any more",
        ),
        (
            Materials {
                target: None,
                ..materials("rollback")
            },
            "the job's release is not there any more",
        ),
        (
            materials("cancel"),
            "the job's job to cancel is not there any more",
        ),
        (
            Materials {
                sealing_key: Some("AA==".to_owned()),
                ..materials("deploy")
            },
            "the server's sealing key cannot be used; enrol the server again",
        ),
    ];
    for (materials, expected) in cases {
        assert_eq!(built(&materials).map(|_| ()).unwrap_err().to_string(), expected);
    }
}
