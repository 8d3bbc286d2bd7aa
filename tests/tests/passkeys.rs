//! Passkeys in a real browser with a virtual key: added, used alone, after the password and as a proof, and refused.

use anyhow::{Context, Result, ensure};
use devflow_tests::authenticator::Authenticator;
use devflow_tests::browser::Browser;
use devflow_tests::edge::EMAIL;
use devflow_tests::house::{House, PASSWORD};
use devflow_tests::plain::Plain;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const PASSKEYS: &str = "/account/passkeys";

/// The first step of signing in.
fn give_password(browser: &Browser, house: &House, email: &str, password: &str) -> Result<()> {
    browser.open(&format!("{}/sign-in", house.edge.url()))?;
    browser.fill("#email", email)?;
    browser.fill("#password", password)?;
    browser.click("form[action='/sign-in'] button")
}

/// Signs the owner in with a recovery code, without a browser.
fn recover(house: &House, code: &str) -> Result<Plain> {
    let mut plain = Plain::new(house.edge.url());
    let fields = format!("email={EMAIL}&password={}", house.password);
    let page = plain.send("POST", "/sign-in", Some(&fields))?.text();
    let step = page.split("name=\"step\" value=\"").nth(1);
    let step = step
        .and_then(|rest| rest.split('"').next())
        .context("no second step")?;
    let step = step.replace("&#x2b;", "+").replace('+', "%2B");
    plain.enter("/sign-in/code", &format!("step={step}&code={code}"))?;
    Ok(plain)
}

#[test]
fn passkey_signs_in_alone_and_after_the_password() -> Result<()> {
    let house = House::build_named()?;
    let (browser, elsewhere) = (house.browse()?, house.owner()?);
    let _lock = Authenticator::of_device(&browser)?;
    let codes = browser.add_first_passkey(house.edge.url(), "Laptop")?;
    ensure!(codes.len() == 10, "{codes:?}");
    ensure!(
        elsewhere.send("GET", "/", None)?.status == 303,
        "a session without the factor went on"
    );
    browser.click("main a.button.main")?;
    browser.shows("Where you are signed in", SOON)?;

    browser.sign_out()?;
    browser.click("pass-key button")?;
    browser.shows("Projects", SOON)?;
    browser.open(&format!("{}{PASSKEYS}", house.edge.url()))?;
    browser.shows("Laptop", SOON)?;
    browser.shows("signs you in alone", SOON)?;

    browser.sign_out()?;
    give_password(&browser, &house, EMAIL, &house.password)?;
    browser.shows("And your second factor", SOON)?;
    browser.click("pass-key button")?;
    browser.shows("Projects", SOON)?;

    // A second one is added in a session that goes on, with another token.
    let before = browser.cookie("__Host-devflow")?;
    browser.open(&format!("{}{PASSKEYS}", house.edge.url()))?;
    browser.shows("A new passkey", SOON)?;
    browser.click("pass-key button")?;
    // The key is there already, and the browser says so.
    browser.shows("among your passkeys already", SOON)?;
    let key = Authenticator::to_touch(&browser)?;
    drop(key);
    ensure!(browser.cookie("__Host-devflow")? == before, "nothing was added");
    browser.open(&format!("{}/activity", house.edge.url()))?;
    browser.shows("Added a passkey to", SOON)?;
    browser.shows("Used a passkey of", SOON)?;
    let errors = browser.console()?;
    ensure!(errors.is_empty(), "the console has: {errors:#?}");
    Ok(())
}

