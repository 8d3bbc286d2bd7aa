//! API keys: what their limits keep out, how they end, and what a leaked one is worth.

use anyhow::{Context, Result, ensure};
use devflow_tests::api::{Api, text};
use devflow_tests::edge::{EMAIL, Edge};
use devflow_tests::http::Answer;
use devflow_tests::places::Scratch;
use devflow_tests::session::Session;
use serde_json::{Value, json};

struct Here {
    _scratch: Scratch,
    _edge: Edge,
    api: Api,
    session: Session,
}

fn start() -> Result<Here> {
    let scratch = Scratch::new()?;
    let edge = Edge::start(&scratch.path().join("e"))?;
    let (api, password) = edge.set_up()?;
    let session = Session::sign_in(edge.url(), EMAIL, &password)?;
    Ok(Here {
        _scratch: scratch,
        _edge: edge,
        api,
        session,
    })
}

fn refused(answer: &Answer, status: u16, code: &str) -> Result<()> {
    let body = answer.expect(status)?;
    ensure!(body["code"] == code, "expected {code}: {body}");
    Ok(())
}

fn add_project(api: &Api, server: &str, name: &str) -> Result<String> {
    let project = api.add_project(&json!({
        "name": name, "framework": "php", "repository": "https://github.com/acme/shop", "server": server,
        "provider": "github", "domains": [format!("{name}.example.com")],
    }))?;
    Ok(project.id)
}

impl Here {
    /// A key with these limits: its id and text.
    fn key(&self, limits: &Value) -> Result<(String, Api)> {
        let made = self.session.call("POST", "/keys", Some(limits))?.expect(201)?;
        Ok((
            text(&made, "/key/id")?,
            self.api.with_key(&text(&made, "/token")?),
        ))
    }
}

#[test]
fn key_reaches_what_its_scope_and_projects_allow_and_nothing_else() -> Result<()> {
    let here = start()?;
    let (server, _) = here.api.add_server("one")?;
    let (shop, blog) = (
        add_project(&here.api, &server, "shop")?,
        add_project(&here.api, &server, "blog")?,
    );
    let (_, reader) = here.key(&json!({"name": "CI", "scope": "read", "projects": [shop]}))?;
    let shown = |id: &str| reader.call("GET", &format!("/projects/{id}"), None);
    shown(&shop)?.expect(200)?;
    refused(&shown(&blog)?, 404, "not_found")?;
    let list = reader.get("/projects")?;
    ensure!(
        list["items"].as_array().is_some_and(|items| items.len() == 1),
        "{list}"
    );
    refused(&reader.call("GET", "/servers", None)?, 404, "not_found")?;
    let deploy = |id: &str| reader.call("POST", &format!("/projects/{id}/deployments"), Some(&json!({})));
    refused(&deploy(&shop)?, 403, "not_allowed")?;
    refused(&deploy(&blog)?, 404, "not_found")?;
    let reveal = format!("/projects/{shop}/environment?reveal=true");
    refused(&reader.call("GET", &reveal, None)?, 403, "not_allowed")?;

    // It tells about itself, and cannot make itself another key, whatever its scope.
    let itself = reader.get("/key")?;
    ensure!(
        itself["scope"] == "read" && itself["projects"] == json!([shop]),
        "{itself}"
    );
    let (id, admin) = here.key(&json!({"name": "all", "scope": "admin"}))?;
    for (method, path) in [
        ("GET", "/keys".to_owned()),
        ("POST", "/keys".to_owned()),
        ("POST", format!("/keys/{id}/rotate")),
        ("POST", format!("/keys/{id}/revoke")),
    ] {
        let body = json!({"name": "more", "scope": "admin"});
        refused(
            &admin.call(method, &path, (method == "POST").then_some(&body))?,
            403,
            "not_allowed",
        )?;
    }

    let ask = |limits: Value| here.session.call("POST", "/keys", Some(&limits));
    for limits in [
        json!({"name": "", "scope": "read"}),
        json!({"name": "a", "scope": "read", "days": 0}),
        json!({"name": "a", "scope": "read", "days": 367}),
        json!({"name": "a", "scope": "read", "projects": []}),
        json!({"name": "a", "scope": "read", "projects": ["prj_01h2e8kqvbfwea724h75qc655w"]}),
        json!({"name": "a", "scope": "root"}),
    ] {
        refused(&ask(limits)?, 422, "invalid")?;
    }
    Ok(())
}

#[test]
fn key_that_leaked_is_rotated_and_refused_at_once() -> Result<()> {
    let here = start()?;
    let (id, old) = here.key(&json!({"name": "CI", "scope": "deploy", "days": 1}))?;
    old.get("/key")?;

    // With an overlap both work, within the old one's own time.
    let rotate = |id: &str, hours: u16| {
        let body = json!({"overlap_hours": hours});
        here.session
            .call("POST", &format!("/keys/{id}/rotate"), Some(&body))
    };
    let made = rotate(&id, 168)?.expect(201)?;
    let (next, new) = (
        text(&made, "/key/id")?,
        here.api.with_key(&text(&made, "/token")?),
    );
    let (before, after) = (old.get("/key")?, new.get("/key")?);
    let end = |key: &Value| key["expires_at"].as_i64().context("no end");
    ensure!(end(&before)? < end(&after)?, "the old key lasts longer");
    ensure!(after["scope"] == "deploy" && after["name"] == "CI", "{after}");

    // Leaked: without an overlap the old one is over, and says so in words.
    rotate(&next, 0)?.expect(201)?;
    let over = new.call("GET", "/projects", None)?;
    refused(&over, 401, "key_expired")?;
    ensure!(over.text().contains("“CI” ended on 20"), "{}", over.text());
    refused(&rotate(&next, 169)?, 422, "invalid")?;

    // Revoked: not known any more.
    here.session
        .call("POST", &format!("/keys/{id}/revoke"), None)?
        .expect(204)?;
    refused(&old.call("GET", "/key", None)?, 401, "wrong_key")?;
    refused(
        &here.session.call("POST", &format!("/keys/{id}/revoke"), None)?,
        404,
        "not_found",
    )?;

    let page = here.session.pages.page("/keys")?;
    ensure!(
        page.contains("Over") && page.contains("looks and deploys: all projects"),
        "the page says nothing"
    );
    let activity = here.session.pages.page("/activity")?;
    ensure!(activity.contains("Rotated an API key") && activity.contains("Revoked an API key"));
    Ok(())
}
