//! Deployments on several servers whose next server is silent: the others do not wait for it.

use super::Stores;
use crate::hub::Hub;
use crate::platform;
use crate::service::parts::{self, Advance, Ended};
use crate::service::topics;
use crate::store::parts::SilentRow;
use crate::store::{StoreError, jobs};
use devflow_domain::deployment::End;
use worker::Env;

pub(super) async fn run(env: &Env, stores: &Stores) -> Result<(), StoreError> {
    let silent: Vec<SilentRow> = stores.db.all(crate::store::parts::silent()).await?;
    for row in silent {
        give_up(env, stores, &row).await?;
    }
    Ok(())
}

/// Ends the turn of a silent server. Should its runner have taken the job, it hears of that when it is back, and ends what it
/// has not switched.
async fn give_up(env: &Env, stores: &Stores, row: &SilentRow) -> Result<(), StoreError> {
    let (now, db) = (platform::now(), &stores.db);
    let Some(job) = db.first::<jobs::JobRow>(jobs::by_id(&row.job)).await? else {
        return Ok(());
    };
    let reason = if row.state == "out_of_contact" {
        "The server went silent while it was at work, so the others did not wait for it."
    } else {
        "The server was silent when its turn came."
    };
    let ended = Ended::unheard(End::Failed, reason, now);
    let Advance { mut batch, wakes } = parts::advance(db, &job, ended).await?;
    batch.push(jobs::give_up(&row.job, row.attempt, now));
    db.batch(batch).await?;
    let topics = topics(Some(&row.project), Some(&row.deployment));
    Hub::new(env)
        .signal(wakes.map(|server| server.to_string()), topics)
        .await;
    Ok(())
}
