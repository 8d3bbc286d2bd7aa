//! One's own account: sessions, password, second factor, and failures of strangers.

use anyhow::{Context, Result, ensure};
use devflow_tests::edge::EMAIL;
use devflow_tests::house::House;
use devflow_tests::plain::Plain;
use devflow_tests::totp::App;
use serde_json::json;
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);

#[test]
fn sessions_are_listed_and_one_ended_elsewhere_is_out_at_once() -> Result<()> {
    let house = House::build()?;
    let here = house.owner()?;
    let there = house.browse()?;
    there.open(&format!("{}/account", house.edge.url()))?;
    there.shows("Chrome on Linux · this browser", SOON)?;
    let page = here.page("/account")?;
    ensure!(
        page.contains("Chrome on Linux") && page.contains("this browser"),
        "{page:.4000}"
    );
    let revoke = page
        .split("action=\"/account/sessions/lgn_")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .context("no session to end")?;
    there.open(&format!("{}/", house.edge.url()))?;
    let page = here.submit("/account", &format!("/account/sessions/lgn_{revoke}"), "")?;
    ensure!(page.contains("The session has ended.") && !page.contains("Chrome on Linux"));
    there.open(&format!("{}/account", house.edge.url()))?;
    there.shows("Sign in", SOON)?;

    // Nobody ends the session of somebody else.
    let (jane, _) = house.add("jane@example.com", &json!({"role": "viewer"}))?;
    ensure!(
        jane.post("/account", &format!("/account/sessions/lgn_{revoke}"), "")?
            .status
            == 404
    );
    let mine = here.page("/account")?;
    let mine = mine
        .split("<li id=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next())
        .context("no session")?;
    ensure!(
        jane.post("/account", &format!("/account/sessions/{mine}/revoke"), "")?
            .status
            == 404
    );
    here.page("/account")?;
    Ok(())
}

#[test]
fn password_changed_ends_other_sessions_and_renews_this_one() -> Result<()> {
    let house = House::build()?;
    let (mut here, before, other) = (house.owner()?, house.owner()?, house.owner()?);
    let old = here.clone();
    let answer = here.post("/account", "/account/password", "password=password1234")?;
    ensure!(answer.status == 422 && answer.text().contains("first that are guessed"));
    let answer = here.post(
        "/account/password",
        "/account/password",
        "password=Ferns+like+it+damp",
    )?;
    ensure!(answer.status == 303, "{}", answer.status);
    here.keep(&answer)?;
    ensure!(here.page("/account")?.contains("Your account"));
    for gone in [&before, &other, &old] {
        ensure!(gone.send("GET", "/account", None)?.status == 303);
    }
    let fields = |password: &str| format!("email={EMAIL}&password={password}");
    let try_with =
        |password: &str| Plain::new(house.edge.url()).send("POST", "/sign-in", Some(&fields(password)));
    ensure!(try_with(&house.password)?.status == 401);
    ensure!(try_with("Ferns+like+it+damp")?.status == 303);
    Ok(())
}

/// What stands in the first `<code>` of a page.
fn shown(page: &str) -> Result<String> {
    let code = page
        .split("<code>")
        .nth(1)
        .and_then(|rest| rest.split("</code>").next());
    Ok(code.context("the page shows nothing")?.to_owned())
}

/// Sets up a second factor; gives the app and the recovery codes.
fn set_up_factor(person: &mut Plain, step: u64) -> Result<(App, Vec<String>)> {
    let path = "/account/second-factor";
    let page = person.submit(path, &format!("{path}/begin"), "")?;
    let app = App::new(&shown(&page)?)?;
    let wrong = person.post(path, &format!("{path}/confirm"), "code=000000")?;
    ensure!(wrong.status == 422 && wrong.text().contains("it does not fit"));
    let answer = person.post(
        path,
        &format!("{path}/confirm"),
        &format!("code={}", app.code(step)?),
    )?;
    ensure!(answer.status == 200, "{} {:.2000}", answer.status, answer.text());
    person.keep(&answer)?;
    let codes = shown(&answer.text())?
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    Ok((app, codes))
}

/// The password step; gives what the form of the second step carries.
fn first_step(house: &House, email: &str, password: &str) -> Result<String> {
    let fields = format!("email={email}&password={password}");
    let answer = Plain::new(house.edge.url()).send("POST", "/sign-in", Some(&fields))?;
    ensure!(
        answer.status == 200 && answer.header("set-cookie").is_none(),
        "{}",
        answer.status
    );
    let page = answer.text();
    let step = page
        .split("name=\"step\" value=\"")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    Ok(step
        .context("no second step")?
        .replace("&#x2b;", "+")
        .replace('+', "%2B"))
}

#[test]
fn second_factor_is_asked_for_and_each_code_opens_once() -> Result<()> {
    let house = House::build()?;
    let (mut here, other) = (house.owner()?, house.owner()?);
    let step = App::step()?;
    let (app, recovery) = set_up_factor(&mut here, step)?;
    ensure!(recovery.len() == 10 && other.send("GET", "/", None)?.status == 303);
    ensure!(
        here.page("/account/second-factor")?
            .contains("10 recovery codes are left")
    );

    let code = app.code(step + 1)?;
    let enter = |code: &str| {
        let sealed = first_step(&house, EMAIL, &house.password)?;
        let fields = format!("step={sealed}&code={code}&next=%2Faccount");
        Plain::new(house.edge.url()).send("POST", "/sign-in/code", Some(&fields))
    };
    ensure!(enter("000000")?.status == 401);
    let answer = enter(&code)?;
    ensure!(
        answer.status == 303 && answer.header("location") == Some("/account"),
        "{}",
        answer.text()
    );
    // It was seen over somebody's shoulder, and so was the one before.
    for old in [&code, &app.code(step)?] {
        ensure!(enter(old)?.status == 401);
    }
    let typed = recovery[0].to_uppercase().replace('-', " ");
    ensure!(enter(&typed.replace(' ', "+"))?.status == 303 && enter(&recovery[0])?.status == 401);
    let forged = Plain::new(house.edge.url()).send(
        "POST",
        "/sign-in/code",
        Some(&format!("step=x.AAAA&code={code}")),
    )?;
    ensure!(forged.status == 401);

    // The password is not enough of a proof any more.
    let refused = here.post("/prove", "/prove", &format!("password={}", house.password))?;
    ensure!(
        refused.status == 401 && refused.text().contains("a password is not enough"),
        "{}",
        refused.status
    );
    ensure!(!refused.text().contains("type=\"password\""));

    // A proof by it, and how it is taken away.
    let answer = here.post(
        "/prove",
        "/prove",
        &format!("code={}&next=%2Faccount%2Fpassword", recovery[1]),
    )?;
    ensure!(answer.status == 303, "{}", answer.status);
    here.keep(&answer)?;
    ensure!(
        here.post("/prove", "/prove", &format!("code={}", recovery[1]))?
            .status
            == 401
    );
    let page = here.submit("/account/second-factor", "/account/second-factor/remove", "")?;
    ensure!(page.contains("Your password alone signs you in"));
    house.owner()?;
    let activity = here.page("/activity")?;
    ensure!(activity.contains("Gave a wrong code for") && activity.contains("Used a recovery code of"));
    Ok(())
}

#[test]
fn codes_cannot_be_guessed_in_a_row() -> Result<()> {
    let mut house = House::build()?;
    let mut here = house.owner()?;
    set_up_factor(&mut here, App::step()?)?;
    let sealed = first_step(&house, EMAIL, &house.password)?;
    let url = house.edge.url().to_owned();
    let guess = |number: u32| {
        let fields = format!("step={sealed}&code={number:06}");
        Plain::new(&url).send("POST", "/sign-in/code", Some(&fields))
    };
    let mut statuses = Vec::new();
    for number in 0..11 {
        if number == 5 {
            // The count is not lost with what holds it in memory.
            house.edge.go_away();
            house.edge.come_back()?;
        }
        statuses.push(guess(number)?.status);
    }
    ensure!(
        statuses[..10].iter().all(|status| *status == 401) && statuses[10] == 429,
        "{statuses:?}"
    );
    // Whoever guesses at signing in is not the person whose code it is.
    let activity = here.page("/activity")?;
    ensure!(
        activity.contains("Gave a wrong code for") && activity.contains("somebody who is not known"),
        "{activity:.4000}"
    );
    // Another password ends what the first step gave.
    let answer = here.post(
        "/account/password",
        "/account/password",
        "password=Ferns+like+it+damp",
    )?;
    here.keep(&answer)?;
    ensure!(guess(1)?.text().contains("sign in again"));
    Ok(())
}

#[test]
fn factor_required_of_all_is_set_up_before_anything_else_and_taken_away_from_who_lost_it() -> Result<()> {
    let house = House::build()?;
    let mut owner = house.owner()?;
    let (mut jane, id) = house.add("jane@example.com", &json!({"role": "admin"}))?;
    let require = |person: &Plain| person.post("/account", "/people/second-factor", "required=1");
    ensure!(require(&jane)?.status == 403);
    let refused = require(&owner)?;
    ensure!(refused.status == 303 && owner.page("/people")?.contains("Require it of everybody"));
    set_up_factor(&mut owner, App::step()?)?;
    require(&owner)?;
    ensure!(owner.page("/people")?.contains("Everybody must have one."));

    for path in ["/", "/people", "/servers", "/activity", "/device"] {
        let answer = jane.send("GET", path, None)?;
        ensure!(
            answer.status == 403 && answer.text().contains("second_factor_needed"),
            "{path}"
        );
    }
    ensure!(
        jane.page("/account/second-factor")?
            .contains("Everybody here must have a second factor.")
    );
    set_up_factor(&mut jane, App::step()?)?;
    jane.page("/people")?;
    let kept = jane.post("/account", "/account/second-factor/remove", "")?;
    ensure!(
        kept.status == 303
            && jane
                .page("/account/second-factor")?
                .contains("recovery codes are left")
    );

    let person = format!("/people/{id}");
    owner.submit(&person, &format!("{person}/second-factor/remove"), "")?;
    ensure!(jane.send("GET", "/", None)?.status == 403);
    Ok(())
}

#[test]
fn second_factor_is_set_up_in_the_browser_and_signs_in_there_by_app_or_paper() -> Result<()> {
    let house = House::build()?;
    let browser = house.browse()?;
    browser.open(&format!("{}/account/second-factor", house.edge.url()))?;
    browser.click("form[action$='/begin'] button")?;
    browser.shows("Give the code that it shows", SOON)?;
    let width = browser.script(
        "return document.querySelector('svg.qr').getBoundingClientRect().width",
        &json!([]),
    )?;
    ensure!(width.as_f64().is_some_and(|width| width > 150.0), "{width}");
    let typed = browser.script(
        "return document.querySelector('copy-text code').textContent",
        &json!([]),
    )?;
    let app = App::new(typed.as_str().context("no secret")?)?;
    let step = App::step()?;
    browser.fill("#code", &app.code(step)?)?;
    browser.click("form[action$='/confirm'] button")?;
    browser.shows("They are shown once", SOON)?;
    let codes = browser.script(
        "return document.querySelector('copy-text code').textContent",
        &json!([]),
    )?;
    let paper = codes.as_str().and_then(|codes| codes.split_whitespace().next());
    let paper = paper.context("no recovery code")?.to_owned();
    // The session has a new token, and its forms work.
    browser.click("main a.button.main")?;
    browser.shows("Where you are signed in", SOON)?;
    let leave = || -> Result<()> {
        browser.click("form[action='/sign-out'] button")?;
        browser.shows("Sign in", SOON)
    };
    leave()?;
    let enter = |code: &str| -> Result<()> {
        browser.fill("#email", EMAIL)?;
        browser.fill("#password", &house.password)?;
        browser.click("form[action='/sign-in'] button")?;
        browser.shows("And your code", SOON)?;
        browser.fill("#code", code)?;
        browser.click("form[action='/sign-in/code'] button")
    };
    for code in [&app.code(step + 1)?, &paper] {
        enter(code)?;
        browser.shows("flowers", SOON)?;
        leave()?;
    }
    let errors = browser.console()?;
    ensure!(errors.is_empty(), "the console has: {errors:#?}");
    enter(&paper)?;
    browser.shows("The code is wrong", SOON)?;
    Ok(())
}

#[test]
fn lock_out_of_a_stranger_leaves_the_device_of_the_owner_alone() -> Result<()> {
    let house = House::build()?;
    let mut known = house.owner()?;
    known.leave();
    let stranger = Plain::new(house.edge.url());
    let wrong = format!("email={EMAIL}&password=guess");
    for _ in 0..10 {
        ensure!(stranger.send("POST", "/sign-in", Some(&wrong))?.status == 401);
    }
    let right = format!("email={EMAIL}&password={}", house.password);
    let locked = stranger.send("POST", "/sign-in", Some(&right))?;
    ensure!(
        locked.status == 429 && locked.text().contains("try again in"),
        "{}",
        locked.status
    );
    known.enter("/sign-in", &right)?;
    let activity = known.page("/activity")?;
    ensure!(
        activity.contains("somebody who is not known") && activity.contains("10 within 15 min"),
        "{activity:.4000}"
    );
    Ok(())
}
