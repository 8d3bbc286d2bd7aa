//! Sends what is in the outbox. A request that changed a deployment drains it after it was answered, the cron trigger
//! each minute: what the first could not send, or was cut short at, the second does. An endpoint gets a message at least
//! once, each time under the same id.

mod request;

use crate::config::Config;
use crate::crypt;
use crate::error::ApiError;
use crate::platform;
use crate::service::endpoints::Sealed;
use crate::store::outbox::{LookRow, MessageState, Settled, TakenRow, Which};
use crate::store::{Answer, Cost, Db, InBatch as _, StoreError, endpoints, outbox};
use devflow_domain::outgoing::Kind;
use devflow_domain::outgoing::retry::{self, Next};
use devflow_protocol::UnixMillis;
use futures_util::future::join_all;
use std::sync::Arc;

/// How long a message that was taken is left to who took it, in milliseconds: longer than an attempt may take.
const CLAIM_MS: i64 = 20_000;
/// Rounds of one drain; the platform ends what goes on for 30 s after an answer.
const ROUNDS: usize = 4;
/// No round begins after so long, in milliseconds.
const ROUNDS_MS: i64 = 15_000;
/// Kept of what is told about an attempt, in characters.
const DETAIL_CHARS: usize = 300;

/// What sending needs.
#[derive(Clone)]
pub(crate) struct Outgoing {
    pub(crate) db: Db,
    pub(crate) config: Arc<Config>,
    /// What it costs, where that is to be told.
    cost: Option<Arc<Cost>>,
}

/// What came of one attempt.
struct Attempt {
    answer: retry::Answer,
    at: UnixMillis,
    ms: i64,
    detail: Option<String>,
}

/// Sends what is due.
pub(crate) async fn drain(out: &Outgoing, which: Which<'_>) -> Result<(), StoreError> {
    let started = platform::now();
    for _ in 0..ROUNDS {
        let now = platform::now();
        if now.since(started) > ROUNDS_MS {
            break;
        }
        let claim = crypt::token(platform::entropy());
        let take = outbox::take(which, &claim, now, now.plus(CLAIM_MS));
        let answers = out.db.batch(take.into()).await?;
        let taken: Vec<TakenRow> = answers.last().rows()?;
        if taken.is_empty() {
            break;
        }
        let sent = join_all(taken.iter().map(|row| send(out, row, &claim))).await;
        sent.into_iter().collect::<Result<Vec<()>, _>>()?;
    }
    Ok(())
}

/// [`drain`] where nobody waits for it.
pub(crate) async fn drain_quietly(out: &Outgoing) {
    if let Err(error) = drain(out, Which::Due).await {
        platform::log_error(&format!("the outbox could not be drained: {error}"));
    }
    if let Some(cost) = &out.cost {
        platform::log_info(&format!("cost of the outbox: {cost}"));
    }
}

/// Makes one attempt and notes what came of it.
async fn send(out: &Outgoing, row: &TakenRow, claim: &str) -> Result<(), StoreError> {
    let attempt = match Sealed::open(&out.config.data_key, &row.endpoint, &row.sealed) {
        Ok(sealed) => match request::build(row, &sealed, &out.config.public_origin, platform::now()) {
            Ok(request) => attempt(&request).await,
            Err(reason) => return settle_overtaken(out, row, claim, reason).await,
        },
        Err(error) => {
            platform::log_error(&format!("endpoint {}: {error}", row.endpoint));
            failed("Its address and secret cannot be opened with this DATA_KEY.".to_owned())
        }
    };
    settle(out, row, claim, &attempt).await
}

fn failed(detail: String) -> Attempt {
    Attempt {
        answer: retry::Answer::None,
        at: platform::now(),
        ms: 0,
        detail: Some(detail),
    }
}

