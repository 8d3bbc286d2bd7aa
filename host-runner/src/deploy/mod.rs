//! Deployments: from a job to a release that serves, or back to the one that did.
//!
//! The steps, and what undoes each of them:
//!
//! | step | does | undone by |
//! | --- | --- | --- |
//! | fetch, checkout | the commit's files in `releases/<id>/app` | removing the release's folder |
//! | image | builds the images of a Dockerfile or a compose file, named after the release | removing those names |
//! | the project's commands | run in one container of the release | removing the container |
//! | link | shared paths, environment | removing the release's folder |
//! | services | what a compose file has beside the web service; kept ones where they changed | removing them; the kept ones of the release before |
//! | start, boot, migrate, ready | PHP-FPM or the containers of the release, asked whether they are well | removing them |
//! | vhost | the web server's configuration, tested | the vhost before |
//! | switch | one `rename(2)` of `current` | the same, back |
//! | workers, observe | workers of the release; watching it through Nginx | the old workers, the old release |
//! | retire, prune | drains and removes the old containers; removes old releases | nothing: the release is live |
//!
//! So before the switch everything is undone by removing what carries the release's id ([`live::abandon`]), and a
//! restarted runner ([`recover`]) does the same as a deployment that fails.

mod armory;
mod assets;
mod back;
mod bytecode;
mod complaint;
mod containers;
mod control;
mod engine;
mod environment;
mod gates;
mod image;
mod kept;
mod layout;
mod live;
mod migrations;
mod pipeline;
mod prepare;
mod prune;
mod ready;
mod reconcile;
mod record;
mod recover;
mod render;
mod replicas;
mod rollback;
mod run;
mod scale;
mod services;
pub(crate) mod standing;
mod tenants;
#[cfg(test)]
mod tests;
mod trash;
mod trees;

pub(crate) use control::{followed, remove, report, restart, stop};
pub(crate) use engine::deploy;
pub(crate) use prepare::check_disk;
pub(crate) use reconcile::{bring_up, projects, run_scheduler};
pub(crate) use record::{load, save};
pub(crate) use recover::recover;
pub(crate) use rollback::rollback;
pub(crate) use scale::scale;
