//! While the data key is replaced: what the one before encrypted is encrypted anew, bit by bit.

use super::Stores;
use crate::config::Config;
use crate::platform;
use crate::service::reencryption;
use crate::store::StoreError;
use worker::Env;

pub(super) async fn run(env: &Env, stores: &Stores) -> Result<(), StoreError> {
    let config = Config::of(env).map_err(|error| StoreError::unreadable("the settings", &error))?;
    reencryption::go_on(&stores.db, &config.data_key, platform::now()).await
}
