//! From a leased job's rows to the signed envelope. Pure: keys, time and entropy are arguments.

use crate::crypt::{self, CryptError, DataKey};
use crate::store::lease::{Arguments, Materials};
use crate::store::projects::read_settings;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_domain::settings::ProjectSettings;
use devflow_domain::targets;
use devflow_protocol::dsse::Envelope;
use devflow_protocol::job::{
    Cancel, Deploy, Inspect, Job, Ping, ProjectOnly, RemoveProject, Restart, Rollback, Scale,
    SealedEnvironment, Trigger, Update, Work, environment_context,
};
use devflow_protocol::limits::ENVELOPE_BYTES;
use devflow_protocol::project::ProjectSpec;
use devflow_protocol::repository::repository_token_context;
use devflow_protocol::seal::{self, Sealed};
use devflow_protocol::text::RepositoryUrl;
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
    /// The access token cannot be opened: the data key went, or the address is another one than it was given for.
    #[error("the repository's access token cannot be opened ({0}); give it again in the project's settings")]
    RepositoryToken(CryptError),
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
    /// Fresh for each call, one for each value that is sealed: two under one would share key and nonce.
    pub(crate) entropy: SealEntropy,
}

/// What the sealed values of a job are made with.
pub(crate) struct SealEntropy {
    pub(crate) environment: [u8; 32],
    pub(crate) repository_token: [u8; 32],
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
        "inspect" => {
            let repository = arguments.repository.ok_or(BuildError::Missing("repository"))?;
            Work::Inspect(Inspect {
                repository_token: repository_token(materials, seal, materials.id.as_str(), &repository)?,
                repository,
                ref_name: arguments.ref_name.ok_or(BuildError::Missing("ref"))?,
            })
        }
        "update" => Work::Update(Box::new(Update {
            release: *arguments.update.ok_or(BuildError::Missing("release"))?,
        })),
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
    let spec = spec(materials)?;
    let project = materials.project.as_ref().ok_or(BuildError::Missing("project"))?;
    Ok(Deploy {
        repository_token: repository_token(materials, seal, project.as_str(), &spec.repository)?,
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
        spec,
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
    let sealed = to_runner(materials, &context, &plain, seal.entropy.environment)?;
    Ok(SealedEnvironment { version, sealed })
}

/// Opens the access token of `owner`, if there is one, and seals it to the runner for the repository that it was given for.
fn repository_token(
    materials: &Materials,
    seal: &Seal<'_>,
    owner: &str,
    repository: &RepositoryUrl,
) -> Result<Option<Sealed>, BuildError> {
    let Some(stored) = materials.repository_token.as_deref() else {
        return Ok(None);
    };
    let plain = seal
        .data_key
        .decrypt(&crypt::repository_context(owner, repository), stored);
    let plain = Zeroizing::new(plain.map_err(BuildError::RepositoryToken)?);
    let context = repository_token_context(repository);
    to_runner(materials, &context, &plain, seal.entropy.repository_token).map(Some)
}

fn to_runner(
    materials: &Materials,
    context: &str,
    plain: &[u8],
    entropy: [u8; 32],
) -> Result<Sealed, BuildError> {
    let key: [u8; 32] = materials
        .sealing_key
        .as_deref()
        .and_then(|key| STANDARD.decode(key).ok()?.try_into().ok())
        .ok_or(BuildError::SealingKey)?;
    seal::seal(&key, context, plain, entropy).map_err(|_| BuildError::SealingKey)
}

#[cfg(test)]
mod tests;
