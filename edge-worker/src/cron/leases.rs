//! Leases that ran out unacknowledged go back to the queue, and servers with queued jobs are woken: should a wake
//! have been lost, a job waits a minute and not until the end of a held poll.

use super::Stores;
use crate::hub::Hub;
use crate::platform;
use crate::store::IdRow;
use crate::store::{InBatch as _, StoreError, lease};
use worker::Env;

pub(super) async fn run(env: &Env, stores: &Stores) -> Result<(), StoreError> {
    let batch = vec![
        lease::release_all_expired(platform::now()),
        lease::servers_with_queued_jobs(),
    ];
    let answers = stores.db.batch(batch).await?;
    let waiting: Vec<IdRow> = answers.last().rows()?;
    for server in waiting {
        Hub::new(env).signal(Some(server.id), vec![]).await;
    }
    Ok(())
}
