//! Passkeys and the rules: what asks for one again, who must have one, and who changes that by the API.

use anyhow::{Context, Result, ensure};
use devflow_tests::authenticator::Authenticator;
use devflow_tests::browser::Browser;
use devflow_tests::conditional::edit_twice;
use devflow_tests::house::{House, PASSWORD};
use devflow_tests::session::Session;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const PASSKEYS: &str = "/account/passkeys";

#[test]
fn dangerous_actions_ask_for_the_passkey_and_a_password_is_not_enough() -> Result<()> {
    let mut house = House::build_named()?;
    let browser = house.browse()?;
    let _lock = Authenticator::of_device(&browser)?;
    browser.add_first_passkey(house.edge.url(), "Laptop")?;
    let url = house.edge.url().to_owned();
    browser.open(&format!("{url}/people/new"))?;
    browser.shows("Invite somebody", SOON)?;

    house.forget_proofs()?;
    browser.open(&format!("{url}/people/new"))?;
    browser.shows("Say again who you are", SOON)?;
    let passwords = browser.script(
        "return document.querySelectorAll('input[type=password]').length",
        &json!([]),
    )?;
    assert_eq!(passwords, 0, "the page asks for a password");
    let csrf = browser.csrf()?;
    let fields = json!({"csrf": csrf, "password": house.password, "next": "/people/new"});
    let (status, text) = browser.send("/prove", &json!(fields))?;
    ensure!(
        status == 401 && text.contains("a password is not enough"),
        "{status} {text:.2000}"
    );
    let (status, text) = browser.send("/account/passkeys/options", &json!({"csrf": csrf}))?;
    ensure!(
        status == 403 && text.contains("proof_needed"),
        "{status} {text:.2000}"
    );
    let body = json!({"name": "Mine"});
    let path = "/passkeys/psk_01h2e8kqvbfwea724h75qc655w";
    let (status, text) = browser.api("PATCH", path, Some(&csrf), &body)?;
    ensure!(
        status == 403 && text.contains("proof_needed"),
        "{status} {text:.2000}"
    );
    let before = browser.cookie("__Host-devflow")?;
    browser.click("pass-key button")?;
    browser.shows("Invite somebody", SOON)?;
    ensure!(
        browser.cookie("__Host-devflow")? != before,
        "the session kept its token"
    );
    browser.open(&format!("{url}/activity"))?;
    browser.shows("Said again who they are", SOON)?;
    Ok(())
}

#[test]
fn factor_that_all_must_have_may_be_a_passkey_and_the_last_one_stays() -> Result<()> {
    let house = House::build_named()?;
    let (_, jane) = house.add("jane@example.com", &json!({"role": "viewer"}))?;
    let require = |required: bool| {
        house.api.call(
            "PATCH",
            "/security",
            Some(&json!({"second_factor_required": required})),
        )
    };
    let refused = require(true)?;
    assert_eq!(refused.expect(409)?["code"], "no_factor");
    let browser = house.browse()?;
    let lock = Authenticator::of_device(&browser)?;
    browser.add_first_passkey(house.edge.url(), "Laptop")?;
    assert_eq!(require(true)?.expect(200)?["second_factor_required"], true);
    assert_eq!(house.api.get("/security")?["second_factor_required"], true);
    browser.open(&format!("{}{PASSKEYS}", house.edge.url()))?;
    browser.click("main .keys details:last-of-type summary")?;
    browser.click("form[action$='/remove'] button")?;
    browser.shows("this is your only one: add another first", SOON)?;
    browser.shows("Laptop", SOON)?;
    lock.unplug()?;

    let hers = Browser::start()?;
    hers.open(&format!("{}/sign-in", house.edge.url()))?;
    hers.fill("#email", "jane@example.com")?;
    hers.fill("#password", PASSWORD)?;
    hers.click("form[action='/sign-in'] button")?;
    hers.shows("Everybody here must have a second factor", SOON)?;
    let her_lock = Authenticator::of_device(&hers)?;
    hers.add_first_passkey(house.edge.url(), "Laptop")?;
    hers.open(&format!("{}/", house.edge.url()))?;
    hers.shows("Projects", SOON)?;
    let person = format!("/people/{jane}");
    assert_eq!(house.api.get(&person)?["second_factor"], true);

    // She lost it: the owner takes her factors away, and what she finds again opens nothing.
    let dropped = house
        .api
        .call("PATCH", &person, Some(&json!({"drop_second_factor": true})))?;
    assert_eq!(dropped.expect(200)?["second_factor"], false);
    hers.sign_out()?;
    ensure!(her_lock.kept()?.len() == 1);
    hers.click("pass-key button")?;
    hers.shows("it is not known here, or was taken away", SOON)?;
    browser.open(&format!("{}/activity", house.edge.url()))?;
    browser.shows("Took away the second factor of", SOON)?;
    Ok(())
}

