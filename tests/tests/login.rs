//! `devflow login` by a browser: a short code, compared by a person, gives the terminal a key once.

use anyhow::{Context, Result, ensure};
use devflow_tests::browser::Browser;
use devflow_tests::cli::Cli;
use devflow_tests::edge::EMAIL;
use devflow_tests::house::House;
use devflow_tests::http::{Answer, Client};
use devflow_tests::places::Scratch;
use serde_json::{Value, json};
use std::fs;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

/// What a device asks; any status is an answer.
fn ask(house: &House, path: &str, body: &Value) -> Result<Answer> {
    let url = format!("{}/api/v1{path}", house.edge.url());
    let bytes = body.to_string().into_bytes();
    let headers = [("content-type", "application/json")];
    Client::default().send("POST", &url, &headers, Some(&bytes))
}

fn text<'v>(value: &'v Value, name: &str) -> Result<&'v str> {
    value[name]
        .as_str()
        .with_context(|| format!("no {name} in {value}"))
}

fn problem(answer: &Answer, status: u16, code: &str) -> Result<()> {
    let body = answer.expect(status)?;
    ensure!(body["code"] == code, "expected {code}: {body}");
    Ok(())
}

#[test]
fn terminal_is_let_in_by_a_browser_and_logging_out_ends_its_key() -> Result<()> {
    let house = House::build()?;
    let scratch = Scratch::new()?;
    let cli = Cli::new(&scratch.path().join("home"), scratch.path());
    let mut login = cli.start(&["login", house.edge.url(), "--browser", "--no-open"])?;
    let page = login.says("/device")?;
    let code = login.says("Code: ")?.replace("Code: ", "");

    // The page asks who is there first, then for the code.
    let browser = Browser::start()?;
    browser.open(page.trim())?;
    browser.shows("Sign in", SOON)?;
    browser.fill("#email", EMAIL)?;
    browser.fill("#password", &house.password)?;
    browser.click("form button")?;
    browser.shows("Let a device log in", SOON)?;
    browser.fill("#code", &code.trim().to_lowercase())?;
    browser.click("form button")?;
    browser.shows("Let this device log in?", SOON)?;
    let seen = browser.text()?;
    for part in [code.trim(), "devflow", EMAIL, "do all that you may", "90 days"] {
        ensure!(seen.contains(part), "no {part} in:\n{seen}");
    }
    browser.click("form button.main")?;
    browser.shows("is let in", SOON)?;
    let ran = login.end()?;
    ensure!(ran.code == 0 && ran.err.contains("scope admin"), "{ran:?}");

    ensure!(cli.run(&["projects"])?.expect(0)?.contains("flowers"));
    let kept: Value = serde_json::from_slice(&fs::read(cli.login_file())?)?;
    let key = text(&kept["keys"], house.edge.url())?.to_owned();
    ensure!(
        !ran.out.contains(&key) && !ran.err.contains(&key),
        "the key was shown"
    );
    let owner = house.owner()?;
    ensure!(owner.page("/keys")?.contains("devflow"), "the key is not listed");
    ensure!(
        owner
            .page("/activity?what=key")?
            .contains("Let a device log in with an API key")
    );

    let out = cli.run(&["logout"])?;
    ensure!(out.code == 0 && out.err.contains("the key has ended"), "{out:?}");
    let gone = house.api.with_key(&key).call("GET", "/key", None)?;
    problem(&gone, 401, "wrong_key")?;
    ensure!(cli.run(&["projects"])?.code == 2);
    ensure!(owner.page("/activity?what=key")?.contains("Logged a device out"));
    let errors = browser.console()?;
    ensure!(errors.is_empty(), "the console has: {errors:#?}");
    Ok(())
}

