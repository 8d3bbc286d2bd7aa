//! The release key, and the word of the recovery key that servers trust it. Both are made once; the key stays in the
//! installation's folder and is none of the Worker's.

use crate::deploy_edge::{Keys, RECOVERY, signing};
use anyhow::{Context, Result, bail};
use devflow_protocol::UnixMillis;
use devflow_protocol::dsse::Envelope;
use devflow_protocol::release::{GRANT_TYPE, Grant};
use ed25519_dalek::{SigningKey, VerifyingKey};
use std::fs;
use std::path::{Path, PathBuf};

/// The name of the key that signs releases.
const RELEASE: &str = "RELEASE_KEY";

/// Where the grant is kept.
pub(super) fn file(keys: &Keys) -> PathBuf {
    keys.file(RELEASE).with_file_name("release-grant.json")
}

/// The release key with its grant. Where servers that pinned `pinned` would not take the one that is kept, a new one is
/// signed with `recovery`, else with the recovery key that is still in the folder.
pub(super) fn grant(
    keys: &Keys,
    edge: &str,
    pinned: &VerifyingKey,
    recovery: Option<&SigningKey>,
    now: UnixMillis,
) -> Result<(SigningKey, Envelope)> {
    let kept = file(keys);
    if keys.file(RELEASE).exists() {
        let key = signing(&keys.text(RELEASE)?)?;
        if let Some(grant) = read(&kept)?.filter(|grant| holds(grant, edge, pinned, &key)) {
            return Ok((key, grant));
        }
    }
    let recovery = match recovery {
        Some(recovery) => recovery.clone(),
        None if keys.file(RECOVERY).exists() => signing(&keys.text(RECOVERY)?)?,
        None => bail!(
            "servers take no program that is signed with this release key yet: name the recovery key once with \
             --recovery-key"
        ),
    };
    if recovery.verifying_key() != *pinned {
        bail!("this is not the recovery key that servers trust");
    }
    let key = signing(&keys.own(RELEASE)?)?;
    let grant = Grant::of(edge, &key.verifying_key(), now).sign(&recovery);
    let staged = kept.with_extension("new");
    fs::write(&staged, serde_json::to_vec_pretty(&grant)?)
        .and_then(|()| fs::rename(&staged, &kept))
        .with_context(|| format!("cannot write {}", kept.display()))?;
    Ok((key, grant))
}

fn read(file: &Path) -> Result<Option<Envelope>> {
    if !file.exists() {
        return Ok(None);
    }
    let text = fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let grant = serde_json::from_slice(&text).with_context(|| format!("{} is no grant", file.display()))?;
    Ok(Some(grant))
}

/// Whether servers of `edge` that pinned `pinned` take what `key` signs.
fn holds(grant: &Envelope, edge: &str, pinned: &VerifyingKey, key: &SigningKey) -> bool {
    let payload = grant.verify(GRANT_TYPE, [pinned]).ok();
    let grant: Option<Grant> = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
    grant.is_some_and(|grant| {
        let same = Grant::of(edge, &key.verifying_key(), grant.granted_at);
        grant == same
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    use devflow_tests::places::Scratch;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    #[test]
    fn release_key_is_granted_once_and_anew_for_another_recovery_key() {
        let scratch = Scratch::new().expect("a folder");
        let keys = Keys::of(scratch.path());
        let ask = |pinned: u8, recovery: Option<u8>| {
            let recovery = recovery.map(key);
            grant(
                &keys,
                "edge_1",
                &key(pinned).verifying_key(),
                recovery.as_ref(),
                UnixMillis(5),
            )
        };
        let error = ask(8, None).expect_err("refused").to_string();
        assert!(error.contains("--recovery-key"), "{error}");
        assert!(ask(8, Some(6)).is_err(), "not the pinned one");
        assert!(!keys.file(RELEASE).exists(), "no key without a grant");

        let first = ask(8, Some(8)).expect("granted");
        assert_eq!(ask(8, None).expect("the same"), first);
        // The recovery key was replaced: what the old one signed counts for nobody.
        assert!(ask(9, None).is_err());
        let second = ask(9, Some(9)).expect("granted");
        assert_eq!(second.0.to_bytes(), first.0.to_bytes());
        assert_ne!(second.1, first.1);
        // Lost or leaked: a new one, granted by the recovery key that is still there.
        fs::remove_file(keys.file(RELEASE)).expect("removed");
        fs::write(keys.file(RECOVERY), STANDARD.encode([9; 32])).expect("written");
        let third = ask(9, None).expect("granted");
        assert_ne!(third.0.to_bytes(), first.0.to_bytes());
    }

    #[test]
    fn grant_of_another_installation_is_made_anew() {
        let scratch = Scratch::new().expect("a folder");
        let keys = Keys::of(scratch.path());
        let pinned = key(8).verifying_key();
        let (_, first) = grant(&keys, "edge_1", &pinned, Some(&key(8)), UnixMillis(5)).expect("granted");
        let (_, second) = grant(&keys, "edge_2", &pinned, Some(&key(8)), UnixMillis(5)).expect("granted");
        assert_ne!(first, second);
    }
}
