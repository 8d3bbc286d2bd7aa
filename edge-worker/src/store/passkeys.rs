//! `passkeys` and `spent_challenges`.

use super::{Statement, statement};
use crate::crypt;
use devflow_domain::passkey::{NewKey, Used};
use devflow_protocol::{PasskeyId, UnixMillis, UserId};
use serde::Deserialize;

/// What the database says to one more than there may be.
pub(crate) const TOO_MANY: &str = "ten passkeys are enough";

/// A passkey.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct PasskeyRow {
    pub(crate) id: PasskeyId,
    pub(crate) user: UserId,
    pub(crate) name: String,
    /// In URL-safe base64, as the public key.
    pub(crate) credential: String,
    pub(crate) public_key: String,
    pub(crate) sign_count: u32,
    /// 1 where it checked who uses it when it was added.
    pub(crate) verified: u8,
    /// 1 where it signs in without an e-mail address.
    pub(crate) discoverable: u8,
    pub(crate) backup_eligible: u8,
    pub(crate) backed_up: u8,
    /// JSON list.
    pub(crate) transports: String,
    pub(crate) created_at: UnixMillis,
    pub(crate) used_at: Option<UnixMillis>,
}

impl PasskeyRow {
    /// True where it signs in alone.
    pub(crate) fn is_enough(&self) -> bool {
        self.verified != 0 && self.discoverable != 0
    }

    /// Changes with what its person decides about it.
    pub(crate) fn version(&self) -> String {
        crypt::hash(self.name.as_bytes())
    }
}

/// The passkeys of a person, oldest first: all of them, for there is a most.
pub(crate) fn of(user: &UserId) -> Statement {
    statement!(
        "-- passkeys_of
        SELECT id, user, name, credential, public_key, sign_count, verified, discoverable, backup_eligible, backed_up,
          transports, created_at, used_at
        FROM passkeys WHERE user = ?1 ORDER BY id LIMIT 20",
        user
    )
}

/// The passkey of a credential, of somebody who may come in.
pub(crate) fn by_credential(credential: &str) -> Statement {
    statement!(
        "-- passkeys_by_credential
        SELECT p.id, p.user, p.name, p.credential, p.public_key, p.sign_count, p.verified, p.discoverable,
          p.backup_eligible, p.backed_up, p.transports, p.created_at, p.used_at
        FROM passkeys p JOIN users u ON u.id = p.user WHERE p.credential = ?1 AND u.disabled_at IS NULL",
        credential
    )
}

/// A new passkey.
pub(crate) struct NewPasskey<'a> {
    pub(crate) id: &'a PasskeyId,
    pub(crate) user: &'a UserId,
    pub(crate) name: &'a str,
    pub(crate) credential: &'a str,
    pub(crate) public_key: &'a str,
    pub(crate) key: &'a NewKey,
    pub(crate) discoverable: bool,
    pub(crate) transports: &'a str,
    pub(crate) now: UnixMillis,
}

/// Adds a passkey, unless there are too many ([`TOO_MANY`]) or the credential is known.
pub(crate) fn insert(new: &NewPasskey<'_>) -> Statement {
    statement!(
        "-- passkeys_insert
        INSERT INTO passkeys (id, user, name, credential, public_key, sign_count, verified, discoverable,
          backup_eligible, backed_up, transports, created_at)
        VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        new.id,
        new.user,
        new.name,
        new.credential,
        new.public_key,
        new.key.sign_count,
        new.key.verified,
        new.discoverable,
        new.key.backup_eligible,
        new.key.backed_up,
        new.transports,
        new.now
    )
}

/// Notes that a passkey was used. Where it was used as often or more often before, by what is kept by now, it fails, and
/// the whole batch with it: there is no count then.
pub(crate) fn touch(id: &PasskeyId, used: Used, now: UnixMillis) -> Statement {
    statement!(
        "-- passkeys_touch
        UPDATE passkeys SET sign_count = CASE WHEN sign_count < ?2 OR (sign_count = 0 AND ?2 = 0) THEN ?2 END,
          backed_up = ?3, used_at = ?4
        WHERE id = ?1",
        id,
        used.sign_count,
        used.backed_up,
        now
    )
}

/// Gives one's own passkey another name than `before`; changes nothing where it has another one by now.
pub(crate) fn rename(user: &UserId, id: &PasskeyId, before: &str, name: &str) -> Statement {
    statement!(
        "-- passkeys_rename
        UPDATE passkeys SET name = ?4 WHERE user = ?1 AND id = ?2 AND name = ?3",
        user,
        id,
        before,
        name
    )
}

/// Takes one's own passkey away. The first statement fails where it is the last factor and all must have one, for then
/// there is no name, and the whole batch with it.
pub(crate) fn delete(user: &UserId, id: &PasskeyId) -> [Statement; 2] {
    [
        statement!(
            "-- passkeys_keep_the_last
            UPDATE passkeys SET name = NULL WHERE user = ?1 AND id = ?2
              AND EXISTS (SELECT 1 FROM settings WHERE name = 'second_factor_required')
              AND (SELECT count(*) FROM factors f WHERE f.user = ?1) = 1",
            user,
            id
        ),
        statement!(
            "-- passkeys_delete\nDELETE FROM passkeys WHERE user = ?1 AND id = ?2",
            user,
            id
        ),
    ]
}

/// Takes all passkeys of a person away.
pub(crate) fn delete_all(user: &UserId) -> Statement {
    statement!(
        "-- passkeys_delete_all\nDELETE FROM passkeys WHERE user = ?1",
        user
    )
}

/// Spends a challenge; the same one a second time fails the whole batch.
pub(crate) fn spend(hash: &str, ends_at: UnixMillis) -> Statement {
    statement!(
        "-- spent_challenges_insert\nINSERT INTO spent_challenges (hash, ends_at) VALUES (?1, ?2)",
        hash,
        ends_at
    )
}
