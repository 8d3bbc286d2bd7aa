//! The command line as clap reads it.

#![expect(
    clippy::doc_markdown,
    reason = "these comments are the help that a terminal shows"
)]
#![expect(
    rustdoc::bare_urls,
    reason = "these comments are the help that a terminal shows"
)]

use crate::failure::EXIT_CODES;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use devflow_protocol::DeploymentId;
use devflow_protocol::text::{EnvName, GitSha};
use std::path::PathBuf;

/// The whole command line.
#[derive(Debug, Parser)]
#[command(
    name = "devflow",
    version,
    about = "Deploy and run PHP projects on your own servers",
    after_help = EXIT_CODES,
    max_term_width = 100,
    propagate_version = true
)]
pub(crate) struct Arguments {
    /// Print JSON, as the API answers it
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// The installation's address; else DEVFLOW_URL, else where you logged in last
    #[arg(long, global = true, value_name = "ADDRESS")]
    pub(crate) url: Option<String>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Log in to an installation: let this terminal in with a browser, on any machine, or give it an API key
    Login {
        /// Its address, such as https://devflow.example.com
        address: Option<String>,
        /// Ask for an API key, without a browser; one on standard input is taken without being asked for
        #[arg(long, conflicts_with_all = ["browser", "scope"])]
        key: bool,
        /// Log in with a browser also where this is no terminal
        #[arg(long)]
        browser: bool,
        /// Do not open the browser of this machine
        #[arg(long)]
        no_open: bool,
        /// What the key has to be good for; else you choose it in the browser
        #[arg(long, value_enum)]
        scope: Option<Scope>,
    },
    /// Log out: forget the API key of an installation, and end it where it came from a login with a browser
    Logout,
    /// List projects
    Projects,
    /// List servers, or update the runner of one
    Servers {
        #[command(subcommand)]
        command: Option<Servers>,
    },
    /// Show how a project stands; all of them where no project is named or found
    Status(Named),
    /// Deploy the tip of the project's branch
    Deploy {
        #[command(flatten)]
        project: Named,
        /// Deploy this commit instead: its whole id
        #[arg(long, value_name = "SHA")]
        commit: Option<GitSha>,
        /// Show what happens until the deployment is over
        #[arg(short, long)]
        follow: bool,
    },
    /// Go back to a release that is kept on the server
    Rollback {
        #[command(flatten)]
        project: Named,
        /// The deployment to go back to; else the newest kept one before what is live
        #[arg(long, value_name = "DEPLOYMENT")]
        to: Option<DeploymentId>,
        /// Go back even where a destructive migration lies between
        #[arg(long)]
        force: bool,
        /// Show what happens until the deployment is over
        #[arg(short, long)]
        follow: bool,
    },
    /// Show the output of a deployment
    Logs {
        #[command(flatten)]
        project: Named,
        /// The deployment; else the project's newest
        #[arg(long, value_name = "DEPLOYMENT", conflicts_with = "project")]
        deployment: Option<DeploymentId>,
        /// Go on until the deployment is over
        #[arg(short, long)]
        follow: bool,
    },
    /// Read and change a project's environment
    Env {
        /// Slug or id of the project; else the one of this folder's repository
        #[arg(short, long, value_name = "PROJECT", global = true)]
        project: Option<String>,
        #[command(subcommand)]
        command: Env,
    },
    /// Open the project in the dashboard
    Open {
        #[command(flatten)]
        project: Named,
        /// Only print the address
        #[arg(long)]
        print: bool,
    },
    /// Export the audit trail, and prove an export
    Audit {
        #[command(subcommand)]
        command: Audit,
    },
    /// Print the completions of a shell, to be read by it at its start
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What a key may be used for.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Scope {
    /// Look, without secrets
    Read,
    /// Look and deploy
    Deploy,
    /// All that you may
    Admin,
}

/// Which project.
#[derive(Args, Debug)]
pub(crate) struct Named {
    /// Slug or id of the project; else the one of this folder's repository
    pub(crate) project: Option<String>,
}

/// What to do with an environment. A change takes effect with the next deployment.
#[derive(Debug, Subcommand)]
pub(crate) enum Env {
    /// List the names of the variables, without their values
    List,
    /// Print the value of a variable
    Get {
        /// Its name
        name: EnvName,
    },
    /// Set variables, from NAME=VALUE, or from NAME with the value on standard input or a prompt
    Set {
        /// NAME=VALUE, or one NAME alone
        #[arg(required = true, value_name = "NAME[=VALUE]")]
        variables: Vec<String>,
    },
    /// Remove variables
    Unset {
        /// Their names
        #[arg(required = true)]
        names: Vec<EnvName>,
    },
    /// Take over the variables of a .env file; others stay as they are
    Import {
        /// The file; - for standard input
        file: PathBuf,
        /// Remove the variables that are not in the file
        #[arg(long)]
        replace: bool,
    },
    /// Print all variables with their values, as a .env file
    Export,
}

/// What to do with a server.
#[derive(Debug, Subcommand)]
pub(crate) enum Servers {
    /// Replace its runner by the one that the installation publishes, and wait for the end of it
    Update {
        /// Its name or id
        server: String,
    },
}

/// What to do with the audit trail.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// Print the whole trail, a line each, to be kept and proven elsewhere
    Export,
    /// Say whether an export is whole and as the installation sealed it; needs no installation
    Verify {
        /// The export; - for standard input
        file: PathBuf,
        /// The fingerprint of the installation's job key, as every server has pinned it
        #[arg(long, value_name = "SHA256")]
        fingerprint: Option<String>,
        /// The head that an earlier verification printed
        #[arg(long)]
        head: Option<String>,
        /// What a server saw of the trail, as `host-runner status --audit` prints it there; can be given for several
        #[arg(long, value_name = "FILE")]
        witness: Vec<PathBuf>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn arguments_are_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn help_names_every_command_and_exit_code() {
        insta::assert_snapshot!(Arguments::command().render_help());
    }
}
