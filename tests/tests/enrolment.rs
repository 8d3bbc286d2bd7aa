//! A server's enrolment at the edge: what is signed with the one-time token counts, once, and the token is nowhere.

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use devflow_protocol::enrol::{EnrolClaims, EnrolRequest, EnrolToken};
use devflow_protocol::runner_api::{ENROL, ServerFacts};
use devflow_tests::api::Api;
use devflow_tests::edge::Edge;
use devflow_tests::http::Client;
use devflow_tests::places::Scratch;
use devflow_tests::runner::Runner;
use devflow_tests::tls::{Authority, Door};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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

/// Tries to enrol this machine, with all its files in `folder`. `pinned` is the `ca_file`; `system` takes the place of the
/// machine's own authorities.
fn try_at(url: &str, folder: &Path, pinned: Option<&Path>, system: Option<&Path>) -> Result<Output> {
    let at = folder.display();
    let pin = pinned.map(|file| format!("ca_file = \"{}\"\n", file.display()));
    let config = format!(
        "{}state_dir = \"{at}/state\"\nprojects_dir = \"{at}/p\"\n",
        pin.unwrap_or_default()
    );
    fs::write(folder.join("runner.toml"), config)?;
    let mut command = Command::new(Runner::program()?);
    command
        .args(["enrol", "--edge", url, "--config"])
        .arg(folder.join("runner.toml"))
        .arg("--fingerprint")
        .arg(fs::read_to_string(folder.join("fingerprint"))?)
        .arg("--token-file")
        .arg(folder.join("token"))
        .env("NO_PROXY", "localhost,127.0.0.1")
        .env_remove("SSL_CERT_DIR")
        .env_remove("SSL_CERT_FILE");
    command.envs(system.map(|file| ("SSL_CERT_FILE", file)));
    command.output().context("cannot run host-runner")
}

/// Adds a server; gives its id, and the folder of a machine that is to be enrolled as it.
fn machine(api: &Api, scratch: &Scratch, name: &str) -> Result<(String, PathBuf)> {
    let (id, enrolment) = api.add_server(name)?;
    let folder = scratch.path().join(name);
    fs::create_dir(&folder)?;
    for part in ["token", "fingerprint"] {
        fs::write(
            folder.join(part),
            enrolment[part].as_str().context("a part is missing")?,
        )?;
    }
    Ok((id, folder))
}

#[test]
fn enrolment_tells_nothing_to_whoever_has_no_certificate_that_is_believed() -> Result<()> {
    let scratch = Scratch::new()?;
    let edge = Edge::start(&scratch.path().join("e"))?;
    let (api, _) = edge.set_up()?;
    let authority = Authority::new(&scratch.path().join("authority.pem"))?;
    let other = Authority::new(&scratch.path().join("other.pem"))?;
    let pass = format!("proxy_pass {};", edge.url());
    let door = Door::open(&scratch.path().join("door"), &authority, &pass)?;
    let (ours, theirs) = (Some(authority.file()), Some(other.file()));

    let (server, folder) = machine(&api, &scratch, "web-1")?;
    let identity = folder.join("state/identity.json");
    let cases = [
        ("the system's authorities", door.url(), None, None),
        ("another authority", door.url(), theirs, None),
        (
            "a pinned one beside the system's that vouches",
            door.url(),
            theirs,
            ours,
        ),
        ("a certificate for another name", door.unnamed(), ours, None),
    ];
    for (case, url, pinned, system) in cases {
        let done = try_at(&url, &folder, pinned, system)?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(
            done.status.code() == Some(1)
                && said.contains("the edge's certificate is not accepted: invalid peer certificate")
                && said.contains("if it is from an authority of your own, name that in `ca_file`"),
            "{case}: {done:?}"
        );
        ensure!(!identity.exists(), "{case}");
    }
    let done = try_at(&door.url(), &folder, Some(&folder.join("token")), None)?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(said.contains("there is no certificate in it"), "{done:?}");

    // Nothing of the token was given away so far: it still counts.
    assert_eq!(facts(&api, &server)?, Value::Null);
    let done = try_at(&door.url(), &folder, ours, None)?;
    ensure!(done.status.success() && identity.exists(), "{done:?}");
    ensure!(facts(&api, &server)?.is_object(), "the edge knows nothing of it");

    // Where nothing is pinned, what the system believes counts.
    let (_, folder) = machine(&api, &scratch, "web-2")?;
    let done = try_at(&door.url(), &folder, None, ours)?;
    ensure!(done.status.success(), "{done:?}");
    Ok(())
}
