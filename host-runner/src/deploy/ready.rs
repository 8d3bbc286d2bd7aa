//! Asks a release whether it is well: its pool, its health path by `FastCGI` or in each of its containers, and, once it
//! serves, through Nginx.

use super::layout::ReleaseDir;
use super::run::Run;
use crate::host::docker::{Found, Role};
use crate::host::{HostError, Result, fastcgi};
use devflow_protocol::project::{ProcessKind, Web};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// PHP-FPM's socket in a release.
const FPM_SOCKET: &str = "fpm.sock";
/// Between two questions.
const INTERVAL: Duration = Duration::from_millis(200);
/// Longest single answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);
/// Until PHP-FPM or a replica listens.
pub(super) const START_LIMIT: Duration = Duration::from_secs(15);
/// Bad answers in a row that make a live release unhealthy: one may be a reload of the host's Nginx.
const BAD_IN_A_ROW: u32 = 3;
/// Restarts during the observation that make a worker unhealthy; a worker may end itself now and then.
const CRASHES: i64 = 3;

impl Run<'_> {
    /// Waits until what was started to answer visitors listens.
    ///
    /// # Errors
    /// Its container ended, with its last words, or it never listened.
    pub(crate) async fn await_web(&self, started: &[String]) -> Result<()> {
        match &self.spec.container {
            Some(container) => Box::pin(self.await_replicas(container, started)).await,
            None => self.await_fpm(&started[0]).await,
        }
    }

    async fn await_fpm(&self, container: &str) -> Result<()> {
        let docker = &self.host().docker;
        let begun = Instant::now();
        loop {
            let failure = match ping(&self.release, ANSWER_LIMIT).await {
                Ok(()) => return Ok(()),
                Err(failure) => failure,
            };
            let condition = docker.condition(container).await?;
            let ended = condition.as_ref().is_none_or(|it| !it.running || it.restarts > 0);
            if ended || begun.elapsed() > START_LIMIT {
                let words = docker.last_lines(container, 5).await?;
                let said = if words.is_empty() {
                    failure.to_string()
                } else {
                    words.join(" ")
                };
                let how = if ended { "ended at once" } else { "does not answer" };
                return Err(HostError::new(format!("PHP-FPM {how}: {said}")));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks the health path until it answers well.
    ///
    /// # Errors
    /// It did not within the project's time.
    pub(crate) async fn readiness(&self) -> Result<()> {
        let limit = Duration::from_secs(u64::from(self.spec.release.ready_s.max(1)));
        let begun = Instant::now();
        loop {
            let bad = match self.ask_release().await {
                Ok(()) => return Ok(()),
                Err(bad) => bad,
            };
            if begun.elapsed() >= limit || self.cancel().is_cancelled() {
                return Err(HostError::new(format!(
                    "not ready after {} s: {bad}",
                    limit.as_secs()
                )));
            }
            sleep(INTERVAL).await;
        }
    }

    async fn ask_release(&self) -> Result<()> {
        if let Some(container) = &self.spec.container {
            return Box::pin(self.ask_replicas(container, ANSWER_LIMIT)).await;
        }
        let web = &self.spec.web;
        let root = match &web.public_dir {
            Some(public) => self.layout.app().join(public.as_str()),
            None => self.layout.app(),
        };
        let host = asked_host(web);
        let (socket, _folder) = self.release.socket_address(FPM_SOCKET)?;
        let path = web.health_path.as_str();
        let answer = fastcgi::get(&socket, &root.to_string_lossy(), host, path, ANSWER_LIMIT).await?;
        if (200..400).contains(&answer.status) {
            return Ok(());
        }
        let cause = answer.errors.lines().next().unwrap_or_default();
        let cause = cause.trim_start_matches("PHP message:").trim();
        let hint = if cause.is_empty() {
            String::new()
        } else {
            format!(" ({cause})")
        };
        Err(HostError::new(format!(
            "`{path}` answers {}{hint}; see the application's log",
            answer.status
        )))
    }

    /// Watches the release that serves now.
    ///
    /// # Errors
    /// It is not healthy, with the reason.
    pub(crate) async fn observe(&self) -> Result<()> {
        let length = Duration::from_secs(u64::from(self.spec.release.observe_s));
        let begun = Instant::now();
        let mut bad = 0;
        loop {
            match self.ask_through_nginx().await {
                Ok(()) => bad = 0,
                Err(error) => {
                    bad += 1;
                    if bad >= BAD_IN_A_ROW {
                        return Err(error);
                    }
                }
            }
            self.check_containers().await?;
            if bad == 0 && begun.elapsed() >= length {
                return Ok(());
            }
            sleep(INTERVAL).await;
        }
    }

    async fn ask_through_nginx(&self) -> Result<()> {
        let web = &self.spec.web;
        let path = web.health_path.as_str();
        let host = asked_host(web);
        let asked = Instant::now();
        let status = self.host().nginx.get(host, path, ANSWER_LIMIT).await?;
        // Behind a password Nginx answers for the application, which is then asked by itself.
        if web.basic_auth.is_some() && status == 401 {
            return self.ask_release().await;
        }
        if (200..400).contains(&status) {
            self.answered_in(asked.elapsed());
            return Ok(());
        }
        Err(HostError::new(format!(
            "`{path}` answers {status} through Nginx; see the application's log"
        )))
    }

    async fn check_containers(&self) -> Result<()> {
        let docker = &self.host().docker;
        let slug = self.layout.slug().as_str();
        let mine = docker
            .list(Some(slug))
            .await?
            .into_iter()
            .filter(|it| it.release == self.release.id.as_str());
        let watched = |it: &Found| matches!(it.role, Role::Web | Role::Relay | Role::Worker | Role::Service);
        for found in mine.filter(watched) {
            let Some(condition) = docker.condition(&found.id).await? else {
                continue;
            };
            let crashed = match found.role {
                Role::Web | Role::Relay => condition.restarts > 0,
                _ => condition.restarts >= CRASHES,
            };
            if crashed {
                let memory = if condition.out_of_memory {
                    ", for memory"
                } else {
                    ""
                };
                let words = docker.last_lines(&found.id, 3).await?.join(" ");
                return Err(HostError::new(format!(
                    "the container `{}` ended {} times{memory} (status {}): {words}",
                    found.name, condition.restarts, condition.exit_code
                )));
            }
        }
        Ok(())
    }

    /// True where the project has processes that run always.
    pub(crate) fn has_workers(&self) -> bool {
        self.spec
            .processes
            .iter()
            .any(|process| process.kind == ProcessKind::Worker && process.count > 0)
    }
}

/// The host name under which a release is asked.
pub(super) fn asked_host(web: &Web) -> &str {
    web.domains.first().map_or("localhost", |domain| domain.as_str())
}

/// Asks a release's pool, which answers in the order of its queue.
pub(crate) async fn ping(release: &ReleaseDir, limit: Duration) -> Result<()> {
    let (socket, _folder) = release.socket_address(FPM_SOCKET)?;
    fastcgi::ping(&socket, limit).await
}
