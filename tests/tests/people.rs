//! People and their access: invited, given roles, kept to them, shut out, deleted.

use anyhow::{Context, Result, ensure};
use devflow_tests::api::{Api, Project, text};
use devflow_tests::browser::Browser;
use devflow_tests::edge::{EMAIL, Edge};
use devflow_tests::places::Scratch;
use devflow_tests::plain::Plain;
use devflow_tests::totp::App;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(20);
const PASSWORD: &str = "Jane waters the ficus";

/// An edge with its owner and two projects, whose server has not been connected.
struct House {
    edge: Edge,
    api: Api,
    password: String,
    flowers: Project,
    blog: Project,
    _scratch: Scratch,
}

impl House {
    fn build() -> Result<Self> {
        let scratch = Scratch::new()?;
        let edge = Edge::start(&scratch.path().join("e"))?;
        let (api, password) = edge.set_up()?;
        let (server, _) = api.add_server("web-1")?;
        let project = |name: &str| {
            api.add_project(&json!({
                "name": name, "framework": "php", "provider": "github", "server": server,
                "repository": format!("https://git.example.com/{name}.git"), "domains": [format!("{name}.example.com")],
            }))
        };
        let (flowers, blog) = (project("flowers")?, project("blog")?);
        Ok(Self {
            edge,
            api,
            password,
            flowers,
            blog,
            _scratch: scratch,
        })
    }

    fn owner(&self) -> Result<Plain> {
        Plain::sign_in(self.edge.url(), EMAIL, &self.password)
    }

    /// Invites by the API; gives the path of the link.
    fn invite(&self, body: &Value) -> Result<String> {
        let made = self.api.post("/invitations", body, 201)?;
        let link = text(&made, "/link")?;
        let path = link.strip_prefix(self.edge.url());
        Ok(path.context("a link to elsewhere")?.to_owned())
    }

    /// Invites somebody who comes in.
    fn add(&self, email: &str, body: &Value) -> Result<(Plain, String)> {
        let mut body = body.clone();
        body["email"] = json!(email);
        let link = self.invite(&body)?;
        let plain = self.accept(&link)?;
        let people = self.api.get("/people")?;
        let found = people["items"].as_array().context("no items")?;
        let person = found.iter().find(|person| person["email"] == email);
        Ok((plain, text(person.context("nobody came")?, "/id")?))
    }

    fn accept(&self, link: &str) -> Result<Plain> {
        let token = link.split("token=").nth(1).context("no token")?;
        let mut plain = Plain::new(self.edge.url());
        plain.enter("/join", &format!("token={token}&password={PASSWORD}"))?;
        Ok(plain)
    }
}

#[test]
fn person_invited_in_the_browser_comes_in_and_sees_only_their_project() -> Result<()> {
    let house = House::build()?;
    let owner = Browser::start()?;
    owner.open(&format!("{}/sign-in", house.edge.url()))?;
    owner.fill("#email", EMAIL)?;
    owner.fill("#password", &house.password)?;
    owner.click("form button")?;
    owner.shows("Projects", SOON)?;
    owner.open(&format!("{}/people/new", house.edge.url()))?;
    owner.fill("#email", "jane@example.com")?;
    owner.script("document.querySelector('#role').value = ''", &json!([]))?;
    owner.fill("#project", "flowers")?;
    owner.click("form[action='/people'] button")?;
    owner.shows("The link is shown once", SOON)?;
    let link = owner.script(
        "return document.querySelector('copy-text code').textContent",
        &json!([]),
    )?;
    let link = link.as_str().context("no link")?;

    let jane = Browser::start()?;
    jane.open(link)?;
    jane.shows("You are invited", SOON)?;
    jane.fill("#password", "password1234")?;
    jane.click("form button")?;
    jane.shows("first that are guessed", SOON)?;
    jane.fill("#password", PASSWORD)?;
    jane.click("form button")?;
    jane.shows("flowers", SOON)?;
    let seen = jane.text()?;
    ensure!(
        !seen.contains("blog") && !seen.contains("People") && !seen.contains("web-1 "),
        "{seen}"
    );
    jane.open(&format!("{}/projects/{}", house.edge.url(), house.blog.id))?;
    jane.shows("There is no such page", SOON)?;
    jane.open(link)?;
    jane.shows("This invitation is over", SOON)?;

    owner.open(&format!("{}/people", house.edge.url()))?;
    owner.shows("jane@example.com", SOON)?;
    owner.shows("1 project", SOON)?;
    owner.open(&format!("{}/activity", house.edge.url()))?;
    owner.shows("Accepted an invitation as jane@example.com", SOON)?;
    for browser in [&owner, &jane] {
        let errors = browser.console()?;
        let refused = |line: &&String| !line.contains("404") && !line.contains("422");
        let errors: Vec<&String> = errors.iter().filter(refused).collect();
        ensure!(errors.is_empty(), "the console has: {errors:#?}");
    }
    Ok(())
}

