//! Finds pushes that no webhook told of: each repository of a live project is asked where the followed ref is, the
//! projects spread over the round. Costs the edge nothing unless something is found.

use super::Agent;
use crate::deploy;
use crate::edge::EdgeError;
use crate::host::HostError;
use crate::host::git::Source;
use crate::job;
use devflow_protocol::runner_api::HeadFound;
use devflow_protocol::text::{GitSha, Slug};
use std::collections::HashMap;
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    Edge(#[from] EdgeError),
}

/// Runs until the agent stops.
pub(super) async fn run(agent: &Agent) {
    let Some(round) = agent.host.config.heads_every else {
        return;
    };
    // Heads that the edge has heard of, whatever it made of them.
    let mut told: HashMap<Slug, GitSha> = HashMap::new();
    while !agent.stopping.is_cancelled() {
        let slugs = deploy::projects(&agent.host).unwrap_or_default();
        told.retain(|slug, _| slugs.contains(slug));
        if slugs.is_empty() {
            pause(agent, round).await;
        }
        let share = round / u32::try_from(slugs.len().max(1)).unwrap_or(u32::MAX);
        for slug in &slugs {
            pause(agent, share).await;
            if agent.stopping.is_cancelled() {
                return;
            }
            if let Err(error) = look(agent, slug, &mut told).await {
                // A repository that is away for a while is no news: the next deployment tells a person.
                tracing::debug!(project = %slug, %error, "the repository could not be asked for missed pushes");
            }
        }
    }
}

async fn pause(agent: &Agent, time: Duration) {
    tokio::select! {
        () = agent.stopping.cancelled() => {}
        () = tokio::time::sleep(time) => {}
    }
}

async fn look(agent: &Agent, slug: &Slug, told: &mut HashMap<Slug, GitSha>) -> Result<(), LookError> {
    let host = &agent.host;
    let Some(followed) = deploy::followed(host, slug)?.filter(|it| !it.record.spec.follower) else {
        return Ok(());
    };
    let (repository, ref_name) = (&followed.record.spec.repository, &followed.record.ref_name);
    if !agent.policy.allows_repository(slug.as_str(), repository.as_str()) {
        return Ok(());
    }
    let (git, cancel) = (&host.git, &agent.stopping);
    let token = job::repository_token(&agent.identity(), repository, followed.token.as_ref());
    let token = token.map_err(HostError::new)?;
    let source = Source::new(repository, token.as_ref());
    let Some(head) = git.head(source, ref_name, cancel).await? else {
        return Ok(());
    };
    if head == *told.get(slug).unwrap_or(&followed.record.commit) {
        return Ok(());
    }
    // Jobs of the project write to the mirror too; what one of them is at is looked at the next time.
    let turn = agent.turn(Some(slug.as_str()));
    let Some(Ok(_turn)) = turn.as_ref().map(|turn| turn.try_lock()) else {
        return Ok(());
    };
    git.fetch(&followed.mirror, source, ref_name, Some(&head), cancel)
        .await?;
    let (message, author) = git.message(&followed.mirror, &head, cancel).await?;
    let found = HeadFound {
        slug: slug.clone(),
        ref_name: ref_name.clone(),
        commit: head.clone(),
        message,
        author,
    };
    agent.edge.head_found(&found).await?;
    tracing::info!(project = %slug, commit = %head, "the edge was told where the repository's ref is");
    told.insert(slug.clone(), head);
    Ok(())
}
