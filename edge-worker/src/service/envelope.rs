//! From a leased job's rows to the signed envelope. Pure: keys, time and entropy are arguments.

use crate::crypt::{CryptError, DataKey};
use crate::store::lease::{Arguments, Materials};
use crate::store::projects::read_settings;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_domain::settings::ProjectSettings;
use devflow_domain::targets;
use devflow_protocol::dsse::Envelope;
use devflow_protocol::job::{
    Cancel, Deploy, Inspect, Job, Ping, ProjectOnly, RemoveProject, Restart, Rollback, Scale,
    SealedEnvironment, Trigger, Work, environment_context,
};
use devflow_protocol::limits::ENVELOPE_BYTES;
use devflow_protocol::project::ProjectSpec;
use devflow_protocol::seal;
use devflow_protocol::{DeploymentId, ServerId, UnixMillis};
use ed25519_dalek::SigningKey;
use zeroize::Zeroizing;

/// Why no envelope can be made. The job ends with this sentence.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// A part is not there, for instance the project was removed meanwhile.
    #[error("the job's {0} is not there any more")]
    Missing(&'static str),
    /// The environment cannot be opened.
    #[error("the project's environment cannot be opened ({0}); save it again")]
    Environment(#[from] CryptError),
    /// The runner's key is no key.
    #[error("the server's sealing key cannot be used; enrol the server again")]
    SealingKey,
    /// A stored value cannot be read.
    #[error("what is stored for the job cannot be read ({0}); save the project's settings again")]
    Stored(String),
    /// Larger than a runner accepts.
    #[error("the job is larger than {ENVELOPE_BYTES} bytes; shorten the project's steps or environment")]
    TooLarge,
}

/// Who signs, for whom, and when.
pub(crate) struct Seal<'a> {
    pub(crate) job_key: &'a SigningKey,
    pub(crate) data_key: &'a DataKey,
    pub(crate) server: &'a ServerId,
    pub(crate) lease: &'a str,
    pub(crate) now: UnixMillis,
    pub(crate) expires_at: UnixMillis,
    /// The runner reads segments of the audit trail in jobs.
    pub(crate) with_segment: bool,
    /// Fresh for each call.
    pub(crate) entropy: [u8; 32],
}

/// Makes the envelope of a leased job.
pub(crate) fn build(materials: &Materials, seal: &Seal<'_>) -> Result<Envelope, BuildError> {
    let job = Job {
        version: devflow_protocol::VERSION,
        id: materials.id.clone(),
        server: seal.server.clone(),
        project: materials.project.clone(),
        sequence: materials.sequence,
        attempt: materials.attempt,
        lease: seal.lease.to_owned(),
        // A runner whose clock is a little behind may start at once.
        not_before: seal.now.plus(-60_000),
        expires_at: seal.expires_at,
        segment: segment(materials).filter(|_| seal.with_segment),
        work: work(materials, seal)?,
    };
    let envelope = job
        .sign(seal.job_key)
        .map_err(|error| BuildError::Stored(error.to_string()))?;
    if envelope.payload.len() + 1024 > ENVELOPE_BYTES {
        return Err(BuildError::TooLarge);
    }
    Ok(envelope)
}

/// What the runner is to witness. One that cannot be read keeps no job from its server: the export of the trail tells.
fn segment(materials: &Materials) -> Option<Envelope> {
    serde_json::from_str(materials.segment.as_deref()?).ok()
}

fn work(materials: &Materials, seal: &Seal<'_>) -> Result<Work, BuildError> {
    let arguments: Arguments =
        serde_json::from_str(&materials.arguments).map_err(|error| BuildError::Stored(error.to_string()))?;
    let slug = || materials.slug.clone().ok_or(BuildError::Missing("project"));
    Ok(match materials.verb.as_str() {
        "deploy" => Work::Deploy(Box::new(deploy(materials, seal)?)),
        "rollback" => Work::Rollback(Box::new(rollback(materials, arguments.release)?)),
        "cancel" => Work::Cancel(Cancel {
            job: arguments.job.ok_or(BuildError::Missing("job to cancel"))?,
        }),
        "stop" => Work::Stop(ProjectOnly { slug: slug()? }),
        "restart" => Work::Restart(Restart {
            slug: slug()?,
            only: arguments.only,
        }),
        "scale" => Work::Scale(Box::new(scale(materials)?)),
        "remove_project" => Work::RemoveProject(RemoveProject {
            slug: slug()?,
            purge: arguments.purge,
        }),
        "ping" => Work::Ping(Ping {}),
        "inspect" => Work::Inspect(Inspect {
            repository: arguments.repository.ok_or(BuildError::Missing("repository"))?,
            ref_name: arguments.ref_name.ok_or(BuildError::Missing("ref"))?,
        }),
        other => return Err(BuildError::Stored(format!("unknown verb {other}"))),
    })
}

