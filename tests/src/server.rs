//! A whole server in one folder, and an installation: an edge, a server, and what a story asks of them.

use crate::api::{Api, Project, text};
use crate::docker::Docker;
use crate::edge::{Edge, random};
use crate::git::{Push, Repository};
use crate::http::{Answer, Client};
use crate::mariadb::MariaDb;
use crate::nginx::Nginx;
use crate::places::{self, Scratch};
use crate::process::wait_for;
use crate::redis::Redis;
use crate::runner::Runner;
use crate::webhook::Delivery;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a server has beside Docker and Nginx.
#[derive(Clone, Copy, Debug, Default)]
pub struct Parts {
    /// `MariaDB`.
    pub mariadb: bool,
    /// Redis.
    pub redis: bool,
}

/// Repositories are plain folders here, which a server does not allow by itself.
const POLICY: &str = "[allow]\nrepositories = [\"file:///tmp/df-*/**\"]\n";

/// A server: Nginx, databases and a runner, all below one folder.
#[derive(Debug)]
pub struct Server {
    /// The runner. First, so that it ends before what it works with.
    pub runner: Runner,
    /// The web server.
    pub nginx: Nginx,
    /// The database server, where one was asked for.
    pub mariadb: Option<MariaDb>,
    /// Redis, where it was asked for.
    pub redis: Option<Redis>,
    /// The engine.
    pub docker: Docker,
    folder: PathBuf,
}

impl Server {
    /// Starts the parts, writes the runner's configuration and enrols it.
    pub fn start(folder: &Path, name: &str, api: &Api, docker: Docker, parts: Parts) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let nginx = Nginx::start(&folder.join("nginx"))?;
        let mariadb = parts
            .mariadb
            .then(|| MariaDb::start(&folder.join("my")))
            .transpose()?;
        let redis = parts
            .redis
            .then(|| Redis::start(&folder.join("redis")))
            .transpose()?;
        let mut config = runner_config(folder, api, &nginx, &docker)?;
        if let Some(mariadb) = &mariadb {
            config.push(format!(
                "[mariadb]\nsocket = {}\nuser = \"root\"",
                quoted(mariadb.socket())
            ));
        }
        if let Some(redis) = &redis {
            config.push(format!("[redis]\nsocket = {}", quoted(redis.socket())));
        }
        fs::write(folder.join("runner.toml"), config.join("\n")).context("cannot write runner.toml")?;
        fs::write(folder.join("policy.toml"), POLICY).context("cannot write policy.toml")?;
        let runner = Runner::enrol(api, name, folder)?;
        Ok(Self {
            runner,
            nginx,
            mariadb,
            redis,
            docker,
            folder: folder.to_owned(),
        })
    }

    /// The folder of a project on this server.
    pub fn project(&self, slug: &str) -> PathBuf {
        self.folder.join("p").join(slug)
    }

    /// Asks Nginx for a page of a site.
    pub fn visit(&self, host: &str, path: &str) -> Result<Answer> {
        let url = format!("http://127.0.0.1:{}{path}", self.nginx.port());
        Client::with_timeout(Duration::from_mins(1)).get(&url, &[("host", host)])
    }

    /// Stops the runner and removes what it made in the engine.
    fn end(&mut self, tag: &str) {
        self.runner.stop();
        if let Err(error) = self.docker.remove_all(tag) {
            eprintln!("containers of this installation are left behind: {error:#}");
        }
    }

    /// The release that `current` points to.
    pub fn live_release(&self, slug: &str) -> Option<String> {
        let target = fs::read_link(self.project(slug).join("current")).ok()?;
        Some(target.file_name()?.to_string_lossy().into_owned())
    }

    /// Every release on disk can be gone back to, and every container belongs to the one that is live.
    pub fn nothing_is_orphaned(&self, slug: &str, live: &str) -> Result<()> {
        let name = format!("name={slug}");
        let list = [
            "ps",
            "-a",
            "--filter",
            &name,
            "--format",
            "{{.Names}} {{.Labels}}",
        ];
        wait_for(
            "what is left of other releases to be gone",
            Duration::from_mins(1),
            || {
                for entry in fs::read_dir(self.project(slug).join("releases"))? {
                    let release = entry?.path();
                    let kept = release.join("manifest.json").exists();
                    ensure!(kept, "{} is left behind", release.display());
                }
                let all = self.docker.run(&list)?;
                let strangers: Vec<&str> = all
                    .lines()
                    .filter(|line| line.contains("dep_") && !line.contains(live))
                    // A run of the scheduler ends in the release that it began in; the next minute's takes its place.
                    .filter(|line| !line.contains("devflow.role=scheduler"))
                    .collect();
                ensure!(strangers.is_empty(), "{strangers:?}");
                Ok(Some(()))
            },
        )
    }
}

