//! What the cron trigger does each minute. Each task takes no input, may run again at any time, and logs its own
//! failure, so that one does not keep the others from running.

mod audit;
mod leases;
mod reencryption;
mod retention;
mod silent;

use crate::platform;
use crate::service::outgoing;
use crate::store::{Db, StoreError};
use worker::Env;

/// The databases.
struct Stores {
    db: Db,
    logs: Db,
}

/// Runs all tasks.
pub(crate) async fn run(env: &Env) {
    let stores = match (env.d1("DB"), env.d1("LOGS")) {
        (Ok(db), Ok(logs)) => Stores {
            db: Db::new(db),
            logs: Db::new(logs),
        },
        (Err(error), _) | (_, Err(error)) => {
            platform::log_error(&format!("the cron trigger has no database: {error}"));
            return;
        }
    };
    log("leases", leases::run(env, &stores).await);
    log("silent", silent::run(env, &stores).await);
    log("audit", audit::run(env, &stores).await);
    log("reencryption", reencryption::run(env, &stores).await);
    if let Err(error) = outgoing::drain_by_cron(env, &stores.db).await {
        platform::log_error(&format!("the cron task outgoing failed: {error:?}"));
    }
    // Each round reads what a few projects keep: six an hour are enough, and leave the day's budget to others.
    if platform::now().0.div_euclid(60_000) % 10 == 0 {
        log("retention", retention::run(&stores).await);
    }
}

fn log(task: &str, result: Result<(), StoreError>) {
    if let Err(error) = result {
        platform::log_error(&format!("the cron task {task} failed: {error}"));
    }
}