fn settings(materials: &Materials) -> Result<ProjectSettings, BuildError> {
    let stored = materials
        .settings
        .as_deref()
        .ok_or(BuildError::Missing("project"))?;
    read_settings(stored).map_err(|error| BuildError::Stored(error.to_string()))
}

fn scale(materials: &Materials) -> Result<Scale, BuildError> {
    let settings = settings(materials)?;
    Ok(Scale {
        slug: materials.slug.clone().ok_or(BuildError::Missing("project"))?,
        workers: settings.workers(),
        limits: settings.limits,
    })
}

/// True on a server of several that is not the first.
fn follows(materials: &Materials) -> bool {
    materials.position.is_some_and(|position| position > 0)
}

fn spec(materials: &Materials) -> Result<ProjectSpec, BuildError> {
    let slug = materials.slug.clone().ok_or(BuildError::Missing("project"))?;
    let spec = settings(materials)?.to_spec(slug);
    Ok(if follows(materials) {
        targets::of_follower(spec)
    } else {
        spec
    })
}

fn deploy(materials: &Materials, seal: &Seal<'_>) -> Result<Deploy, BuildError> {
    Ok(Deploy {
        deployment: materials
            .deployment
            .clone()
            .ok_or(BuildError::Missing("deployment"))?,
        trigger: match materials.trigger_kind.ok_or(BuildError::Missing("deployment"))? {
            // Whether a newer commit is live was the first server's to say.
            _ if follows(materials) => Trigger::Manual,
            trigger => trigger,
        },
        ref_name: materials
            .ref_name
            .clone()
            .ok_or(BuildError::Missing("deployment"))?,
        commit: materials.commit_sha.clone(),
        spec: spec(materials)?,
        environment: environment(materials, seal)?,
    })
}

/// To the deployment's target; or to `before`, because another server failed: that code has run on the new schema since the
/// migration, as where a server goes back by itself.
fn rollback(materials: &Materials, before: Option<DeploymentId>) -> Result<Rollback, BuildError> {
    Ok(Rollback {
        force: before.is_some() || materials.force == Some(1),
        deployment: materials
            .deployment
            .clone()
            .ok_or(BuildError::Missing("deployment"))?,
        release: before
            .or_else(|| materials.target.clone())
            .ok_or(BuildError::Missing("release"))?,
        spec: spec(materials)?,
    })
}

/// Opens the environment and seals it to the runner: it is never in a job's row in the clear.
fn environment(materials: &Materials, seal: &Seal<'_>) -> Result<SealedEnvironment, BuildError> {
    let project = materials.project.as_ref().ok_or(BuildError::Missing("project"))?;
    let version = materials
        .environment_version
        .ok_or(BuildError::Missing("environment"))?;
    let context = environment_context(project, version);
    let stored = materials
        .environment
        .as_deref()
        .ok_or(BuildError::Missing("environment"))?;
    let plain = Zeroizing::new(seal.data_key.decrypt(&context, stored)?);
    let key: [u8; 32] = materials
        .sealing_key
        .as_deref()
        .and_then(|key| STANDARD.decode(key).ok()?.try_into().ok())
        .ok_or(BuildError::SealingKey)?;
    let sealed = seal::seal(&key, &context, &plain, seal.entropy).map_err(|_| BuildError::SealingKey)?;
    Ok(SealedEnvironment { version, sealed })
}

#[cfg(test)]
mod tests {
    use super::*;
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
                entropy: [8; 32],
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
}