/// The lines of `runner.toml`, databases left out.
fn runner_config(folder: &Path, api: &Api, nginx: &Nginx, docker: &Docker) -> Result<Vec<String>> {
    let [high, low] = random::<2>()?;
    let uid_base = 30_000 + (u32::from(high) * 256 + u32::from(low)) * 50;
    let set = |name: &str, path: &Path| format!("{name} = {}", quoted(path));
    Ok(vec![
        format!("edge = \"{}\"", api.base()),
        set("state_dir", &folder.join("state")),
        set("projects_dir", &folder.join("p")),
        set("policy_file", &folder.join("policy.toml")),
        format!("uid_base = {uid_base}"),
        "[docker]".to_owned(),
        set("socket", docker.socket()),
        "[nginx]".to_owned(),
        set("binary", &Nginx::binary()?),
        set("config", &nginx.folder().join("nginx.conf")),
        set("vhost_dir", &nginx.folder().join("vhosts")),
        format!("listen = [\"127.0.0.1:{}\"]", nginx.port()),
        "group = \"www-data\"".to_owned(),
    ])
}

/// A path as TOML writes it.
fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}

/// An edge with one server, and a name of its own for everything that it makes in a shared Docker engine.
#[derive(Debug)]
pub struct Installation {
    /// The server.
    pub server: Server,
    /// The control plane.
    pub edge: Edge,
    /// Its API as the owner.
    pub api: Api,
    /// The owner's password.
    pub password: String,
    tag: String,
    scratch: Scratch,
}

impl Installation {
    /// Starts everything, with the engine that answers.
    pub fn start(parts: Parts) -> Result<Self> {
        Self::start_on(Docker::find()?, parts)
    }

    /// Starts everything on an engine.
    pub fn start_on(docker: Docker, parts: Parts) -> Result<Self> {
        Self::start_with(docker, parts, &json!({}))
    }

    /// Starts everything on an engine, with further variables of the worker.
    pub fn start_with(docker: Docker, parts: Parts, variables: &Value) -> Result<Self> {
        Self::begin(docker, parts, variables, Edge::set_up)
    }

    /// Starts everything, with an owner whom `set_up` makes; it gives what their first API key opens, and their password.
    pub fn start_set_up_by(set_up: impl FnOnce(&Edge) -> Result<(Api, String)>) -> Result<Self> {
        Self::begin(Docker::find()?, Parts::default(), &json!({}), set_up)
    }

    fn begin(
        docker: Docker,
        parts: Parts,
        variables: &Value,
        set_up: impl FnOnce(&Edge) -> Result<(Api, String)>,
    ) -> Result<Self> {
        let scratch = Scratch::new()?;
        let edge = Edge::start_with(&scratch.path().join("e"), variables)?;
        let (api, password) = set_up(&edge)?;
        let server = Server::start(&scratch.path().join("s"), "one", &api, docker, parts)?;
        Ok(Self {
            server,
            edge,
            api,
            password,
            tag: hex::encode(random::<2>()?),
            scratch,
        })
    }

    /// Another server of the installation, on an engine of its own: the containers of a project have the same names on each.
    pub fn add_server(&self, name: &str, docker: Docker) -> Result<FurtherServer> {
        let folder = self.scratch.path().join(name);
        Ok(FurtherServer {
            server: Server::start(&folder, name, &self.api, docker, Parts::default())?,
            tag: self.tag.clone(),
        })
    }

    /// A folder for the story's own files.
    pub fn folder(&self) -> &Path {
        self.scratch.path()
    }

