//! What each command does, a file for each subject.

mod audit;
mod browser;
mod deploy;
mod env;
mod list;
mod login;
mod logs;
mod open;
mod servers;
mod status;

use crate::arguments::{Arguments, Audit, Command, Servers};
use crate::edge::Edge;
use crate::failure::Failure;
use crate::out::Out;
use crate::settings::{self, Settings};
use clap::CommandFactory as _;
use devflow_protocol::UnixMillis;
use std::time::SystemTime;

/// What a command that asks an installation works with.
pub(crate) struct Session {
    edge: Edge,
    out: Out,
    /// True where the API's own JSON is wanted.
    json: bool,
}

impl Session {
    fn new(arguments: &Arguments) -> Result<Self, Failure> {
        // A file that is not needed must not be in the way, as in a container without a home.
        let needed = settings::variable("DEVFLOW_API_KEY").is_none()
            || (arguments.url.is_none() && settings::variable("DEVFLOW_URL").is_none());
        let kept = if needed {
            Settings::load(&settings::file(&settings::variable)?)?
        } else {
            Settings::default()
        };
        let origin = settings::origin(arguments.url.as_deref(), &settings::variable, &kept)?;
        let key = settings::key(&origin, &settings::variable, &kept)?;
        Ok(Self {
            edge: Edge::new(origin, key),
            out: Out::new(),
            json: arguments.json,
        })
    }
}

/// Does what the command line asks for.
pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let session = || Session::new(arguments);
    match &arguments.command {
        Command::Login {
            address,
            key,
            browser,
            no_open,
            scope,
        } => {
            let how = login::How::of(*key, *browser, *no_open, *scope);
            login::login(arguments.url.as_deref().or(address.as_deref()), how)
        }
        Command::Logout => login::logout(arguments.url.as_deref()),
        Command::Audit { command } => match command {
            Audit::Export => audit::export(session()?),
            Audit::Verify {
                file,
                fingerprint,
                head,
                witness,
            } => {
                let known = audit::Known {
                    fingerprint: fingerprint.as_deref(),
                    head: head.as_deref(),
                    witnesses: witness,
                };
                audit::verify(file, &known, arguments.json)
            }
        },
        Command::Completions { shell } => completions(*shell),
        Command::Projects => list::projects(session()?),
        Command::Servers { command: None } => list::servers(session()?),
        Command::Servers {
            command: Some(Servers::Update { server }),
        } => servers::update(session()?, server),
        Command::Status(named) => status::status(session()?, named.project.as_deref()),
        Command::Deploy {
            project,
            commit,
            follow,
        } => deploy::deploy(session()?, project.project.as_deref(), commit.as_ref(), *follow),
        Command::Rollback {
            project,
            to,
            force,
            follow,
        } => deploy::roll_back(
            session()?,
            project.project.as_deref(),
            to.as_ref(),
            *force,
            *follow,
        ),
        Command::Logs {
            project,
            deployment,
            follow,
        } => logs::logs(
            session()?,
            project.project.as_deref(),
            deployment.as_ref(),
            *follow,
        ),
        Command::Env { project, command } => env::env(session()?, project.as_deref(), command),
        Command::Open { project, print } => open::open(session()?, project.project.as_deref(), *print),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "devflow", &mut script);
    Out::new().raw(&String::from_utf8_lossy(&script))
}

/// The present, by this machine's clock.
fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    UnixMillis(since.map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX)))
}
