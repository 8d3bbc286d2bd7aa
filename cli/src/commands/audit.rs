//! `audit`: an export of the trail, and its proof without the installation.

use super::Session;
use crate::edge::decode;
use crate::failure::Failure;
use crate::out::Out;
use devflow_protocol::audit::{Line, Report, Witnessed, verify as prove};
use devflow_protocol::dsse::fingerprint;
use devflow_protocol::keys::read_key;
use devflow_protocol::witness::{Head, Witness};
use ed25519_dalek::VerifyingKey;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Page {
    lines: Vec<Value>,
    next: Option<i64>,
}

/// Prints the whole trail, a line each.
pub(super) fn export(mut session: Session) -> Result<(), Failure> {
    let mut after = 0;
    loop {
        let page: Page = decode(session.edge.get(&format!("/audit?after={after}"))?)?;
        for line in &page.lines {
            session.out.line(&line.to_string())?;
        }
        let Some(next) = page.next else {
            return Ok(());
        };
        after = next;
    }
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = if file.as_os_str() == "-" {
        std::io::stdin().read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text))
    };
    read.map_err(|error| Failure::Usage(format!("cannot read {}: {error}", file.display())))?;
    Ok(text)
}

/// The keys that an export says it is signed with, oldest first.
fn keys_of(text: &str) -> Option<Vec<VerifyingKey>> {
    let head: Line = serde_json::from_str(text.lines().next()?).ok()?;
    let Line::Head { key, earlier, .. } = head else {
        return None;
    };
    earlier.iter().chain([&key]).map(|key| read_key(key)).collect()
}

/// What is known from elsewhere.
pub(super) struct Known<'a> {
    /// Of the job key.
    pub(super) fingerprint: Option<&'a str>,
    /// Of an earlier verification.
    pub(super) head: Option<&'a str>,
    /// Files of servers.
    pub(super) witnesses: &'a [PathBuf],
}

/// What servers saw, line by line. A server pins the key; what is signed by none of `keys` is none of this trail.
fn read_witnesses(text: &str, keys: &[VerifyingKey]) -> Result<Vec<Witnessed>, Failure> {
    let lines = text.lines().filter(|line| !line.trim().is_empty());
    let read = lines.map(|line| {
        let witness: Witness = serde_json::from_str(line).map_err(|error| {
            Failure::Usage(format!(
                "this is no line of `host-runner status --audit` ({error}): {line:.80}"
            ))
        })?;
        let head = Head::open(&witness.envelope, keys).map_err(|error| {
            Failure::Tampered(format!("what {} saw is another trail: {error}", witness.server))
        })?;
        Ok(Witnessed {
            server: witness.server,
            head,
        })
    });
    read.collect()
}

/// Proves an export, with what is known from elsewhere; `witnesses` are lines of servers.
fn verdict(
    text: &str,
    fingerprint_known: Option<&str>,
    head: Option<&str>,
    witnesses: &str,
) -> Result<(Report, String), Failure> {
    let no_export =
        || Failure::Usage("the file does not begin as an export of the audit trail does".to_owned());
    let keys = keys_of(text).ok_or_else(no_export)?;
    let print = fingerprint(keys.last().ok_or_else(no_export)?);
    if fingerprint_known.is_some_and(|known| known != print) {
        return Err(Failure::Tampered(format!(
            "it is signed with another key: {print}"
        )));
    }
    let witnesses = read_witnesses(witnesses, &keys)?;
    let proven = prove(text.lines(), &keys, head, &witnesses);
    let report = proven.map_err(|error| Failure::Tampered(error.to_string()))?;
    Ok((report, print))
}

