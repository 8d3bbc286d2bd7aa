//! A server in a folder: its own Nginx on its own port, its own projects folder, a repository to push to.

use crate::clock::Clock;
use crate::config::Config;
use crate::deploy;
use crate::host::Host;
use crate::job::{Checkpoints, EventSink, JobContext, Secrets};
use crate::journal::{JobKey, Journal};
use crate::samples;
use devflow_domain::pipeline::defaults;
use devflow_protocol::event::{Event, Happening, StepOutcome};
use devflow_protocol::job::{Deploy, Job, Work};
use devflow_protocol::outcome::{Manifest, Outcome};
use devflow_protocol::project::{ContainerSpec, Environment, Framework, ProjectSpec};
use devflow_protocol::{DeploymentId, JobId};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_util::sync::CancellationToken;

pub(super) struct Lab {
    dir: tempfile::TempDir,
    pub(super) host: Arc<Host>,
    pub(super) journal: Journal,
    pub(super) port: u16,
    nginx: Child,
    next: AtomicU8,
}

/// What a page answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) status: u16,
    pub(super) body: String,
}

impl Lab {
    pub(super) fn new() -> Self {
        Self::with("")
    }

    /// A lab whose configuration has further sections.
    pub(super) fn with(sections: &str) -> Self {
        let socket =
            std::env::var("DEVFLOW_DOCKER_SOCKET").expect("DEVFLOW_DOCKER_SOCKET names Docker's socket");
        assert!(Path::new(&socket).exists(), "{socket} is not there");
        let dir = tempfile::Builder::new()
            .prefix("devflow-lab-")
            .tempdir()
            .expect("a folder");
        // Nginx's workers pass through.
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).expect("permissions");
        let port = free_port();
        let root = dir.path().display();
        let text = format!(
            "state_dir = \"{root}/state\"\nprojects_dir = \"{root}/p\"\npolicy_file = \"{root}/policy.toml\"\n\
             [docker]\nsocket = \"{socket}\"\n[nginx]\nconfig = \"{root}/nginx/nginx.conf\"\n\
             vhost_dir = \"{root}/nginx/vhosts\"\nlisten = [\"127.0.0.1:{port}\"]\n{sections}"
        );
        let config = Config::parse(&text).expect("a configuration");
        fs::create_dir_all(dir.path().join("nginx/vhosts")).expect("a folder");
        let mut host = Host::new(config).expect("a host");
        host.program = super::containers::runner();
        let host = Arc::new(host);
        let nginx = start_nginx(dir.path());
        let journal = Journal::open(&dir.path().join("state")).expect("a journal");
        Self {
            host,
            journal,
            port,
            nginx,
            next: AtomicU8::new(1),
            dir,
        }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn project(&self, slug: &str) -> PathBuf {
        self.path().join("p").join(slug)
    }

    /// A repository with one of the applications of `tests/apps`, committed.
    pub(super) fn repository(&self, app: &str) -> PathBuf {
        let work = self.path().join("work").join(app);
        fs::create_dir_all(work.parent().expect("a parent")).expect("a folder");
        let source = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this"))
            .join("../tests/apps")
            .join(app);
        sh(
            self.path(),
            &format!("cp -a {} {}", source.display(), work.display()),
        );
        sh(
            &work,
            "git init -q -b main && git config user.name Ada && git config user.email ada@example.test",
        );
        commit(&work, "First");
        work
    }

    pub(super) fn spec(slug: &str, framework: Framework, repository: &Path) -> ProjectSpec {
        let defaults = defaults(framework);
        let mut spec = samples::spec(slug);
        spec.framework = framework;
        spec.repository = format!("file://{}", repository.display())
            .parse()
            .expect("an address");
        spec.web.domains = vec![format!("{slug}.test").parse().expect("a domain")];
        spec.web.public_dir = defaults.public_dir;
        spec.web.scripts = defaults.scripts;
        spec.web.health_path = defaults.health_path.parse().expect("a path");
        spec.steps = defaults.steps;
        spec.processes = defaults.processes;
        spec.shared = defaults.shared;
        spec.carry_over = defaults.carry_over;
        spec.container = (framework == Framework::Dockerfile).then(ContainerSpec::default);
        spec.release.observe_s = 1;
        spec.release.ready_s = 5;
        spec
    }

