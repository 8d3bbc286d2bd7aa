//! An edge with sample data on every page: projects of each state, deployments with steps and output, deliveries,
//! people, notifications. Made by the API as far as the API can; what a runner would have reported is written into the
//! databases while the edge is away. For pictures, and for looking at every page in a browser.

mod output;
mod pages;
mod rows;

use crate::api::{Api, Project, text};
use crate::edge::{EMAIL, Edge};
use crate::git::Push;
use crate::house;
use crate::places::Scratch;
use crate::plain::Plain;
use crate::webhook::Delivery;
use anyhow::{Context, Result, ensure};
use serde_json::json;

/// How a sample project stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stand {
    Live,
    Failing,
    Building,
    Stopped,
    New,
}

/// Name, framework, host name, place of its server, how it stands, what its newest commit is about.
type Spec = (
    &'static str,
    &'static str,
    &'static str,
    usize,
    Stand,
    &'static str,
);

const SERVERS: [&str; 3] = ["fra-1", "fra-2", "hel-1"];

const PROJECTS: [Spec; 9] = [
    (
        "Flower shop",
        "laravel",
        "flowers.example.com",
        0,
        Stand::Live,
        "Show the delivery date in the basket",
    ),
    (
        "Booking",
        "laravel",
        "booking.example.com",
        0,
        Stand::Building,
        "Let guests change their dates",
    ),
    (
        "City library",
        "php",
        "library.example.org",
        1,
        Stand::Live,
        "Opening hours of the summer",
    ),
    (
        "Garden market",
        "shopware",
        "market.example.com",
        1,
        Stand::Failing,
        "Update Shopware to 6.7.2",
    ),
    (
        "Harbour tickets",
        "laravel",
        "tickets.example.net",
        0,
        Stand::Live,
        "Group tickets from ten people on",
    ),
    (
        "Intranet",
        "laravel",
        "intranet.example.com",
        2,
        Stand::Live,
        "Holiday calendar for two offices",
    ),
    (
        "Old archive",
        "php",
        "archive.example.org",
        2,
        Stand::Stopped,
        "Last scans of 1974",
    ),
    (
        "Recipes",
        "laravel",
        "recipes.example.com",
        1,
        Stand::Live,
        "Print a recipe on one page",
    ),
    ("Winter campaign", "php", "winter.example.com", 2, Stand::New, ""),
];

/// The place of the project that has a second server, and the place of that server.
const SEVERAL: (usize, usize) = (4, 1);

/// The edge and what its pages are about.
#[derive(Debug)]
pub struct Sample {
    /// The edge.
    pub edge: Edge,
    /// The owner's API key.
    pub api: Api,
    /// The owner's password.
    pub password: String,
    /// The project that has everything.
    pub project: Project,
    /// Its live deployment.
    pub live: String,
    /// A deployment that failed.
    pub failed: String,
    /// A deployment that is under way.
    pub running: String,
    /// A project on two servers.
    pub several: Project,
    /// A deployment of it that is live on both, and one that failed on the second.
    pub several_live: String,
    /// See [`Self::several_live`].
    pub several_failed: String,
    /// An online server.
    pub server: String,
    /// A notification of the project.
    pub endpoint: String,
    /// Somebody else's account.
    pub person: String,
    /// The path of an open invitation.
    pub invitation: String,
    _scratch: Scratch,
}

