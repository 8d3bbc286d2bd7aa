//! A server's enrolment at the edge: what is signed with the one-time token counts, once, and the token is nowhere.

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use devflow_protocol::enrol::{EnrolClaims, EnrolRequest, EnrolToken};
use devflow_protocol::runner_api::{ENROL, ServerFacts};
use devflow_tests::api::Api;
use devflow_tests::edge::Edge;
use devflow_tests::http::Client;
use devflow_tests::places::Scratch;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

/// A machine that wants to enrol at the edge with that fingerprint.
fn claims(hostname: &str, fingerprint: &str) -> EnrolClaims {
    EnrolClaims {
        audience: fingerprint.to_owned(),
        signing_key: BASE64_STANDARD.encode([1; 32]),
        sealing_key: BASE64_STANDARD.encode([2; 32]),
        facts: ServerFacts {
            hostname: hostname.to_owned(),
            ..ServerFacts::default()
        },
    }
}

/// Sends an enrolment; gives the status and the code of a refusal.
fn send(edge: &Edge, request: &EnrolRequest) -> Result<(u16, String)> {
    let answer = Client::default().send(
        "POST",
        &format!("{}{ENROL}", edge.url()),
        &[("content-type", "application/json")],
        Some(&serde_json::to_vec(request)?),
    )?;
    let code = answer.json()?["code"].as_str().unwrap_or_default().to_owned();
    Ok((answer.status, code))
}

fn refused(code: &str) -> (u16, String) {
    (401, code.to_owned())
}

/// The names of files below `folder` that hold `text`.
fn files_with(folder: &Path, text: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(files_with(&path, text)?);
        } else if fs::read(&path)?
            .windows(text.len())
            .any(|part| part == text.as_bytes())
        {
            found.push(path.display().to_string());
        }
    }
    Ok(found)
}

fn facts(api: &Api, server: &str) -> Result<Value> {
    Ok(api.get(&format!("/servers/{server}"))?["facts"].clone())
}

#[test]
fn enrolment_counts_once_and_only_as_its_token_signed_it() -> Result<()> {
    let scratch = Scratch::new()?;
    let edge = Edge::start(scratch.path())?;
    let (api, _) = edge.set_up()?;
    let (server, enrolment) = api.add_server("web-1")?;
    let part = |name: &str| {
        enrolment[name]
            .as_str()
            .context("a part of the enrolment is missing")
    };
    let (text, fingerprint) = (part("token")?, part("fingerprint")?);
    ensure!(
        part("command")?.contains(text),
        "the command holds no token: {enrolment}"
    );
    let token: EnrolToken = text.parse()?;
    let sign = |claims: &EnrolClaims, token: &EnrolToken| EnrolRequest::sign(claims, token);

    // Somebody who saw the request, or guesses, has nothing that signs.
    let signed = sign(&claims("web-1", fingerprint), &token)?;
    let mut own = sign(&claims("thief", fingerprint), &EnrolToken::from_seed([9; 32]))?;
    assert_eq!(send(&edge, &own)?, refused("wrong_token"));
    own.token_key.clone_from(&signed.token_key);
    assert_eq!(send(&edge, &own)?, refused("bad_signature"));
    own.claims.signatures.clone_from(&signed.claims.signatures);
    assert_eq!(send(&edge, &own)?, refused("bad_signature"));
    let elsewhere = sign(&claims("web-1", &format!("sha256:{}", "0".repeat(64))), &token)?;
    assert_eq!(send(&edge, &elsewhere)?, refused("bad_signature"));
    assert_eq!(facts(&api, &server)?, Value::Null);

    // The right one counts, once: not when it comes again, nor with other keys.
    assert_eq!(send(&edge, &signed)?, (200, String::new()));
    assert_eq!(send(&edge, &signed)?, refused("wrong_token"));
    let other = sign(&claims("thief", fingerprint), &token)?;
    assert_eq!(send(&edge, &other)?, refused("wrong_token"));
    assert_eq!(facts(&api, &server)?["hostname"], json!("web-1"));

    // A newer token ends the one before.
    let renew = || api.post(&format!("/servers/{server}/enrolment"), &json!({}), 201);
    let older: EnrolToken = renew()?["enrolment"]["token"]
        .as_str()
        .context("no token")?
        .parse()?;
    renew()?;
    let late = sign(&claims("late", fingerprint), &older)?;
    assert_eq!(send(&edge, &late)?, refused("wrong_token"));

    // What the edge keeps is what it compares with, and nothing that signs.
    let kept = files_with(scratch.path(), &token.fingerprint())?;
    ensure!(!kept.is_empty(), "the public half is nowhere");
    assert_eq!(files_with(scratch.path(), &text[4..])?, Vec::<String>::new());
    Ok(())
}