    /// An id that is newer than those before it.
    pub(super) fn deployment(&self) -> DeploymentId {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let mut entropy = [n; 10];
        getrandom::fill(&mut entropy[4..]).expect("random bytes");
        DeploymentId::new(crate::clock::local(), entropy)
    }

    pub(super) fn work(&self, spec: &ProjectSpec) -> Deploy {
        Deploy {
            deployment: self.deployment(),
            spec: spec.clone(),
            ..samples::deploy("x")
        }
    }

    pub(super) fn context(&self, work: Work) -> JobContext {
        let n = self.next.fetch_add(1, Ordering::Relaxed);
        let job = Job {
            id: JobId::new(crate::clock::local(), [n; 10]),
            project: Some(samples::project()),
            work,
            ..samples::ping(n)
        };
        self.context_of(job)
    }

    /// The context of a job, new or, after a restart of the runner, again.
    pub(super) fn context_of(&self, job: Job) -> JobContext {
        let key = JobKey::of(&job);
        let news = Arc::default();
        let events =
            EventSink::new(key.clone(), self.journal.clone(), Clock::default(), news).expect("a sink");
        JobContext {
            job,
            host: Arc::clone(&self.host),
            policy: Arc::default(),
            events,
            cancel: CancellationToken::new(),
            checkpoints: Checkpoints::new(key, self.journal.clone()),
        }
    }

    pub(super) async fn deploy(&self, spec: &ProjectSpec, environment: &[(&str, &str)]) -> Outcome {
        self.deploy_in(
            &self.context(Work::Deploy(Box::new(self.work(spec)))),
            environment,
        )
        .await
    }

