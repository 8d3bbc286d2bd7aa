//! Jobs for the tests of this crate.

use crate::clock::Clock;
use crate::config::Config;
use crate::host::Host;
use crate::identity::{Identity, Keys};
use crate::job::{Checkpoints, EventSink, JobContext};
use crate::journal::{JobKey, Journal};
use devflow_protocol::job::{Deploy, Job, Ping, ProjectOnly, SealedEnvironment, Trigger, Work};
use devflow_protocol::project::{Environment, Framework, Limits, ProjectSpec, ReleasePolicy, Services, Web};
use devflow_protocol::runner_api::EnrolAnswer;
use devflow_protocol::seal::{self, Sealed};
use devflow_protocol::{DeploymentId, JobId, ProjectId, ServerId, UnixMillis};
use ed25519_dalek::VerifyingKey;
use std::path::Path;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// A server's id.
pub(crate) fn server() -> ServerId {
    ServerId::new(UnixMillis(1), [1; 10])
}

/// A server that is enrolled at the edge with that job key.
pub(crate) fn identity(job_key: VerifyingKey) -> Identity {
    let answer = EnrolAnswer {
        server: server(),
        edge: "edge-1".into(),
        job_key: String::new(),
        now: UnixMillis(0),
    };
    Identity::new("https://e.test", answer, job_key, Keys::generate())
}

/// A project's id.
pub(crate) fn project() -> ProjectId {
    ProjectId::new(UnixMillis(1), [2; 10])
}

/// A deployment of a Laravel project, with an environment that nobody can open.
pub(crate) fn deploy(slug: &str) -> Deploy {
    Deploy {
        deployment: DeploymentId::new(UnixMillis(1), [3; 10]),
        trigger: Trigger::Manual,
        ref_name: "refs/heads/main".parse().expect("a ref"),
        commit: None,
        spec: spec(slug),
        environment: SealedEnvironment {
            version: 1,
            sealed: Sealed {
                enc: String::new(),
                ct: String::new(),
            },
        },
        repository_token: None,
    }
}

/// `environment` sealed for [`project`] and the owner of `recipient`.
pub(crate) fn sealed(environment: &Environment, version: u32, recipient: &[u8; 32]) -> SealedEnvironment {
    let context = devflow_protocol::job::environment_context(&project(), version);
    let plain = serde_json::to_vec(environment).expect("JSON");
    SealedEnvironment {
        version,
        sealed: seal::seal(recipient, &context, &plain, [4; 32]).expect("sealed"),
    }
}

/// A Laravel project without steps.
pub(crate) fn spec(slug: &str) -> ProjectSpec {
    ProjectSpec {
        slug: slug.parse().expect("a slug"),
        framework: Framework::Laravel,
        repository: "https://github.com/acme/shop.git".parse().expect("a repository"),
        php: "8.4".parse().expect("a version"),
        image: "devflow/php:8.4".parse().expect("an image"),
        web: Web {
            domains: vec!["shop.test".parse().expect("a domain")],
            public_dir: Some("public".parse().expect("a path")),
            scripts: false,
            health_path: "/up".parse().expect("a path"),
            body_mib: 10,
            basic_auth: None,
        },
        steps: Vec::new(),
        processes: Vec::new(),
        shared: Vec::new(),
        carry_over: Vec::new(),
        limits: Limits::default(),
        services: Services::default(),
        container: None,
        release: ReleasePolicy::default(),
        follower: false,
    }
}

/// A request to stop a project.
pub(crate) fn stop(slug: &str) -> Work {
    Work::Stop(ProjectOnly {
        slug: slug.parse().expect("a slug"),
    })
}

/// A ping with a sequence of its own.
pub(crate) fn ping(sequence: u8) -> Job {
    job(sequence, Work::Ping(Ping {}))
}

/// A job that is valid from now on for a long time.
pub(crate) fn job(sequence: u8, work: Work) -> Job {
    Job {
        version: devflow_protocol::VERSION,
        id: JobId::new(UnixMillis(1), [sequence; 10]),
        server: server(),
        project: Some(project()),
        sequence: i64::from(sequence),
        attempt: 1,
        lease: format!("lease-{sequence}"),
        not_before: UnixMillis(0),
        expires_at: UnixMillis(i64::MAX),
        segment: None,
        work,
    }
}

/// What a handler gets for `work` on a server in the folder `root`, where no Docker is.
pub(crate) fn context(root: &Path, work: Work) -> JobContext {
    let at = root.display();
    let config = Config::parse(&format!(
        "state_dir = \"{at}/state\"\nprojects_dir = \"{at}/projects\"\n[nginx]\nvhost_dir = \"{at}/vhosts\"\n\
         group = \"root\""
    ))
    .expect("valid");
    let host = Arc::new(Host::new(config.clone()).expect("a host"));
    let journal = Journal::open(&config.state_dir).expect("opened");
    let job = job(1, work);
    journal.accept(&job, UnixMillis(1)).expect("accepted");
    let key = JobKey::of(&job);
    JobContext {
        job,
        host,
        policy: Arc::default(),
        events: EventSink::new(key.clone(), journal.clone(), Clock::default(), Arc::default())
            .expect("a sink"),
        cancel: CancellationToken::new(),
        checkpoints: Checkpoints::new(key, journal),
    }
}
