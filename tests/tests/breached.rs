//! Passwords that are known from data breaches: refused wherever one is set, asked for by five digits of their hash, and
//! accepted on record where nobody answers.

use anyhow::{Context, Result, ensure};
use devflow_tests::edge::{EMAIL, Edge};
use devflow_tests::house::House;
use devflow_tests::http::{Answer, Client};
use devflow_tests::places::Scratch;
use devflow_tests::plain::Plain;
use devflow_tests::process::free_port;
use devflow_tests::recorder::{Recorded, Recorder, Reply};
use serde_json::json;
use sha1::{Digest as _, Sha1};
use std::fs;
use std::time::{Duration, Instant};

/// Nothing that is guessed first, by the rules that need nobody else.
const KNOWN: &str = "Ferns like it damp";
const OTHER: &str = "Moss prefers the shade";
const REFUSED: &str =
    "known from a data breach, so it is tried early; take another that you use nowhere else";
const NOT_COMPARED: &str = "Set a password that was not compared with those of data breaches:";

/// The hash's first five digits, and the others.
fn digits(password: &str) -> (String, String) {
    let mut all = hex::encode_upper(Sha1::digest(password));
    let rest = all.split_off(5);
    (all, rest)
}

/// An answer of the range API in which the password was seen so often, between lines that were added.
fn seen(password: &str, times: u32) -> Reply {
    let rest = digits(password).1;
    let lines = [
        "0018A45C4D1DEF81644B54AB7F969B88D65:3",
        &format!("{rest}:{times}"),
        "FFF983A91443AE72BD98E59ADAB93B31974:0",
    ];
    Reply::Status(200, vec![], lines.join("\r\n"))
}

fn form(password: &str) -> String {
    format!("password={}", password.replace(' ', "+"))
}

/// What was asked of the service: only the beginning of the password's hash.
fn asked_for(request: &Recorded, password: &str) -> Result<()> {
    let (prefix, rest) = digits(password);
    ensure!(
        request.method == "GET" && request.path == format!("/range/{prefix}") && request.body.is_empty(),
        "{request:?}"
    );
    ensure!(request.header("add-padding") == Some("true"), "{request:?}");
    let whole = format!("{request:?}").to_uppercase();
    ensure!(
        !whole.contains(&rest[..8])
            && !whole.contains(&EMAIL.to_uppercase())
            && request.header("cookie").is_none(),
        "more than the beginning was sent: {request:?}"
    );
    Ok(())
}

fn refused(answer: &Answer) -> Result<()> {
    ensure!(
        answer.status == 422 && answer.text().contains(REFUSED),
        "{} {:.2000}",
        answer.status,
        answer.text()
    );
    Ok(())
}

#[test]
fn password_of_a_breach_is_refused_wherever_one_is_set() -> Result<()> {
    let (scratch, service) = (Scratch::new()?, Recorder::start()?);
    let edge = Edge::start_with(
        scratch.path(),
        &json!({"BREACHED_PASSWORDS": service.url("/range")}),
    )?;
    let set_up = json!({"token": edge.setup_token(), "email": EMAIL, "password": KNOWN});
    let headers = [("content-type", "application/json")];
    service.reply([seen(KNOWN, 42), seen(KNOWN, 1)]);
    let url = format!("{}/api/v1/setup", edge.url());
    refused(&Client::default().send("POST", &url, &headers, Some(set_up.to_string().as_bytes()))?)?;
    let on_page = format!("token={}&email={EMAIL}&{}", edge.setup_token(), form(KNOWN));
    refused(&Plain::new(edge.url()).send("POST", "/set-up", Some(&on_page))?)?;

    // Lines that were added to hide the answer's length count 0.
    service.reply([seen(OTHER, 7)]);
    let (api, password) = edge.set_up()?;
    let invitation = json!({"email": "jane@example.com", "role": "viewer"});
    let made = api.post("/invitations", &invitation, 201)?;
    let token = made["link"].as_str().and_then(|link| link.split("token=").nth(1));
    let join = |password: &str| {
        let fields = format!("token={}&{}", token.context("no link")?, form(password));
        Plain::new(edge.url()).send("POST", "/join", Some(&fields))
    };
    service.reply([seen(KNOWN, 3), seen(OTHER, 0)]);
    refused(&join(KNOWN)?)?;
    let joined = join(OTHER)?;
    ensure!(joined.status == 303, "{}", joined.status);

    let mut owner = Plain::sign_in(edge.url(), EMAIL, &password)?;
    let change = |password: &str| owner.post("/account/password", "/account/password", &form(password));
    service.reply([seen(KNOWN, 1), seen(OTHER, 0)]);
    refused(&change(KNOWN)?)?;
    ensure!(change("password1234")?.status == 422);
    let changed = change(OTHER)?;
    ensure!(changed.status == 303, "{}", changed.status);

    let asked = service.requests();
    let of = [KNOWN, KNOWN, &password, KNOWN, OTHER, KNOWN, OTHER];
    ensure!(
        asked.len() == of.len(),
        "what the rules refuse was asked for: {asked:#?}"
    );
    for (request, password) in asked.iter().zip(of) {
        asked_for(request, password)?;
    }
    owner.keep(&changed)?;
    ensure!(!owner.page("/activity")?.contains(NOT_COMPARED));
    Ok(())
}

#[test]
fn password_is_accepted_where_nobody_answers_and_that_is_on_record() -> Result<()> {
    let service = Recorder::start()?;
    let elsewhere = vec![("location", service.url("/elsewhere"))];
    service.reply([Reply::status(503), Reply::Never]);
    let house = House::build_with(&json!({"BREACHED_PASSWORDS": service.url("/range")}))?;
    let asked = Instant::now();
    house.add("jane@example.com", &json!({"role": "viewer"}))?;
    ensure!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    service.reply([
        Reply::Status(302, elsewhere, String::new()),
        Reply::Status(200, vec![], "<title>Sign in to the network</title>".to_owned()),
    ]);
    let mut owner = house.owner()?;
    for password in [KNOWN, OTHER] {
        let answer = owner.post("/account/password", "/account/password", &form(password))?;
        ensure!(answer.status == 303, "{}", answer.status);
        owner.keep(&answer)?;
    }
    ensure!(service.requests().len() == 4, "{:#?}", service.requests());
    let page = owner.page("/activity?what=user")?;
    ensure!(page.matches(NOT_COMPARED).count() == 4, "{page:.6000}");
    let log = fs::read_to_string(house.edge.log())?;
    for reason in [
        "it answered 503",
        "no answer within 2 s",
        "it answered 302",
        "the answer is no list of hashes",
    ] {
        ensure!(page.contains(reason), "{reason} is not in {page:.6000}");
        ensure!(
            log.contains(&format!("was not compared with those of breaches: {reason}")),
            "{reason}"
        );
    }
    ensure!(!log.contains(KNOWN) && !log.contains(&digits(KNOWN).0));

    // There is no such service at all.
    let scratch = Scratch::new()?;
    let nobody = format!("http://127.0.0.1:{}/range", free_port()?);
    let edge = Edge::start_with(scratch.path(), &json!({"BREACHED_PASSWORDS": nobody}))?;
    let (_, password) = edge.set_up()?;
    let page = Plain::sign_in(edge.url(), EMAIL, &password)?.page("/activity")?;
    ensure!(
        page.contains(NOT_COMPARED) && page.contains("no answer"),
        "{page:.6000}"
    );
    Ok(())
}