    /// A slug that no other installation on this machine uses.
    pub fn slug(&self, name: &str) -> String {
        format!("{name}-{}", self.tag)
    }

    /// A repository from one of the applications in `tests/apps`, and a project that follows it; `more` is merged
    /// into the API's request.
    pub fn project(&self, app: &str, more: &Value) -> Result<Site<'_>> {
        self.project_named(app, app, more)
    }

    /// As [`Self::project`], with a name of its own.
    pub fn project_named(&self, name: &str, app: &str, more: &Value) -> Result<Site<'_>> {
        let host = format!("{name}.localhost");
        let template = places::workspace().join("tests/apps").join(app);
        let repository = Repository::new(&self.scratch.path().join("git"), name, Some(&template))?;
        let slug = self.slug(name);
        let mut body = json!({
            "name": name, "slug": slug, "framework": if app.starts_with("laravel") { "laravel" } else { "php" },
            "repository": repository.url(), "branch": "main", "server": self.server.runner.id(), "domains": [host],
            "provider": "github", "release": {"keep": 5, "drain_s": 10, "observe_s": 2, "ready_s": 20},
        });
        if let (Some(body), Some(more)) = (body.as_object_mut(), more.as_object()) {
            body.extend(more.clone());
        }
        Ok(Site {
            project: self.api.add_project(&body)?,
            repository,
            host,
            installation: self,
        })
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        self.server.end(&self.tag);
    }
}

/// A server beside the one of an [`Installation`].
#[derive(Debug)]
pub struct FurtherServer {
    /// The server.
    pub server: Server,
    tag: String,
}

impl Drop for FurtherServer {
    fn drop(&mut self) {
        self.server.end(&self.tag);
    }
}

/// A project with its repository.
#[derive(Debug)]
pub struct Site<'i> {
    /// The project at the edge.
    pub project: Project,
    /// The developer's clone.
    pub repository: Repository,
    /// Its host name.
    pub host: String,
    installation: &'i Installation,
}

/// A [`Site`] without its installation, so that parts of that can be killed and started meanwhile.
#[derive(Clone, Debug)]
pub struct Detached {
    /// The project at the edge.
    pub project: Project,
    /// The developer's clone.
    pub repository: Repository,
    host: String,
}

impl Detached {
    /// The site on its installation.
    pub fn on<'i>(&self, installation: &'i Installation) -> Site<'i> {
        let Self {
            project,
            repository,
            host,
        } = self.clone();
        Site {
            project,
            repository,
            host,
            installation,
        }
    }
}

impl Site<'_> {
    /// Lets go of the installation.
    pub fn detach(self) -> Detached {
        Detached {
            project: self.project,
            repository: self.repository,
            host: self.host,
        }
    }

    /// Commits everything, pushes, and sends the webhook; gives the push and the deployment's id.
    pub fn push(&self, message: &str) -> Result<(Push, String)> {
        let push = self.repository.push(message)?;
        let deployment = self.announce(&push)?;
        Ok((push, deployment))
    }

    /// Sends the webhook of a push; gives the deployment's id.
    pub fn announce(&self, push: &Push) -> Result<String> {
        let answer = Delivery::push(push).send(&self.project.hook)?.expect(202)?;
        let id = text(&answer, "/deployments/0").or_else(|_| text(&answer, "/deployments/0/id"));
        id.with_context(|| format!("the push was not deployed: {answer}"))
    }

    /// Pushes and waits until it is live.
    pub fn push_live(&self, message: &str) -> Result<(Push, Value)> {
        let (push, deployment) = self.push(message)?;
        Ok((
            push,
            self.installation.api.live(&deployment, Duration::from_mins(2))?,
        ))
    }

    /// Asks Nginx for a page.
    pub fn visit(&self, path: &str) -> Result<Answer> {
        self.installation.server.visit(&self.host, path)
    }

    /// Asks Nginx for a page that has to answer 200.
    pub fn page(&self, path: &str) -> Result<String> {
        let answer = self.visit(path)?;
        ensure!(
            answer.status == 200,
            "{} answers {}: {:.600}",
            path,
            answer.status,
            answer.text()
        );
        Ok(answer.text())
    }
}
