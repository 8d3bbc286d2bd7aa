//! `second_factors` and `recovery_codes`, and whether all must have one.

use super::{Statement, statement};
use devflow_protocol::{UnixMillis, UserId};
use serde::Deserialize;

/// A person's second factor.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct FactorRow {
    /// Encrypted with the data key.
    pub(crate) secret: String,
    /// None until the first code was given.
    pub(crate) confirmed_at: Option<UnixMillis>,
    /// The time step of the newest code that was taken.
    pub(crate) last_step: i64,
}

/// The second factor of a person, also one that is not confirmed yet.
pub(crate) fn of(user: &UserId) -> Statement {
    statement!(
        "-- second_factors_of
        SELECT secret, confirmed_at, last_step FROM second_factors WHERE user = ?1",
        user
    )
}

/// Begins one, or begins again; one that is confirmed stays as it is.
pub(crate) fn begin(user: &UserId, secret: &str, now: UnixMillis) -> Statement {
    statement!(
        "-- second_factors_begin
        INSERT INTO second_factors (user, secret, last_step, created_at) VALUES (?1, ?2, 0, ?3)
        ON CONFLICT (user) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at
          WHERE confirmed_at IS NULL",
        user,
        secret,
        now
    )
}

/// Confirms one by the code of `step`.
pub(crate) fn confirm(user: &UserId, step: i64, now: UnixMillis) -> Statement {
    statement!(
        "-- second_factors_confirm
        UPDATE second_factors SET confirmed_at = ?3, last_step = ?2 WHERE user = ?1 AND confirmed_at IS NULL",
        user,
        step,
        now
    )
}

/// Spends the code of `step`: changes a row only where no code of that step or a later one was taken.
pub(crate) fn spend_step(user: &UserId, step: i64) -> Statement {
    statement!(
        "-- second_factors_spend_step
        UPDATE second_factors SET last_step = ?2 WHERE user = ?1 AND last_step < ?2",
        user,
        step
    )
}

fn delete(user: &UserId) -> Statement {
    statement!(
        "-- second_factors_delete\nDELETE FROM second_factors WHERE user = ?1",
        user
    )
}

/// Takes one's own app away, and recovery codes with the last factor. The first statement fails where it is the last
/// and all must have one, for then there is no secret, and the whole batch with it.
pub(crate) fn remove(user: &UserId) -> [Statement; 3] {
    [
        statement!(
            "-- second_factors_keep_the_last
            UPDATE second_factors SET secret = NULL WHERE user = ?1 AND confirmed_at IS NOT NULL
              AND EXISTS (SELECT 1 FROM settings WHERE name = 'second_factor_required')
              AND (SELECT count(*) FROM factors f WHERE f.user = ?1) = 1",
            user
        ),
        delete(user),
        forget_codes(user),
    ]
}

/// Takes all factors of a person away, for somebody who lost them.
pub(crate) fn drop_all(user: &UserId) -> [Statement; 3] {
    [
        delete(user),
        super::passkeys::delete_all(user),
        delete_codes(user),
    ]
}

/// How many there are.
#[derive(Debug, Deserialize)]
pub(crate) struct CountRow {
    pub(crate) count: i64,
}

/// Recovery codes that are left, as a [`CountRow`].
pub(crate) fn codes_left(user: &UserId) -> Statement {
    statement!(
        "-- recovery_codes_left\nSELECT count(*) AS count FROM recovery_codes WHERE user = ?1",
        user
    )
}

/// Deletes the recovery codes of somebody who has no factor any more.
pub(crate) fn forget_codes(user: &UserId) -> Statement {
    statement!(
        "-- recovery_codes_forget
        DELETE FROM recovery_codes WHERE user = ?1 AND NOT EXISTS (SELECT 1 FROM factors f WHERE f.user = ?1)",
        user
    )
}

fn delete_codes(user: &UserId) -> Statement {
    statement!(
        "-- recovery_codes_delete\nDELETE FROM recovery_codes WHERE user = ?1",
        user
    )
}

/// Gives new recovery codes in place of all others.
pub(crate) fn renew_codes(user: &UserId, hashes: &[String]) -> [Statement; 2] {
    let list = serde_json::to_string(hashes).expect("hashes are plain texts");
    [
        delete_codes(user),
        statement!(
            "-- recovery_codes_insert
            INSERT INTO recovery_codes (user, code_hash) SELECT ?1, value FROM json_each(?2)",
            user,
            list
        ),
    ]
}

/// Spends a recovery code: deletes a row only where it is one.
pub(crate) fn spend_code(user: &UserId, hash: &str) -> Statement {
    statement!(
        "-- recovery_codes_spend\nDELETE FROM recovery_codes WHERE user = ?1 AND code_hash = ?2",
        user,
        hash
    )
}

/// One row where all must have a second factor.
pub(crate) fn required() -> Statement {
    statement!("-- second_factors_required\nSELECT value FROM settings WHERE name = 'second_factor_required'")
}

/// Says whether all must have one.
pub(crate) fn set_required(required: bool) -> Statement {
    if required {
        statement!(
            "-- second_factors_require
            INSERT INTO settings (name, value) VALUES ('second_factor_required', 'yes') ON CONFLICT (name) DO NOTHING"
        )
    } else {
        statement!("-- second_factors_allow_none\nDELETE FROM settings WHERE name = 'second_factor_required'")
    }
}