    /// Deploys what has to go live, and gives its manifest.
    pub(super) async fn deploy_live(&self, spec: &ProjectSpec, environment: &[(&str, &str)]) -> Manifest {
        match self.deploy(spec, environment).await {
            Outcome::Succeeded {
                manifest: Some(manifest),
            } => manifest,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn deploy_in(&self, context: &JobContext, environment: &[(&str, &str)]) -> Outcome {
        let Work::Deploy(work) = &context.job.work else {
            panic!("not a deployment");
        };
        let values = environment
            .iter()
            .map(|(name, value)| (name.parse().expect("a name"), (*value).to_owned()));
        let (environment, token) = (Environment(values.collect()), None);
        let outcome = deploy::deploy(context, work, Secrets { environment, token }).await;
        if std::env::var_os("DEVFLOW_LAB_TRACE").is_some() {
            println!("{}\n{outcome:?}", self.transcript(context));
        }
        outcome
    }

    pub(super) fn events(&self, context: &JobContext) -> Vec<Event> {
        self.journal
            .next_batch(&JobKey::of(&context.job))
            .expect("events")
    }

    /// The events of a job as lines, times left out.
    pub(super) fn transcript(&self, context: &JobContext) -> String {
        let line = |event: Event| match event.what {
            Happening::State { state } => format!("= {}", state.as_str()),
            Happening::Commit { subject, author, .. } => format!("@ {subject} by {author}"),
            Happening::StepStarted { step } => format!("> {step}"),
            Happening::StepFinished { step, outcome, ms } => {
                let how = match outcome {
                    StepOutcome::Ok => "ok",
                    StepOutcome::Skipped => "skipped",
                    StepOutcome::Failed => "failed",
                };
                format!("< {step} {how} {ms} ms")
            }
            Happening::Output { step, text, .. } => format!("  {step}: {text}"),
        };
        self.events(context)
            .into_iter()
            .map(line)
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub(super) async fn get(&self, slug: &str, path: &str) -> Page {
        self.try_get(slug, path).await.expect("an answer")
    }

    pub(super) async fn try_get(&self, slug: &str, path: &str) -> std::io::Result<Page> {
        let request = format!("GET {path} HTTP/1.0\r\nHost: {slug}.test\r\n\r\n");
        self.exchange(&request).await
    }

    /// A request with a method and a body.
    pub(super) async fn send(&self, slug: &str, method: &str, path: &str, body: &str) -> Page {
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: {slug}.test\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.exchange(&request).await.expect("an answer")
    }

    async fn exchange(&self, request: &str) -> std::io::Result<Page> {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .ok_or(std::io::ErrorKind::UnexpectedEof)?;
        let status = head
            .get(9..12)
            .and_then(|digits| digits.parse().ok())
            .ok_or(std::io::ErrorKind::InvalidData)?;
        Ok(Page {
            status,
            body: body.to_owned(),
        })
    }

    /// The roles of the running containers of a project, sorted.
    pub(super) async fn running(&self, slug: &str) -> Vec<String> {
        let found = self.host.docker.list(Some(slug)).await.expect("a list");
        let mut roles: Vec<String> = found
            .iter()
            .filter(|it| it.running)
            .map(|it| format!("{:?}", it.role))
            .collect();
        roles.sort();
        roles
    }

    /// How many images were built for a project.
    pub(super) async fn images(&self, slug: &str) -> usize {
        let listed = self.host.docker.images(slug, None).await;
        listed.expect("a list").len()
    }

    /// The names of the releases on disk.
    pub(super) fn releases(&self, slug: &str) -> Vec<String> {
        names_in(&self.project(slug).join("releases"))
    }
}

/// The names in a folder, sorted.
pub(super) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    names.sort();
    names
}

impl Drop for Lab {
    fn drop(&mut self) {
        let root = self.path().join("p");
        let socket = self.host.config.docker.socket.display();
        let script = format!(
            "export DOCKER_HOST=unix://{socket}; F=label=devflow.root={}; docker ps -aq --filter $F | xargs -r docker rm -f; \
             docker network ls -q --filter $F | xargs -r docker network rm; \
             docker image ls --format '{{{{.Repository}}}}:{{{{.Tag}}}}' --filter $F | xargs -r docker rmi -f; kill -QUIT {}",
            root.display(),
            self.nginx.id()
        );
        // Best effort: a failing test must show its own panic.
        let _ = Command::new("sh").args(["-c", &script]).output();
        let _ = self.nginx.wait();
    }
}

/// Waits for something, with an end.
pub(super) async fn eventually(what: &str, mut check: impl AsyncFnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !check().await {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{what} did not happen within 30 s"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(super) fn sh(dir: &Path, script: &str) {
    let done = Command::new("sh")
        .args(["-ec", script])
        .current_dir(dir)
        .output()
        .expect("a shell");
    assert!(
        done.status.success(),
        "{script}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Commits everything in a work tree.
pub(super) fn commit(work: &Path, subject: &str) {
    sh(
        work,
        &format!("git add -A -f && git commit -q --allow-empty -m '{subject}'"),
    );
}

/// Commits another version of an application.
pub(super) fn version(work: &Path, version: &str) {
    fs::write(work.join("VERSION"), version).expect("a file");
    commit(work, &format!("Version {version}"));
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    listener.local_addr().expect("an address").port()
}

fn start_nginx(root: &Path) -> Child {
    let dir = root.join("nginx");
    let at = dir.display();
    let text = format!(
        "user www-data;\nworker_processes 2;\ndaemon off;\npid {at}/pid;\nerror_log {at}/error.log;\n\
         events {{ worker_connections 4096; }}\nhttp {{\n    include /etc/nginx/mime.types;\n    access_log off;\n    \
         client_body_temp_path {at}/body;\n    fastcgi_temp_path {at}/fastcgi;\n    proxy_temp_path {at}/proxy;\n    \
         uwsgi_temp_path {at}/uwsgi;\n    scgi_temp_path {at}/scgi;\n    keepalive_requests 1000000;\n    \
         include {at}/vhosts/*.conf;\n}}\n"
    );
    fs::write(dir.join("nginx.conf"), text).expect("a file");
    let child = Command::new("/usr/sbin/nginx")
        .arg("-c")
        .arg(dir.join("nginx.conf"))
        .spawn()
        .expect("Nginx");
    let begun = std::time::Instant::now();
    // The reload by signal needs the file, which a ready Nginx has written.
    while fs::read_to_string(dir.join("pid")).is_ok_and(|text| text.trim().is_empty())
        || !dir.join("pid").exists()
    {
        assert!(begun.elapsed() < Duration::from_secs(10), "Nginx does not start");
        std::thread::sleep(Duration::from_millis(10));
    }
    child
}
