use super::*;
use crate::config::Config;
use crate::identity::Keys;
use crate::samples;
use devflow_protocol::UnixMillis;
use devflow_protocol::event::Event;
use devflow_protocol::runner_api::EnrolAnswer;
use tempfile::TempDir;

struct Lab {
    _folder: TempDir,
    journal: Journal,
    identity: Identity,
    context: JobContext,
}

fn sink(key: &JobKey, journal: &Journal) -> EventSink {
    EventSink::new(key.clone(), journal.clone(), Clock::default(), Arc::default()).expect("a sink")
}

/// A deployment with an environment sealed for version `sealed_for`.
fn lab(environment: &str, sealed_for: u32) -> Lab {
    let folder = TempDir::new().expect("a folder");
    let root = folder.path().display();
    let config = Config::parse(&format!(
        "state_dir = \"{root}/state\"\nprojects_dir = \"{root}/projects\"\n[nginx]\nvhost_dir = \"{root}/vhosts\"\n\
         group = \"root\""
    ))
    .expect("valid");
    let keys = Keys::generate();
    let public = seal::public_key(&keys.sealing).expect("a key");
    let mut deploy = samples::deploy("shop");
    let environment = serde_json::from_str(environment).expect("an environment");
    deploy.environment = samples::sealed(&environment, sealed_for, &public);
    deploy.environment.version = 1;
    let job = samples::job(1, Work::Deploy(Box::new(deploy)));
    let answer = EnrolAnswer {
        server: samples::server(),
        edge: "edge-1".into(),
        job_key: String::new(),
        now: UnixMillis(0),
    };
    let job_key = keys.signing.verifying_key();
    let host = Arc::new(Host::new(config.clone()).expect("a host"));
    let journal = Journal::open(&config.state_dir).expect("opened");
    journal.accept(&job, UnixMillis(1)).expect("accepted");
    let key = JobKey::of(&job);
    Lab {
        _folder: folder,
        identity: Identity::new("https://e.test", answer, job_key, keys),
        context: JobContext {
            job,
            host,
            policy: Arc::default(),
            events: sink(&key, &journal),
            cancel: CancellationToken::new(),
            checkpoints: Checkpoints::new(key, journal.clone()),
        },
        journal,
    }
}

fn step() -> StepName {
    "build".parse().expect("a step")
}

fn open(lab: &Lab) -> Result<Environment, String> {
    let Work::Deploy(deploy) = &lab.context.job.work else {
        panic!("the lab has a deployment");
    };
    environment(&lab.context, deploy, &lab.identity)
}

fn lines(lab: &Lab) -> Vec<(u64, String)> {
    let text = |event: Event| match event.what {
        Happening::Output { text, .. } => (event.n, text),
        other => panic!("unexpected: {other:?}"),
    };
    let key = JobKey::of(&lab.context.job);
    let batch = lab.journal.next_batch(&key).expect("read");
    batch.into_iter().map(text).collect()
}

#[test]
fn environment_is_opened_and_its_secrets_are_hidden_from_then_on() {
    let lab = lab(r#"{"APP_NAME":"My shop","DB_PASSWORD":"pa$$word-1"}"#, 1);
    let environment = open(&lab).expect("opened");
    assert_eq!(environment.0.len(), 2);
    lab.context.events.output(
        &step(),
        Stream::Err,
        "My shop: login with pa$$word-1 failed\nretry",
    );
    assert_eq!(
        lines(&lab),
        [
            (1, "My shop: login with ••• failed".to_owned()),
            (2, "retry".to_owned())
        ]
    );
}

#[test]
fn environment_sealed_for_something_else_is_refused() {
    let lab = lab("{}", 2);
    let reason = open(&lab).expect_err("must be refused");
    assert!(
        reason.starts_with("the project's environment cannot be opened: "),
        "{reason}"
    );
}

/// A deployment from `repository`, with a token that is sealed for another address where that is given.
fn with_token(repository: &str, sealed_for: Option<&str>) -> Lab {
    let mut lab = lab("{}", 1);
    let public = seal::public_key(&lab.identity.keys.sealing).expect("a key");
    let context = repository_token_context(&sealed_for.unwrap_or(repository).parse().expect("an address"));
    let token = RepositoryToken::new("ada", "ghp_secret").expect("a token");
    let Work::Deploy(deploy) = &mut lab.context.job.work else {
        panic!("the lab has a deployment");
    };
    deploy.spec.repository = repository.parse().expect("an address");
    let sealed = seal::seal(&public, &context, &token.to_plain(), [5; 32]);
    deploy.repository_token = Some(sealed.expect("sealed"));
    lab
}

fn opened(lab: &Lab) -> Result<Secrets, String> {
    let Work::Deploy(deploy) = &lab.context.job.work else {
        panic!("the lab has a deployment");
    };
    secrets(&lab.context, deploy, &lab.identity)
}

#[test]
fn token_is_opened_for_its_repository_and_hidden_from_then_on() {
    let lab = with_token("https://git.test/a/b.git", None);
    let token = opened(&lab).expect("opened").token.expect("there is one");
    assert_eq!((token.user(), token.secret()), ("ada", "ghp_secret"));
    lab.context
        .events
        .output(&step(), Stream::Err, "remote: ghp_secret is old");
    assert_eq!(lines(&lab), [(1, "remote: ••• is old".to_owned())]);
}

#[test]
fn token_for_another_repository_or_an_open_way_is_refused() {
    let cases = [
        (
            with_token("https://evil.test/a/b.git", Some("https://git.test/a/b.git")),
            "the repository's access token cannot be opened: ",
        ),
        (
            with_token("http://git.test/a/b.git", None),
            "an access token goes to https:// addresses alone; ",
        ),
    ];
    for (lab, start) in cases {
        let reason = opened(&lab).expect_err("must be refused");
        assert!(reason.starts_with(start), "{reason}");
    }
}

#[test]
fn sink_goes_on_after_the_last_event_of_before_a_restart() {
    let lab = lab("{}", 1);
    lab.context.events.output(&step(), Stream::Out, "one");
    let again = sink(&JobKey::of(&lab.context.job), &lab.journal);
    again.output(&step(), Stream::Out, "two");
    assert_eq!(lines(&lab), [(1, "one".to_owned()), (2, "two".to_owned())]);
}

#[test]
fn output_beyond_a_jobs_allowance_is_left_out_with_a_word() {
    let lab = lab("{}", 1);
    lab.context.events.lock().output_bytes = OUTPUT_BYTES - 10;
    for line in ["12345678", "over", "gone"] {
        lab.context.events.output(&step(), Stream::Out, line);
    }
    assert_eq!(
        lines(&lab),
        [
            (1, "12345678".to_owned()),
            (2, "… more than 16 MiB of output: the rest is not kept".to_owned())
        ]
    );
}

#[test]
fn output_that_is_too_long_is_cut_at_a_character_and_marked() {
    let line = "é".repeat(limits::OUTPUT_LINE_BYTES);
    let short = cut(&line);
    assert!(short.len() <= limits::OUTPUT_LINE_BYTES && short.ends_with(" … (cut)"));
    assert_eq!(cut("é"), "é");
}
