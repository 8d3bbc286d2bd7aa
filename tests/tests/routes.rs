//! Every route, asked by each role and each scope that lacks what it needs: nothing lets them.

use anyhow::{Context, Result, ensure};
use devflow_tests::api::text;
use devflow_tests::house::House;
use devflow_tests::http::Client;
use devflow_tests::places;
use devflow_tests::session::Session;
use serde_json::{Value, json};
use std::fs;

/// A line of the table in `docs/ACCESS.md`.
struct Route {
    method: String,
    path: String,
    role: String,
    scope: String,
}

fn routes() -> Result<Vec<Route>> {
    let file = fs::read_to_string(places::workspace().join("docs/ACCESS.md"))?;
    let lines = file.lines().filter_map(|line| line.strip_prefix("| `"));
    let routes: Vec<Route> = lines
        .filter_map(|line| {
            let cells: Vec<&str> = line.split(" | ").collect();
            let (method, path) = cells.first()?.trim_end_matches('`').split_once(' ')?;
            (!cells.get(1)?.starts_with("open")).then(|| Route {
                method: method.to_owned(),
                path: path.to_owned(),
                role: cells[2].trim().to_owned(),
                scope: cells[3].trim().to_owned(),
            })
        })
        .collect();
    ensure!(routes.len() > 100, "the table has {} routes", routes.len());
    Ok(routes)
}

/// What the path is about, where it names something.
struct Things {
    project: String,
    deployment: String,
    delivery: String,
    job: String,
    server: String,
    endpoint: String,
    person: String,
    key: String,
    invitation: String,
}

impl Things {
    fn make(house: &House) -> Result<Self> {
        let api = &house.api;
        let queued = api.post(
            &format!("/projects/{}/deployments", house.flowers.id),
            &json!({}),
            202,
        )?;
        let deployment = text(&queued, "/deployment/id")?;
        let shown = api.get(&format!("/deployments/{deployment}"))?;
        let servers = api.get("/servers")?;
        let endpoint = api.post(
            &format!("/projects/{}/endpoints", house.flowers.id),
            &json!({"kind": "webhook", "name": "hook", "url": "https://example.com/hook", "events": ["live"]}),
            201,
        )?;
        let (_, person) = house.add("victim@example.com", &json!({"role": "viewer"}))?;
        house.invite(&json!({"email": "guest@example.com", "role": "viewer"}))?;
        let invitations = api.get("/invitations")?;
        Ok(Self {
            project: house.flowers.id.clone(),
            job: shown["deployment"]["job"]
                .as_str()
                .unwrap_or("job_01h2e8kqvbfwea724h75qc655w")
                .to_owned(),
            deployment,
            delivery: "dlv_01h2e8kqvbfwea724h75qc655w".to_owned(),
            server: text(&servers, "/items/0/id")?,
            endpoint: text(&endpoint, "/endpoint/id")?,
            person,
            key: text(&api.get("/key")?, "/id")?,
            invitation: text(&invitations, "/items/0/id")?,
        })
    }

    fn path(&self, path: &str) -> String {
        let id = [
            ("/projects/", &self.project),
            ("/deployments/", &self.deployment),
            ("/deliveries/", &self.delivery),
            ("/jobs/", &self.job),
            ("/servers/", &self.server),
            ("/endpoints/", &self.endpoint),
            ("/invitations/", &self.invitation),
            ("/people/", &self.person),
            ("/keys/", &self.key),
        ];
        let found = id
            .iter()
            .find(|(part, _)| path.contains(&format!("{part}{{id}}")));
        found.map_or_else(|| path.to_owned(), |(_, id)| path.replace("{id}", id))
    }
}

/// The ranks, from who has nothing to do with the project on.
const RANKS: [&str; 5] = ["none", "viewer", "maintainer", "admin", "owner"];

fn rank(role: &str) -> Result<usize> {
    let found = RANKS.iter().position(|name| *name == role);
    found.with_context(|| format!("no role {role}"))
}

#[test]
fn every_route_refuses_every_role_and_every_scope_that_lacks_it() -> Result<()> {
    let house = House::build()?;
    let (things, routes) = (Things::make(&house)?, routes()?);
    let mut asked = 0;
    for (own, role) in RANKS.iter().enumerate().take(4) {
        let body = match *role {
            "none" => json!({"projects": {&house.blog.id: "viewer"}}),
            role => json!({"role": role}),
        };
        let email = format!("{role}@example.com");
        house.add(&email, &body)?;
        let session = Session::sign_in(house.edge.url(), &email, devflow_tests::house::PASSWORD)?;
        for route in routes.iter().filter(|route| !route.role.is_empty()) {
            if own >= rank(&route.role)? {
                continue;
            }
            let path = things.path(&route.path);
            let status = match path.strip_prefix("/api/v1") {
                Some(path) => {
                    let body = (route.method != "GET").then(|| json!({}));
                    session.call(&route.method, path, body.as_ref())?.status
                }
                None if route.method == "GET" => session.pages.send("GET", &path, None)?.status,
                None => session.pages.post("/keys", &path, "")?.status,
            };
            let expected = if own == 0 { 404 } else { 403 };
            ensure!(
                status == expected,
                "{role}: {} {path} answered {status}",
                route.method
            );
            asked += 1;
        }
    }
    asked += scopes(&house, &things, &routes)?;
    ensure!(asked > 300, "only {asked} requests");
    Ok(())
}

/// The same for keys of the owner; a page takes no key at all.
fn scopes(house: &House, things: &Things, routes: &[Route]) -> Result<usize> {
    let owner = Session::sign_in(house.edge.url(), devflow_tests::edge::EMAIL, &house.password)?;
    let mut asked = 0;
    let order = ["read", "deploy", "admin"];
    for (own, scope) in order.iter().enumerate() {
        let wanted = json!({"name": scope, "scope": scope});
        let made = owner.call("POST", "/keys", Some(&wanted))?.expect(201)?;
        let token = text(&made, "/token")?;
        let key = house.api.with_key(&token);
        for route in routes {
            let enough = order.iter().position(|name| *name == route.scope);
            if enough.is_some_and(|least| own >= least) {
                continue;
            }
            let path = things.path(&route.path);
            let (status, expected) = if let Some(path) = path.strip_prefix("/api/v1") {
                let body: Option<Value> = (route.method != "GET").then(|| json!({}));
                (key.call(&route.method, path, body.as_ref())?.status, 403)
            } else {
                let authorization = format!("Bearer {token}");
                let headers = [("authorization", authorization.as_str())];
                let url = format!("{}{path}", house.edge.url());
                let answer = Client::default().send(&route.method, &url, &headers, None)?;
                // Pages lead to the sign-in, whoever asks without a session; sockets are refused.
                (answer.status, if path == "/live" { 401 } else { 303 })
            };
            ensure!(
                status == expected,
                "key {scope}: {} {path} answered {status}",
                route.method
            );
            asked += 1;
        }
    }
    Ok(asked)
}