#[test]
fn login_is_refused_by_hand_and_by_missing_rights_and_gives_its_key_once() -> Result<()> {
    let house = House::build()?;
    let owner = house.owner()?;
    let (jane, _) = house.add("jane@example.com", &json!({"role": "viewer"}))?;
    let begin = |scope: Option<&str>| -> Result<(String, String)> {
        let begun = ask(&house, "/logins", &json!({"name": "laptop", "scope": scope}))?.expect(201)?;
        ensure!(begun["expires_in"] == 600 && begun["interval"] == 5, "{begun}");
        Ok((
            text(&begun, "device_code")?.to_owned(),
            text(&begun, "user_code")?.to_owned(),
        ))
    };
    let collect = |device: &str| ask(&house, "/logins/token", &json!({"device_code": device}));

    // Nobody answered; asking again at once is too early.
    let (device, code) = begin(Some("deploy"))?;
    problem(&collect(&device)?, 400, "authorization_pending")?;
    problem(&collect(&device)?, 400, "slow_down")?;
    problem(&collect("nobody's")?, 400, "expired_token")?;

    // A viewer cannot give what the device asks for, whatever the form says.
    let shown = jane.page(&format!("/device?code={code}"))?;
    ensure!(shown.contains("more than your role covers") && !shown.contains("Let it in"));
    for scope in ["deploy", "read", "admin"] {
        let fields = format!("code={code}&answer=allow&scope={scope}&days=90");
        let answer = jane.post(&format!("/device?code={code}"), "/device", &fields)?;
        ensure!(
            answer.status == 403 && answer.text().contains("not_enough_rights"),
            "{scope}"
        );
    }
    // The owner can, and no more than was asked for.
    let allow = |scope: &str| {
        let fields = format!("code={code}&answer=allow&scope={scope}&days=7");
        owner.post(&format!("/device?code={code}"), "/device", &fields)
    };
    ensure!(allow("admin")?.status == 403);
    ensure!(allow("deploy")?.text().contains("is let in"));
    let page = owner.send("GET", &format!("/device?code={code}"), None)?;
    ensure!(page.status == 404, "an answered login is shown again");
    let key = collect(&device)?.expect(200)?;
    problem(&collect(&device)?, 400, "expired_token")?;
    let key = house.api.with_key(text(&key, "token")?).get("/key")?;
    ensure!(key["scope"] == "deploy" && key["name"] == "laptop", "{key}");

    // A viewer who is asked for nothing in particular gives what they have.
    let (device, code) = begin(None)?;
    let fields = format!("code={code}&answer=allow&scope=read&days=7");
    let answer = jane.post(&format!("/device?code={code}"), "/device", &fields)?;
    ensure!(answer.status == 200, "{}", answer.text());
    collect(&device)?.expect(200)?;

    // Said no to.
    let (device, code) = begin(None)?;
    let refused = owner.post(
        &format!("/device?code={code}"),
        "/device",
        &format!("code={code}&answer=refuse"),
    )?;
    ensure!(refused.text().contains("is refused"));
    problem(&collect(&device)?, 400, "access_denied")?;
    ensure!(
        owner
            .page("/activity?what=key")?
            .contains("Refused a device that wanted to log in")
    );

    // Nothing without a session, or from another site's form.
    let (_, code) = begin(None)?;
    let fields = format!("code={code}&answer=allow&scope=read&days=7");
    ensure!(
        owner.send("POST", "/device", Some(&fields))?.status == 403,
        "no token was needed"
    );
    ensure!(
        devflow_tests::plain::Plain::new(house.edge.url())
            .send("POST", "/device", Some(&fields))?
            .status
            == 303
    );

    // One network has five logins waiting, and bad names and scopes are told.
    for _ in 0..4 {
        begin(None)?;
    }
    problem(
        &ask(&house, "/logins", &json!({"name": "laptop"}))?,
        429,
        "rate_limited",
    )?;
    problem(&ask(&house, "/logins", &json!({"name": ""}))?, 422, "invalid")?;
    problem(
        &ask(&house, "/logins", &json!({"name": "a", "scope": "root"}))?,
        422,
        "invalid",
    )?;
    Ok(())
}