/// Says whether an export is whole and as it was sealed.
pub(super) fn verify(file: &Path, known: &Known<'_>, as_json: bool) -> Result<(), Failure> {
    let witnesses = known.witnesses.iter().map(|file| read(file));
    let witnesses = witnesses.collect::<Result<Vec<_>, _>>()?.join("\n");
    let (report, print) = verdict(&read(file)?, known.fingerprint, known.head, &witnesses)?;
    let seen = witnesses.lines().filter(|line| !line.trim().is_empty()).count();
    let mut out = Out::new();
    if as_json {
        let mut shown = json!(report);
        shown["fingerprint"] = json!(print);
        shown["witnessed"] = json!(seen);
        return out.line(&shown.to_string());
    }
    out.line(&format!(
        "whole: {} sealed rows in {} segments of {}",
        report.sealed_rows, report.segments, report.edge
    ))?;
    if report.unsealed_rows > 0 {
        out.line(&format!(
            "not proven yet: the newest {} rows, which no segment seals",
            report.unsealed_rows
        ))?;
    }
    if report.erased > 0 {
        out.line(&format!(
            "erased: what {} rows said about a person",
            report.erased
        ))?;
    }
    out.line(&format!("signed by: {print}"))?;
    if seen > 0 {
        out.line(&format!(
            "witnessed: {seen} segments, as servers saw them when they were sealed"
        ))?;
    }
    if known.fingerprint.is_none() {
        out.line(
            "           compare it with the one in your enrolment commands, or give that with --fingerprint",
        )?;
    }
    if let Some(head) = &report.head {
        out.line(&format!("head: {head}"))?;
        out.line(
            "      keep it, and give it with --head the next time: then an end that was cut off is found",
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::ServerId;
    use devflow_protocol::UnixMillis;
    use devflow_protocol::audit::{Row, seal};
    use devflow_protocol::dsse::Envelope;
    use devflow_protocol::keys::write_key;
    use ed25519_dalek::SigningKey;

    fn export(seed: u8) -> String {
        export_of(seed, "usr_1")
    }

    /// Two rows of what `actor` did, sealed by the key of `seed`.
    fn export_of(seed: u8, actor: &str) -> String {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let row = |id| Row {
            id,
            at: UnixMillis(1),
            actor: actor.to_owned(),
            action: "project.create".to_owned(),
            subject: "prj_1".to_owned(),
            detail: String::new(),
            personal: None,
        };
        let rows = [row(1), row(2)];
        let sealed = seal("edge_1", None, &rows, &key, UnixMillis(9)).unwrap();
        let head = Line::Head {
            version: 1,
            edge: "edge_1".to_owned(),
            key: write_key(&key.verifying_key()),
            earlier: vec![],
        };
        let rows = rows.map(|row| Line::Row { row, personal: None });
        let segment = Line::Segment {
            envelope: sealed.envelope,
        };
        let lines = std::iter::once(head).chain(rows).chain([segment]);
        lines
            .map(|line| serde_json::to_string(&line).unwrap() + "\n")
            .collect()
    }

    #[test]
    fn verdict_takes_a_whole_export_and_refuses_a_tampered_one() {
        let good = export(7);
        let (report, print) = verdict(&good, None, None, "").unwrap();
        assert_eq!(report.sealed_rows, 2);
        assert!(verdict(&good, Some(&print), report.head.as_deref(), "").is_ok());
        let tampered = |result: Result<_, Failure>| matches!(result, Err(Failure::Tampered(_)));
        assert!(tampered(verdict(
            &good.replacen("usr_1", "usr_2", 1),
            None,
            None,
            ""
        )));
        assert!(tampered(verdict(&good, None, Some("another head"), "")));
        // Made anew with another key: whole in itself, and told apart by the fingerprint alone.
        assert!(tampered(verdict(&export(8), Some(&print), None, "")));
        assert!(matches!(verdict("PK", None, None, ""), Err(Failure::Usage(_))));
    }

    #[test]
    fn verdict_holds_an_export_against_what_servers_saw() {
        let good = export(7);
        let last: Line = serde_json::from_str(good.lines().last().unwrap()).unwrap();
        let Line::Segment { envelope } = last else {
            panic!("an export ends with its segment")
        };
        let line = |envelope: &Envelope| {
            serde_json::to_string(&Witness {
                server: ServerId::new(UnixMillis(1), [0; 10]),
                seen_at: UnixMillis(10),
                envelope: envelope.clone(),
            })
            .unwrap()
        };
        let seen = line(&envelope);
        assert!(verdict(&good, None, None, &format!("{seen}\n\n{seen}\n")).is_ok());
        let refused = |text: &str, seen: &str| match verdict(text, None, None, seen) {
            Err(Failure::Tampered(reason)) => reason,
            other => panic!("{other:?}"),
        };
        // The same key over other rows, and an export that ends before it.
        let other = export_of(7, "usr_2");
        assert!(verdict(&other, None, None, "").is_ok());
        assert!(refused(&other, &seen).contains("saw another segment 1"));
        let cut: Vec<&str> = good.lines().take(3).collect();
        assert!(refused(&cut.join("\n"), &seen).contains("its end was cut off"));
        assert!(refused(&export(8), &seen).contains("saw is another trail"));
        assert!(matches!(verdict(&good, None, None, "{}"), Err(Failure::Usage(_))));
    }
}