/// Requests of a person, with the least role for each; one a permission that a page or the API asks for.
fn attempts(house: &House, victim: &str) -> Vec<(&'static str, String, &'static str)> {
    let project = format!("/projects/{}", house.flowers.id);
    vec![
        ("GET", "/".to_owned(), "none"),
        ("GET", project.clone(), "viewer"),
        ("GET", "/servers".to_owned(), "viewer"),
        ("POST", format!("{project}/deploy"), "maintainer"),
        ("POST", format!("{project}/environment/import"), "maintainer"),
        ("POST", format!("{project}/settings"), "maintainer"),
        ("GET", format!("{project}/environment/file"), "admin"),
        ("GET", "/activity".to_owned(), "admin"),
        ("GET", "/people".to_owned(), "admin"),
        ("GET", "/people/new".to_owned(), "admin"),
        ("POST", "/people".to_owned(), "admin"),
        ("GET", format!("/people/{victim}"), "admin"),
        ("POST", format!("/people/{victim}/role"), "admin"),
        ("POST", format!("/people/{victim}/projects"), "admin"),
        ("POST", format!("/people/{victim}/disable"), "admin"),
        ("POST", format!("/people/{victim}/delete"), "admin"),
    ]
}

#[test]
fn each_role_is_refused_what_it_lacks() -> Result<()> {
    let house = House::build()?;
    let (_, victim) = house.add("victim@example.com", &json!({"role": "viewer"}))?;
    let order = ["none", "viewer", "maintainer", "admin"];
    for (rank, role) in order.iter().enumerate() {
        let body = if *role == "none" {
            json!({"projects": {&house.blog.id: "viewer"}})
        } else {
            json!({"role": role})
        };
        let (plain, _) = house.add(&format!("{role}@example.com"), &body)?;
        for (method, path, least) in attempts(&house, &victim) {
            let needed = order
                .iter()
                .position(|name| *name == least)
                .context("no such role")?;
            if method == "POST" && rank >= needed {
                continue;
            }
            let status = match method {
                "POST" => plain.post("/", &path, "")?.status,
                _ => plain.send("GET", &path, None)?.status,
            };
            let expected = match rank {
                _ if rank >= needed => 200,
                0 => 404,
                _ => 403,
            };
            ensure!(
                status == expected,
                "{role}: {method} {path} answered {status}, not {expected}"
            );
        }
    }
    assert_eq!(house.api.get(&format!("/people/{victim}"))?["role"], "viewer");
    Ok(())
}

