//! How a message reads: the JSON body of a signed webhook. What is told of a deployment is what it is when the message
//! is sent; `type` and `timestamp` say what happened and when.

use super::Event;
use crate::moment::rfc3339;
use devflow_protocol::UnixMillis;
use serde::Serialize;

/// A deployment with its project and server, as the outside is told of it.
#[derive(Clone, Debug)]
pub struct Deployment<'a> {
    /// Its id.
    pub id: &'a str,
    /// `deploy` or `rollback`.
    pub kind: &'a str,
    /// `push`, `manual`, `replay` or `found`.
    pub trigger: &'a str,
    /// The ref, whole.
    pub ref_name: &'a str,
    /// None until the tip of the ref was looked up.
    pub commit: Option<&'a str>,
    /// The first line of the commit's message.
    pub subject: Option<&'a str>,
    /// Who made the commit.
    pub author: Option<&'a str>,
    /// Why it ended as it did, where it did not go live.
    pub reason: Option<&'a str>,
    /// When it was asked for.
    pub queued_at: UnixMillis,
    /// When a runner began.
    pub started_at: Option<UnixMillis>,
    /// When it ended.
    pub finished_at: Option<UnixMillis>,
    /// Its project.
    pub project: Project<'a>,
    /// Id and name of its server.
    pub server: (&'a str, Option<&'a str>),
    /// What visitors of the project get.
    pub serving: Serving,
}

/// What visitors get while a deployment is told about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Serving {
    /// A release from before.
    Before,
    /// This very release, on some of the project's servers at least.
    This,
    /// Nothing yet.
    Nothing,
}

/// A project as the outside is told of it.
#[derive(Clone, Copy, Debug)]
pub struct Project<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its short name.
    pub slug: &'a str,
    /// Its name.
    pub name: &'a str,
}

#[derive(Serialize)]
struct Body<'a, T: Serialize> {
    r#type: &'a str,
    timestamp: String,
    data: T,
}

#[derive(Serialize)]
struct Told<'a> {
    deployment: ToldDeployment<'a>,
    project: ToldProject<'a>,
    server: ToldServer<'a>,
}

#[derive(Serialize)]
struct ToldDeployment<'a> {
    id: &'a str,
    url: String,
    kind: &'a str,
    trigger: &'a str,
    r#ref: &'a str,
    commit: Option<&'a str>,
    subject: Option<&'a str>,
    author: Option<&'a str>,
    reason: Option<&'a str>,
    queued_at: String,
    started_at: Option<String>,
    finished_at: Option<String>,
}

#[derive(Serialize)]
struct ToldProject<'a> {
    id: &'a str,
    slug: &'a str,
    name: &'a str,
    url: String,
}

#[derive(Serialize)]
struct ToldServer<'a> {
    id: &'a str,
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct ToldTest<'a> {
    endpoint: &'a str,
    message: &'static str,
}

/// The body that tells of a deployment. `origin` is the address of the dashboard.
pub fn deployment(event: Event, at: UnixMillis, told: &Deployment<'_>, origin: &str) -> String {
    let body = Body {
        r#type: &format!("deployment.{}", event.as_str()),
        timestamp: rfc3339(at),
        data: Told {
            deployment: ToldDeployment {
                id: told.id,
                url: format!("{origin}/deployments/{}", told.id),
                kind: told.kind,
                trigger: told.trigger,
                r#ref: told.ref_name,
                commit: told.commit,
                subject: told.subject,
                author: told.author,
                reason: told.reason,
                queued_at: rfc3339(told.queued_at),
                started_at: told.started_at.map(rfc3339),
                finished_at: told.finished_at.map(rfc3339),
            },
            project: ToldProject {
                id: told.project.id,
                slug: told.project.slug,
                name: told.project.name,
                url: format!("{origin}/projects/{}", told.project.id),
            },
            server: ToldServer {
                id: told.server.0,
                name: told.server.1,
            },
        },
    };
    serde_json::to_string(&body).expect("the body is made of texts")
}

/// The body of a test.
pub fn test(at: UnixMillis, endpoint: &str) -> String {
    let body = Body {
        r#type: "test",
        timestamp: rfc3339(at),
        data: ToldTest {
            endpoint,
            message: "A person asked DevFlow Pro to send this, to see whether it arrives.",
        },
    };
    serde_json::to_string(&body).expect("the body is made of texts")
}

/// A deployment for tests.
#[cfg(test)]
pub(super) fn sample() -> Deployment<'static> {
    Deployment {
        id: "dep_1",
        kind: "deploy",
        trigger: "push",
        ref_name: "refs/heads/main",
        commit: Some("4f2a91c0000000000000000000000000000000aa"),
        subject: Some("Show the delivery date"),
        author: Some("Ada"),
        reason: None,
        queued_at: UnixMillis(1),
        started_at: None,
        finished_at: None,
        project: Project {
            id: "prj_1",
            slug: "shop",
            name: "Shop",
        },
        server: ("srv_1", None),
        serving: Serving::Before,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn deployment_reads_as_documented() {
        let told = Deployment {
            subject: Some("Show the \"delivery\" date"),
            reason: Some("composer: exit code 2"),
            queued_at: UnixMillis(1_763_843_209_000),
            started_at: Some(UnixMillis(1_763_843_209_120)),
            finished_at: Some(UnixMillis(1_763_843_213_004)),
            server: ("srv_1", Some("web-1")),
            ..sample()
        };
        let body = deployment(
            Event::Failed,
            UnixMillis(1_763_843_213_004),
            &told,
            "https://devflow.test",
        );
        let expected = json!({
            "type": "deployment.failed",
            "timestamp": "2025-11-22T20:26:53.004Z",
            "data": {
                "deployment": {
                    "id": "dep_1", "url": "https://devflow.test/deployments/dep_1", "kind": "deploy",
                    "trigger": "push", "ref": "refs/heads/main",
                    "commit": "4f2a91c0000000000000000000000000000000aa", "subject": "Show the \"delivery\" date",
                    "author": "Ada", "reason": "composer: exit code 2", "queued_at": "2025-11-22T20:26:49.000Z",
                    "started_at": "2025-11-22T20:26:49.120Z", "finished_at": "2025-11-22T20:26:53.004Z",
                },
                "project": {
                    "id": "prj_1", "slug": "shop", "name": "Shop", "url": "https://devflow.test/projects/prj_1",
                },
                "server": {"id": "srv_1", "name": "web-1"},
            },
        });
        assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON"), expected);
    }
}
