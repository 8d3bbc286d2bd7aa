//! What a page of somebody else can make a browser do: nothing, and it shows none of our pages.

use anyhow::{Context, Result, ensure};
use devflow_tests::edge::EMAIL;
use devflow_tests::house::House;
use devflow_tests::http::{Answer, Client};
use devflow_tests::plain::Plain;
use serde_json::json;

/// A form that a browser sends along with its session, from a page at `origin`.
fn sent(house: &House, from: &Plain, origin: Option<&str>, path: &str, fields: &str) -> Result<Answer> {
    let cookie = from.cookie();
    let mut headers = vec![
        ("cookie", cookie.as_str()),
        ("content-type", "application/x-www-form-urlencoded"),
    ];
    headers.extend(origin.map(|origin| ("origin", origin)));
    let url = format!("{}{path}", house.edge.url());
    Client::default().send("POST", &url, &headers, Some(fields.as_bytes()))
}

fn is_refused(answer: &Answer, code: &str) -> Result<()> {
    ensure!(answer.status == 403, "{} {:.400}", answer.status, answer.text());
    ensure!(answer.json()?["code"] == code, "{:.400}", answer.text());
    Ok(())
}

#[test]
fn form_of_another_site_or_without_the_sessions_token_changes_nothing() -> Result<()> {
    let house = House::build()?;
    let (owner, other) = (house.owner()?, house.owner()?);
    let own = house.edge.url();
    let path = format!("/projects/{}/deploy", house.flowers.id);
    let token = owner.csrf("/keys")?;
    let with = |token: &str| format!("csrf={token}");

    for origin in [None, Some("null"), Some("https://evil.example")] {
        let answer = sent(&house, &owner, origin, &path, &with(&token))?;
        is_refused(&answer, "foreign_origin")?;
    }
    // From our own page, and not with the token of this session.
    for fields in [String::new(), with("x"), with(&other.csrf("/keys")?)] {
        is_refused(&sent(&house, &owner, Some(own), &path, &fields)?, "csrf")?;
    }
    // Nor does a foreign page sign somebody in, to have them work in a foreign account.
    let credentials = format!("email={EMAIL}&password={}", house.password);
    let nobody = Plain::new(own);
    let evil = Some("https://evil.example");
    is_refused(
        &sent(&house, &nobody, evil, "/sign-in", &credentials)?,
        "foreign_origin",
    )?;
    // The session's cookie alone is nothing to the API either.
    let cookie = owner.cookie();
    let headers = [
        ("cookie", cookie.as_str()),
        ("origin", own),
        ("content-type", "application/json"),
    ];
    let deployments = format!("/api/v1/projects/{}/deployments", house.flowers.id);
    let url = format!("{own}{deployments}");
    is_refused(
        &Client::default().send("POST", &url, &headers, Some(b"{}"))?,
        "csrf",
    )?;

    let list = house
        .api
        .get(&format!("/projects/{}/deployments", house.flowers.id))?;
    ensure!(list["items"] == json!([]), "{list}");
    ensure!(
        sent(&house, &owner, Some(own), &path, &with(&token))?.status == 303,
        "the form itself does not work"
    );
    Ok(())
}

#[test]
fn every_answer_forbids_frames_foreign_scripts_and_keeping() -> Result<()> {
    let house = House::build()?;
    let owner = house.owner()?;
    let project = format!("/projects/{}", house.flowers.id);
    let pages = [
        "/",
        &project,
        "/activity",
        "/sign-in",
        "/nowhere",
        "/api/v1/projects",
    ];
    for path in pages {
        let answer = owner.send("GET", path, None)?;
        let header = |name: &str| answer.header(name).with_context(|| format!("{path}: no {name}"));
        let policy = header("content-security-policy")?;
        for rule in [
            "default-src 'none'",
            "script-src 'self';",
            "style-src 'self';",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            ensure!(policy.contains(rule), "{path}: {rule} is not in {policy}");
        }
        ensure!(!policy.contains("unsafe-"), "{path}: {policy}");
        ensure!(header("x-frame-options")? == "DENY", "{path}");
        ensure!(header("x-content-type-options")? == "nosniff", "{path}");
        ensure!(header("cache-control")? == "no-store", "{path}");
        ensure!(header("referrer-policy")? == "same-origin", "{path}");
        let text = answer.text();
        for inline in ["<script>", "<style", " style=\"", " onclick=", "javascript:"] {
            ensure!(!text.contains(inline), "{path} has {inline}");
        }
    }
    Ok(())
}