#[test]
fn passkeys_and_the_rule_for_all_are_changed_by_the_api_by_who_may() -> Result<()> {
    let house = House::build_named()?;
    let browser = house.browse()?;
    let _lock = Authenticator::of_device(&browser)?;
    browser.add_first_passkey(house.edge.url(), "Laptop")?;
    let csrf = browser.csrf()?;
    let call = |method: &str, path: &str, body: Value| {
        let (status, text) = browser.api(method, path, Some(&csrf), &body)?;
        let answer: Value = serde_json::from_str(&text).unwrap_or_default();
        Ok::<_, anyhow::Error>((status, answer))
    };
    let (status, list) = call("GET", "/passkeys", Value::Null)?;
    ensure!(
        status == 200 && list["items"].as_array().is_some_and(|items| items.len() == 1),
        "{list}"
    );
    assert_eq!(
        (&list["items"][0]["name"], &list["items"][0]["signs_in_alone"]),
        (&json!("Laptop"), &json!(true))
    );
    let path = format!("/passkeys/{}", list["items"][0]["id"].as_str().context("no id")?);
    for (body, expected) in [
        (json!({"name": "Phone"}), 200),
        (json!({"name": " "}), 422),
        (json!({"name": "x".repeat(61)}), 422),
        (json!({"name": "Phone", "verified": true}), 422),
    ] {
        let (status, answer) = call("PATCH", &path, body)?;
        assert_eq!(status, expected, "{answer}");
    }

    // Nobody changes the passkey of somebody else, and no key any.
    house.add("jane@example.com", &json!({"role": "admin"}))?;
    house.add("joe@example.com", &json!({"role": "viewer"}))?;
    let jane = Session::sign_in(house.edge.url(), "jane@example.com", PASSWORD)?;
    let joe = Session::sign_in(house.edge.url(), "joe@example.com", PASSWORD)?;
    assert_eq!(
        jane.call("GET", "/passkeys", None)?.expect(200)?["items"],
        json!([])
    );
    let name = json!({"name": "Mine"});
    jane.call("PATCH", &path, Some(&name))?.expect(404)?;
    jane.call("DELETE", &path, None)?.expect(404)?;
    house.api.call("GET", "/passkeys", None)?.expect(403)?;
    house.api.call("DELETE", &path, None)?.expect(403)?;

    // The rule for all is an owner's.
    let rule = json!({"second_factor_required": true});
    jane.call("GET", "/security", None)?.expect(200)?;
    jane.call("PATCH", "/security", Some(&rule))?.expect(403)?;
    joe.call("GET", "/security", None)?.expect(403)?;
    joe.call("PATCH", "/security", Some(&rule))?.expect(403)?;
    assert_eq!(house.api.get("/security")?["second_factor_required"], false);
    house
        .api
        .call("PATCH", "/security", Some(&json!({"x": 1})))?
        .expect(422)?;

    let (status, _) = browser.api("DELETE", &path, None, &Value::Null)?;
    assert_eq!(status, 403, "a session was enough without its token");
    assert_eq!(call("DELETE", &path, Value::Null)?.0, 204);
    assert_eq!(call("DELETE", &path, Value::Null)?.0, 404);
    browser.open(&format!("{}/activity", house.edge.url()))?;
    browser.shows("Renamed a passkey of", SOON)?;
    browser.shows("Took away a passkey of", SOON)?;
    Ok(())
}

#[test]
fn name_of_a_passkey_and_the_rule_for_all_are_changed_on_the_version_that_was_seen() -> Result<()> {
    let house = House::build_named()?;
    let browser = house.browse()?;
    let _lock = Authenticator::of_device(&browser)?;
    browser.add_first_passkey(house.edge.url(), "Laptop")?;
    let here = Session::of(&browser, house.edge.url())?;
    let list = here.call("GET", "/passkeys", None)?.expect(200)?;
    let passkey = format!("/passkeys/{}", list["items"][0]["id"].as_str().context("no id")?);
    let shown = here.call("GET", &passkey, None)?.expect(200)?;
    assert_eq!(shown, list["items"][0]);
    let rule = |required: bool| json!({"second_factor_required": required});
    for (path, first, second) in [
        (
            passkey.as_str(),
            json!({"name": "Phone"}),
            json!({"name": "Tablet"}),
        ),
        ("/security", rule(true), rule(false)),
    ] {
        edit_twice(path, (&first, &second), |method, headers, body| {
            here.call_with(method, path, headers, body)
        })?;
    }
    assert_eq!(here.call("GET", &passkey, None)?.expect(200)?["name"], "Tablet");
    assert_eq!(house.api.get("/security")?["second_factor_required"], false);
    Ok(())
}