async fn attempt(request: &request::Outgoing) -> Attempt {
    let at = platform::now();
    let answer = request::send(request).await;
    let ms = platform::now().since(at);
    match answer {
        Ok(answer) => Attempt {
            answer: retry::Answer::Status(answer.status, answer.retry_after_s),
            at,
            ms,
            detail: answer.said.map(|text| text.chars().take(DETAIL_CHARS).collect()),
        },
        Err(problem) => Attempt {
            answer: retry::Answer::None,
            at,
            ms,
            detail: Some(problem.chars().take(DETAIL_CHARS).collect()),
        },
    }
}

/// There is nothing to tell any more.
async fn settle_overtaken(
    out: &Outgoing,
    row: &TakenRow,
    claim: &str,
    reason: &str,
) -> Result<(), StoreError> {
    let settled = Settled {
        state: MessageState::Overtaken,
        next_at: None,
        tried_at: platform::now(),
        status: None,
        ms: 0,
        detail: Some(reason),
    };
    out.db
        .run(outbox::settle(&row.endpoint, &row.id, claim, &settled))
        .await?;
    Ok(())
}

async fn settle(out: &Outgoing, row: &TakenRow, claim: &str, attempt: &Attempt) -> Result<(), StoreError> {
    let now = platform::now();
    let random = u32::from_le_bytes(platform::entropy());
    let next = retry::next(row.kind, row.attempts, attempt.answer, random);
    let (state, next_at) = match next {
        Next::Delivered => (MessageState::Delivered, None),
        Next::Again(ms) => (MessageState::Waiting, Some(now.plus(ms))),
        Next::GiveUp | Next::Gone => (MessageState::GivenUp, None),
    };
    let status = match attempt.answer {
        retry::Answer::Status(status, _) => Some(status),
        retry::Answer::None => None,
    };
    let id = &row.endpoint;
    let settled = Settled {
        state,
        next_at,
        tried_at: attempt.at,
        status,
        ms: attempt.ms,
        detail: attempt.detail.as_deref(),
    };
    let mut batch = vec![outbox::settle(id, &row.id, claim, &settled)];
    if next == Next::Delivered {
        batch.push(endpoints::note_success(id));
    } else {
        batch.push(endpoints::note_failure(id, attempt.at));
    }
    match next {
        Next::Gone => batch.push(endpoints::disable(
            id,
            "It answered 410 Gone: it wants to be told nothing any more.",
            None,
        )),
        // A chat that is away for some hours is told again when it is back.
        Next::GiveUp if row.kind == Kind::Webhook => batch.push(endpoints::disable(
            id,
            "It took nothing for days, however often it was tried.",
            Some(row.at.plus(CLAIM_MS)),
        )),
        Next::Delivered | Next::Again(_) | Next::GiveUp => {}
    }
    if next_at.is_none() {
        batch.extend([outbox::give_up_of_disabled(id), outbox::prune(id)]);
    }
    out.db.batch(batch).await?;
    Ok(())
}

impl crate::app::AppState {
    /// What sending needs.
    pub(crate) fn outgoing(&self) -> Outgoing {
        let cost = self.config.show_cost.then(Arc::<Cost>::default);
        Outgoing {
            db: self.db.clone().counted(cost.clone()),
            config: Arc::clone(&self.config),
            cost,
        }
    }

    /// Sends what is due after the answer was sent; `look` is the answer of the batch that tells whether
    /// something is, of [`outbox::look`] or [`crate::store::deployments::queue`].
    pub(crate) fn drain_outbox(&self, look: Option<&Answer>) -> Result<(), StoreError> {
        let look: Option<LookRow> = look.first_row()?;
        if look.is_some_and(|row| row.outbox_is_due != 0) {
            let out = self.outgoing();
            platform::after_answer(async move { drain_quietly(&out).await });
        }
        Ok(())
    }
}

/// Sends what is due, for the cron trigger.
pub(crate) async fn drain_by_cron(env: &worker::Env, db: &Db) -> Result<(), ApiError> {
    let config = Config::of(env)?;
    let out = Outgoing {
        db: db.clone(),
        config: Arc::new(config),
        cost: None,
    };
    Ok(drain(&out, Which::Due).await?)
}