#[test]
fn who_signs_in_is_led_to_this_site_only() -> Result<()> {
    let house = House::build()?;
    for (next, place) in [
        ("/keys", "/keys"),
        ("https%3A%2F%2Fevil.example", "/"),
        ("%2F%2Fevil.example", "/"),
        ("%2F%5Cevil.example", "/"),
    ] {
        let fields = format!("email={EMAIL}&password={}&next={next}", house.password);
        let answer = Plain::new(house.edge.url()).send("POST", "/sign-in", Some(&fields))?;
        ensure!(
            answer.status == 303 && answer.header("location") == Some(place),
            "{next}: {} {:?}",
            answer.status,
            answer.header("location")
        );
    }
    Ok(())
}

#[test]
fn cookie_of_a_session_stays_with_this_site_and_out_of_scripts() -> Result<()> {
    let house = House::build()?;
    let fields = format!("email={EMAIL}&password={}", house.password);
    let answer = Plain::new(house.edge.url()).send("POST", "/sign-in", Some(&fields))?;
    let set = answer.headers.iter().filter(|(name, _)| name == "set-cookie");
    let cookies: Vec<&str> = set.map(|(_, value)| value.as_str()).collect();
    let session = cookies
        .iter()
        .find(|cookie| cookie.starts_with("__Host-devflow="));
    let attributes: Vec<&str> = session.context("no session")?.split("; ").skip(1).collect();
    let month = "Max-Age=2592000";
    assert_eq!(
        attributes,
        ["Path=/", "Secure", "HttpOnly", "SameSite=Lax", month]
    );
    for cookie in &cookies {
        ensure!(
            cookie.contains("Secure; HttpOnly") && !cookie.to_lowercase().contains("domain="),
            "{cookie}"
        );
    }
    Ok(())
}

#[test]
fn fields_that_a_form_does_not_have_change_nothing() -> Result<()> {
    let house = House::build()?;
    let link = house.invite(&json!({"email": "jane@example.com", "role": "viewer"}))?;
    let token = link.split("token=").nth(1).context("no token")?;
    let owner = house.api.get("/people")?["items"][0]["id"]
        .as_str()
        .context("no owner")?
        .to_owned();
    let more = format!("role=owner&email=eve%40example.com&id={owner}&user={owner}&second_factor=1");
    let mut jane = Plain::new(house.edge.url());
    jane.enter(
        "/join",
        &format!("token={token}&password=Jane+waters+the+ficus&{more}"),
    )?;
    let changed = jane.post(
        "/account/password",
        "/account/password",
        &format!("password=Ferns+like+it+damp&{more}"),
    )?;
    ensure!(changed.status == 303, "{}", changed.status);

    let people = house.api.get("/people")?;
    let people = people["items"].as_array().context("no items")?;
    let told = people
        .iter()
        .map(|one| (&one["email"], &one["role"], &one["second_factor"]));
    let expected = [
        (&json!("jane@example.com"), &json!("viewer"), &json!(false)),
        (&json!(EMAIL), &json!("owner"), &json!(false)),
    ];
    ensure!(told.eq(expected), "{people:?}");
    house.owner()?;
    Plain::sign_in(house.edge.url(), "jane@example.com", "Ferns+like+it+damp")?;
    Ok(())
}
