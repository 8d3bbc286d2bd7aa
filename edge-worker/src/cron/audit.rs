//! Seals the audit trail: what was done since the last time, once a minute. Where nothing was done, nothing is written. And
//! moves what is old to the bucket, bit by bit.

use super::Stores;
use crate::config::Config;
use crate::platform;
use crate::service::{archive, audit};
use crate::store::StoreError;
use worker::Env;

pub(super) async fn run(env: &Env, stores: &Stores) -> Result<(), StoreError> {
    let config = Config::of(env).map_err(|error| StoreError::unreadable("the settings", &error))?;
    let now = platform::now();
    audit::seal_more(&stores.db, &config.job_key(), now).await?;
    let bucket = env
        .bucket("BLOBS")
        .map_err(|error| StoreError::unreadable("the bucket BLOBS", &error))?;
    let before = now.plus(-config.audit_kept_ms);
    archive::archive_more(&stores.db, &bucket, before, now).await?;
    Ok(())
}