#[test]
fn passkey_that_is_chosen_in_the_field_signs_in() -> Result<()> {
    let house = House::build_named()?;
    let browser = house.browse()?;
    let lock = Authenticator::that_is_offered(&browser)?;
    browser.add_first_passkey(house.edge.url(), "Laptop")?;
    browser.click("main a.button.main")?;
    lock.attend(false)?;
    browser.sign_out()?;
    // The offer waits, and takes nothing from who signs in otherwise.
    browser.fill("#email", EMAIL)?;
    browser.fill("#password", "not it at all")?;
    browser.click("form[action='/sign-in'] button")?;
    browser.shows("E-mail address or password are wrong", SOON)?;
    // The button ends it: a browser asks one thing at a time.
    lock.attend(true)?;
    browser.click("pass-key button")?;
    browser.shows("Projects", SOON)?;

    // A virtual key takes what is offered while its person is there.
    lock.attend(false)?;
    browser.sign_out()?;
    lock.attend(true)?;
    browser.open(&format!("{}/sign-in", house.edge.url()))?;
    browser.shows("Projects", SOON)?;
    browser.open(&format!("{}/activity", house.edge.url()))?;
    browser.shows("Used a passkey of", SOON)?;
    let errors = browser.console()?;
    let foreign: Vec<&String> = errors.iter().filter(|error| !error.contains("401")).collect();
    ensure!(foreign.is_empty(), "the console has: {foreign:#?}");
    Ok(())
}

#[test]
fn key_that_is_only_touched_follows_the_password() -> Result<()> {
    let house = House::build_named()?;
    let browser = house.browse()?;
    let key = Authenticator::to_touch(&browser)?;
    let before = browser.cookie("__Host-devflow")?;
    browser.add_first_passkey(house.edge.url(), "Laptop")?;
    ensure!(
        browser.cookie("__Host-devflow")? != before,
        "the session kept its token"
    );
    browser.open(&format!("{}{PASSKEYS}", house.edge.url()))?;
    browser.shows("follows your password · on one device only", SOON)?;
    browser.sign_out()?;
    browser.click("pass-key button")?;
    browser.shows("No passkey was given", SOON)?;
    // Nor is it enough where a page asks for less than ours does.
    let kept = key.kept()?.pop().context("no passkey")?;
    let answer = browser.ask_passkey("/sign-in/passkey/options", &json!({}), Some(kept.id()))?;
    let (status, text) = browser.send("/sign-in/passkey", &answer)?;
    ensure!(
        status == 401 && text.contains("it follows the password only"),
        "{status} {text:.2000}"
    );
    give_password(&browser, &house, EMAIL, &house.password)?;
    browser.shows("And your second factor", SOON)?;
    browser.click("pass-key button")?;
    browser.shows("Projects", SOON)?;
    Ok(())
}

#[test]
fn passkey_of_another_account_or_one_taken_away_opens_nothing() -> Result<()> {
    let house = House::build_named()?;
    house.add("jane@example.com", &json!({"role": "viewer"}))?;
    let browser = Browser::start()?;
    browser.sign_in(house.edge.url(), "jane@example.com", PASSWORD)?;
    let lock = Authenticator::of_device(&browser)?;
    browser.add_first_passkey(house.edge.url(), "Laptop")?;
    let hers = lock.kept()?.pop().context("no passkey")?;
    browser.sign_out()?;
    browser.sign_in(house.edge.url(), EMAIL, &house.password)?;
    let codes = browser.add_first_passkey(house.edge.url(), "Laptop")?;
    browser.sign_out()?;

    // Jane's key after the owner's password.
    let (_, page) = browser.send("/sign-in", &json!({"email": EMAIL, "password": house.password}))?;
    let step = page.split("name=\"step\" value=\"").nth(1);
    let step = step
        .and_then(|rest| rest.split('"').next())
        .context("no second step")?;
    let step = step.replace("&#x2b;", "+");
    let fields = json!({ "step": step });
    let answer = browser.ask_passkey("/sign-in/passkey/options", &fields, Some(hers.id()))?;
    let (status, text) = browser.send("/sign-in/passkey", &answer)?;
    ensure!(
        status == 401 && text.contains("it belongs to another account"),
        "{status} {text:.2000}"
    );

    // The owner's own, once it was taken away.
    lock.forget(&hers)?;
    browser.open(&format!("{}/sign-in", house.edge.url()))?;
    browser.click("pass-key button")?;
    browser.shows("Projects", SOON)?;
    browser.open(&format!("{}{PASSKEYS}", house.edge.url()))?;
    browser.click("main .keys details:last-of-type summary")?;
    browser.click("form[action$='/remove'] button")?;
    browser.shows("signs nobody in any more", SOON)?;
    browser.shows("No passkey yet", SOON)?;
    browser.sign_out()?;
    browser.click("pass-key button")?;
    browser.shows("it is not known here, or was taken away", SOON)?;
    // With the last factor its recovery codes went.
    let owner = house.owner()?;
    ensure!(
        !owner
            .page("/account/second-factor")?
            .contains("recovery codes are left")
    );
    ensure!(
        owner
            .post("/prove", "/prove", &format!("code={}", codes[0]))?
            .status
            == 401
    );
    let activity = owner.page("/activity")?;
    ensure!(
        activity.contains("Gave a passkey that was refused for")
            && activity.contains("somebody who is not known")
            && activity.contains("Took away a passkey of"),
        "{activity:.6000}"
    );
    Ok(())
}

