//! `audit`: an export of the trail, and its proof without the installation.

use super::Session;
use crate::edge::decode;
use crate::failure::Failure;
use crate::out::Out;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use devflow_protocol::audit::{Line, Report, verify as prove};
use devflow_protocol::dsse::fingerprint;
use ed25519_dalek::VerifyingKey;
use serde::Deserialize;
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::Path;

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

/// The key that an export says it is signed with.
fn key_of(text: &str) -> Option<VerifyingKey> {
    let head: Line = serde_json::from_str(text.lines().next()?).ok()?;
    let Line::Head { key, .. } = head else {
        return None;
    };
    let bytes: [u8; 32] = STANDARD.decode(key).ok()?.try_into().ok()?;
    VerifyingKey::from_bytes(&bytes).ok()
}

/// Proves an export, with the fingerprint and the head that are known from elsewhere.
fn verdict(text: &str, known: Option<&str>, head: Option<&str>) -> Result<(Report, String), Failure> {
    let key = key_of(text).ok_or_else(|| {
        Failure::Usage("the file does not begin as an export of the audit trail does".to_owned())
    })?;
    let print = fingerprint(&key);
    if known.is_some_and(|known| known != print) {
        return Err(Failure::Tampered(format!(
            "it is signed with another key: {print}"
        )));
    }
    let report = prove(text.lines(), &key, head).map_err(|error| Failure::Tampered(error.to_string()))?;
    Ok((report, print))
}

/// Says whether an export is whole and as it was sealed.
pub(super) fn verify(
    file: &Path,
    known: Option<&str>,
    head: Option<&str>,
    as_json: bool,
) -> Result<(), Failure> {
    let (report, print) = verdict(&read(file)?, known, head)?;
    let mut out = Out::new();
    if as_json {
        let mut shown = json!(report);
        shown["fingerprint"] = json!(print);
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
    if known.is_none() {
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
    use devflow_protocol::UnixMillis;
    use devflow_protocol::audit::{Row, seal};
    use ed25519_dalek::SigningKey;

    /// Two rows, sealed by the key of `seed`.
    fn export(seed: u8) -> String {
        let key = SigningKey::from_bytes(&[seed; 32]);
        let row = |id| Row {
            id,
            at: UnixMillis(1),
            actor: "usr_1".to_owned(),
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
            key: STANDARD.encode(key.verifying_key().as_bytes()),
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
        let (report, print) = verdict(&good, None, None).unwrap();
        assert_eq!(report.sealed_rows, 2);
        assert!(verdict(&good, Some(&print), report.head.as_deref()).is_ok());
        let tampered = |result: Result<_, Failure>| matches!(result, Err(Failure::Tampered(_)));
        assert!(tampered(verdict(&good.replacen("usr_1", "usr_2", 1), None, None)));
        assert!(tampered(verdict(&good, None, Some("another head"))));
        // Made anew with another key: whole in itself, and told apart by the fingerprint alone.
        assert!(tampered(verdict(&export(8), Some(&print), None)));
        assert!(matches!(verdict("PK", None, None), Err(Failure::Usage(_))));
    }
}