#[test]
fn roles_are_changed_and_revoked_without_a_script_and_by_the_api() -> Result<()> {
    let house = House::build()?;
    let owner = house.owner()?;
    let (jane, id) = house.add(
        "jane@example.com",
        &json!({"projects": {&house.flowers.id: "viewer"}}),
    )?;
    let deploy = format!("/projects/{}/deploy", house.flowers.id);
    ensure!(jane.post("/", &deploy, "")?.status == 403);
    let person = format!("/people/{id}");
    let page = owner.submit(
        &person,
        &format!("{person}/projects"),
        "project=flowers&role=maintainer",
    )?;
    ensure!(
        page.contains("Maintainer of flowers from now on."),
        "{page:.3000}"
    );
    ensure!(jane.post("/", &deploy, "")?.status == 303);
    let page = owner.submit(
        &person,
        &format!("{person}/projects"),
        &format!("project={}&role=", house.flowers.id),
    )?;
    ensure!(page.contains("No role of flowers any more."));
    ensure!(jane.post("/", &deploy, "")?.status == 404);

    let edit = |body: Value, status: u16| {
        let answer = house.api.call("PATCH", &format!("/people/{id}"), Some(&body))?;
        answer.expect(status)
    };
    let shown = edit(
        json!({"role": "viewer", "projects": {&house.blog.id: "admin"}}),
        200,
    )?;
    assert_eq!(
        (&shown["role"], &shown["projects"][&house.blog.id]),
        (&json!("viewer"), &json!("admin"))
    );
    // Who has another role signs in again.
    ensure!(jane.send("GET", "/", None)?.status == 303);
    edit(json!({"projects": {&house.blog.id: "owner"}}), 422)?;
    edit(
        json!({"projects": {"prj_01h2e8kqvbfwea724h75qc655w": "viewer"}}),
        404,
    )?;
    edit(json!({"email": "other@example.com"}), 422)?;
    let shown = edit(json!({"role": null, "projects": {&house.blog.id: null}}), 200)?;
    assert_eq!((&shown["role"], &shown["projects"]), (&Value::Null, &json!({})));
    Ok(())
}

#[test]
fn nobody_changes_who_is_above_them_and_the_last_owner_stays() -> Result<()> {
    let house = House::build()?;
    let people = house.api.get("/people")?;
    let owner = text(&people, "/items/0/id")?;
    let (admin, _) = house.add("admin@example.com", &json!({"role": "admin"}))?;
    for (path, fields) in [
        (format!("/people/{owner}/role"), "role=viewer"),
        (format!("/people/{owner}/disable"), ""),
        (format!("/people/{owner}/delete"), &*format!("confirm={EMAIL}")),
        (
            "/people".to_owned(),
            "email=eve@example.com&role=owner&project=&project_role=",
        ),
    ] {
        let status = admin.post("/", &path, fields)?.status;
        ensure!(status == 403, "{path} answered {status}");
    }
    let path = format!("/people/{owner}");
    let lowered = house.api.call("PATCH", &path, Some(&json!({"role": "admin"})))?;
    assert_eq!(lowered.expect(409)?["code"], "last_owner");
    ensure!(
        house
            .api
            .call("PATCH", &path, Some(&json!({"disabled": true})))?
            .status
            == 403
    );
    ensure!(house.api.call("DELETE", &path, None)?.status == 403);

    // With a second owner the first can go, and then the second is the last.
    let (second, id) = house.add("second@example.com", &json!({"role": "owner"}))?;
    ensure!(
        second
            .post(
                "/",
                &format!("/people/{owner}/delete"),
                &format!("confirm={EMAIL}")
            )?
            .status
            == 303
    );
    ensure!(
        house.api.call("GET", "/people", None)?.status == 401,
        "the key of who is gone still works"
    );
    let answer = second.post("/", &format!("/people/{id}/role"), "role=admin")?;
    let notice = second.send("GET", answer.header("location").context("no redirect")?, None)?;
    ensure!(notice.status == 200 && second.page("/people")?.contains("Owner"));
    Ok(())
}

#[test]
fn person_shut_out_loses_sessions_and_keys_and_one_deleted_leaves_no_name() -> Result<()> {
    let house = House::build()?;
    let owner = house.owner()?;
    let (jane, id) = house.add("jane@example.com", &json!({"role": "maintainer"}))?;
    let made = jane.post("/keys", "/keys", "name=CI")?.text();
    let key = made
        .split("<code>")
        .nth(1)
        .and_then(|rest| rest.split('<').next());
    let api = house.api.with_key(key.context("no key")?);
    api.get("/projects")?;
    api.deploy(&house.flowers)?;
    let person = format!("/people/{id}");
    let page = owner.submit(&person, &format!("{person}/disable"), "")?;
    ensure!(page.contains("Shut out"));
    ensure!(jane.send("GET", "/", None)?.status == 303 && api.call("GET", "/projects", None)?.status == 401);
    let again = Plain::new(house.edge.url()).send(
        "POST",
        "/sign-in",
        Some(&format!("email=jane@example.com&password={PASSWORD}")),
    )?;
    ensure!(again.status == 401, "{}", again.status);
    owner.submit(&person, &format!("{person}/enable"), "")?;
    api.get("/projects")?;
    Plain::sign_in(house.edge.url(), "jane@example.com", PASSWORD)?;

    ensure!(owner.page("/activity")?.contains("jane@example.com"));
    owner.submit(&person, &format!("{person}/delete"), "confirm=jane@example.com")?;
    ensure!(api.call("GET", "/projects", None)?.status == 401);
    let activity = owner.page("/activity")?;
    ensure!(
        !activity.contains("jane") && activity.contains("an API key that is gone"),
        "{activity:.6000}"
    );
    ensure!(owner.send("GET", &person, None)?.status == 404);
    // The address is free again.
    house.add("jane@example.com", &json!({"role": "viewer"}))?;
    Ok(())
}