impl Sample {
    /// Starts it.
    pub fn start() -> Result<Self> {
        let scratch = Scratch::new()?;
        let mut edge = Edge::start(&scratch.path().join("e"))?;
        let (api, password) = edge.set_up()?;
        let servers: Vec<String> = SERVERS
            .iter()
            .map(|name| Ok(api.add_server(name)?.0))
            .collect::<Result<_>>()?;
        let projects: Vec<Project> = PROJECTS
            .iter()
            .enumerate()
            .map(|(place, spec)| project(&api, place, spec, &servers))
            .collect::<Result<_>>()?;
        let first = projects.first().context("no project")?.clone();
        let endpoint = notifications(&api, &first)?;
        deliveries(&first)?;
        let (person, invitation) = people(&edge, &api)?;
        api.add_server("ams-1")?;
        edge.go_away();
        let told = rows::fill(&scratch.path().join("e/data"), &servers, &projects)?;
        edge.come_back()?;
        Ok(Self {
            edge,
            api,
            password,
            project: first,
            live: told.live,
            failed: told.failed,
            running: told.running,
            several: projects.into_iter().nth(SEVERAL.0).context("no second server")?,
            several_live: told.several_live,
            several_failed: told.several_failed,
            server: servers.into_iter().next().context("no server")?,
            endpoint,
            person,
            invitation,
            _scratch: scratch,
        })
    }

    /// The owner's pages.
    pub fn owner(&self) -> Result<Plain> {
        Plain::sign_in(self.edge.url(), EMAIL, &self.password)
    }
}

fn project(api: &Api, place: usize, spec: &Spec, servers: &[String]) -> Result<Project> {
    let (name, framework, domain, server, ..) = *spec;
    let slug = name.to_lowercase().replace(' ', "-");
    let second = (place == SEVERAL.0).then(|| &servers[SEVERAL.1]);
    let on: Vec<&String> = [&servers[server]].into_iter().chain(second).collect();
    let tags = [&["acme"][..], &["acme", "city"], &["city"], &[]][place % 4];
    let made = api.add_project(&json!({
        "name": name, "slug": slug, "framework": framework, "provider": "github", "servers": on, "tags": tags,
        "repository": format!("git@github.com:acme/{slug}.git"), "domains": [domain],
    }))?;
    if server == 0 {
        api.set_environment(
            &made,
            &json!({"MAIL_HOST": "mail.example.com", "SCOUT_DRIVER": "database"}),
        )?;
    }
    Ok(made)
}

fn notifications(api: &Api, project: &Project) -> Result<String> {
    let body = json!({"name": "Shop team", "url": "https://hooks.example.com/devflow", "events": ["live", "failed"]});
    let made = api.post(&format!("/projects/{}/endpoints", project.id), &body, 201)?;
    let all = json!({"name": "Night watch", "url": "https://watch.example.com/in", "events": ["failed", "recovered"]});
    api.post("/endpoints", &all, 201)?;
    text(&made, "/endpoint/id")
}

/// What a provider sent: something that deploys nothing, so that the samples' own deployments stay the newest.
fn deliveries(project: &Project) -> Result<()> {
    let other_branch = Push {
        ref_name: "refs/heads/spring-colours".to_owned(),
        before: "0".repeat(40),
        after: "8c1f".repeat(10),
        message: "Colours of spring".to_owned(),
        files: vec!["resources/css/app.css".to_owned()],
        forced: false,
    };
    for delivery in [
        Delivery::new(
            "ping",
            &json!({"zen": "Keep it logically awesome.", "hook_id": 1}),
        ),
        Delivery::new("issues", &json!({"action": "opened"})),
        Delivery::push(&other_branch),
    ] {
        let answer = delivery.send(&project.hook)?;
        ensure!(
            answer.status / 100 == 2,
            "{}: {} {}",
            delivery.event,
            answer.status,
            answer.text()
        );
    }
    Ok(())
}

/// Somebody with an account, and somebody who was invited; gives the id of the one and the link of the other.
fn people(edge: &Edge, api: &Api) -> Result<(String, String)> {
    let invite = |email: &str, role: &str| house::invite(edge, api, &json!({"email": email, "role": role}));
    house::accept(edge, &invite("ada@example.com", "maintainer")?)?;
    let people = api.get("/people")?;
    let ada = people["items"]
        .as_array()
        .and_then(|list| list.iter().find(|person| person["email"] == "ada@example.com"))
        .context("nobody came")?;
    Ok((text(ada, "/id")?, invite("grace@example.com", "viewer")?))
}