#[test]
fn answer_of_a_passkey_opens_once_and_only_what_it_was_asked_for() -> Result<()> {
    let house = House::build_named()?;
    let browser = house.browse()?;
    let _lock = Authenticator::of_device(&browser)?;
    browser.add_first_passkey(house.edge.url(), "Laptop")?;
    let csrf = browser.csrf()?;
    let proof = browser.ask_passkey("/prove/passkey/options", &json!({"csrf": csrf}), None)?;
    browser.click("main a.button.main")?;
    browser.sign_out()?;
    let send = |fields: &Value| browser.send("/sign-in/passkey", fields);

    // The proof of a session signs nobody in.
    let (status, text) = send(&proof)?;
    ensure!(
        status == 401 && text.contains("sign in again"),
        "{status} {text:.2000}"
    );
    // Nobody makes out a challenge but the edge.
    let mut forged = proof.clone();
    forged["state"] = json!("00000000.AAAA");
    let (status, text) = send(&forged)?;
    ensure!(
        status == 401 && text.contains("try again"),
        "{status} {text:.2000}"
    );
    let (status, text) = send(&json!({"state": proof["state"], "credential": "{}"}))?;
    ensure!(
        status == 401 && text.contains("sign in again"),
        "{status} {text:.2000}"
    );

    let answer = browser.ask_passkey("/sign-in/passkey/options", &json!({}), None)?;
    // It was asked for in this browser.
    let fields: String = ["state", "credential"]
        .map(|name| {
            let value = answer[name].as_str().unwrap_or_default();
            let bytes = value.bytes().map(|byte| format!("%{byte:02X}"));
            format!("{name}={}", bytes.collect::<String>())
        })
        .join("&");
    let stolen = Plain::new(house.edge.url()).send("POST", "/sign-in/passkey", Some(&fields))?;
    ensure!(
        stolen.status == 401 && stolen.text().contains("asked for in another browser"),
        "{} {:.2000}",
        stolen.status,
        stolen.text()
    );
    assert_eq!(send(&answer)?.0, 0, "the first time it signs in");
    let (status, text) = send(&answer)?;
    ensure!(status == 401, "{status} {text:.2000}");
    ensure!(
        text.contains("there may be a copy of the key") || text.contains("it was taken before"),
        "{text:.2000}"
    );
    Ok(())
}

#[test]
fn count_that_goes_back_is_refused_and_on_record() -> Result<()> {
    let house = House::build_named()?;
    let browser = house.browse()?;
    let lock = Authenticator::of_device(&browser)?;
    let codes = browser.add_first_passkey(house.edge.url(), "Laptop")?;
    let copy = lock.kept()?.pop().context("no passkey")?;
    browser.click("main a.button.main")?;
    for _ in 0..3 {
        browser.sign_out()?;
        browser.click("pass-key button")?;
        browser.shows("Projects", SOON)?;
    }
    lock.forget(&copy)?;
    lock.put(&copy.with_count(1))?;
    browser.sign_out()?;
    browser.click("pass-key button")?;
    browser.shows("there may be a copy of the key", SOON)?;
    let activity = recover(&house, &codes[0])?.page("/activity")?;
    ensure!(
        activity.contains("Gave a passkey that was refused for")
            && activity.contains("there may be a copy of the key"),
        "{activity:.6000}"
    );
    Ok(())
}