#[test]
fn invitation_taken_back_or_made_anew_opens_nothing() -> Result<()> {
    let house = House::build()?;
    let first = house.invite(&json!({"email": "jane@example.com", "role": "viewer"}))?;
    let second = house.invite(&json!({"email": "jane@example.com", "role": "viewer"}))?;
    let client = Plain::new(house.edge.url());
    ensure!(
        client.send("GET", &first, None)?.status == 404 && client.send("GET", &second, None)?.status == 200
    );
    let open = house.api.get("/invitations")?;
    let id = text(&open, "/items/0/id")?;
    ensure!(
        open["items"].as_array().is_some_and(|items| items.len() == 1) && !open.to_string().contains("token")
    );
    house
        .api
        .call("DELETE", &format!("/invitations/{id}"), None)?
        .expect(204)?;
    ensure!(client.send("GET", &second, None)?.status == 404 && house.accept(&second).is_err());
    for (body, status) in [
        (json!({"email": "jane", "role": "viewer"}), 422),
        (json!({"email": "jane@example.com"}), 422),
        (json!({"email": "jane@example.com", "role": "king"}), 422),
        (json!({"email": EMAIL, "role": "viewer"}), 409),
        (
            json!({"email": "jane@example.com", "projects": {&house.blog.id: "owner"}}),
            422,
        ),
    ] {
        house
            .api
            .call("POST", "/invitations", Some(&body))?
            .expect(status)?;
    }
    Ok(())
}

#[test]
fn sessions_are_listed_and_one_ended_elsewhere_is_out_at_once() -> Result<()> {
    let house = House::build()?;
    let here = house.owner()?;
    let there = Browser::start()?;
    there.open(&format!("{}/sign-in", house.edge.url()))?;
    there.fill("#email", EMAIL)?;
    there.fill("#password", &house.password)?;
    there.click("form button")?;
    there.shows("Projects", SOON)?;
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
    let house = House::build()?;
    let mut here = house.owner()?;
    set_up_factor(&mut here, App::step()?)?;
    let sealed = first_step(&house, EMAIL, &house.password)?;
    let guess = |number: u32| {
        let fields = format!("step={sealed}&code={number:06}");
        Plain::new(house.edge.url()).send("POST", "/sign-in/code", Some(&fields))
    };
    let statuses = (0..11)
        .map(|number| Ok(guess(number)?.status))
        .collect::<Result<Vec<u16>>>()?;
    ensure!(
        statuses[..10].iter().all(|status| *status == 401) && statuses[10] == 429,
        "{statuses:?}"
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

    for path in ["/", "/people", "/servers", "/activity"] {
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
fn second_factor_set_up_in_the_browser_shows_a_code_to_scan() -> Result<()> {
    let house = House::build()?;
    let browser = Browser::start()?;
    browser.open(&format!("{}/sign-in", house.edge.url()))?;
    browser.fill("#email", EMAIL)?;
    browser.fill("#password", &house.password)?;
    browser.click("form button")?;
    browser.shows("Projects", SOON)?;
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
    browser.fill("#code", &app.code(App::step()?)?)?;
    browser.click("form[action$='/confirm'] button")?;
    browser.shows("They are shown once", SOON)?;
    // The session has a new token, and its forms work.
    browser.click("main a.button.main")?;
    browser.shows("Where you are signed in", SOON)?;
    browser.click("form[action='/sign-out'] button")?;
    browser.shows("Sign in", SOON)?;
    let errors = browser.console()?;
    ensure!(errors.is_empty(), "the console has: {errors:#?}");
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
