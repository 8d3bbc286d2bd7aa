//! Seals the audit trail: what was done since the last time, once a minute. Where nothing was done, nothing is written.

use super::Stores;
use crate::config::Config;
use crate::platform;
use crate::service::audit;
use crate::store::StoreError;
use worker::Env;

pub(super) async fn run(env: &Env, stores: &Stores) -> Result<(), StoreError> {
    let config = Config::of(env).map_err(|error| StoreError::unreadable("the settings", &error))?;
    audit::seal_more(&stores.db, &config.job_key(), platform::now()).await?;
    Ok(())
}
