//! The statements that run for every poll and every page use an index: none reads a whole table.

use crate::store::cards::{self, Show};
use crate::store::lease::{self, LeaseRequest};
use crate::store::testing::{TestDb, hook, id, main_ref, project, server};
use crate::store::{
    Statement, access, archives, audit, compared, dashboard, deliveries, deployments, endpoints,
    environments, hooks, idempotency, jobs, outbox, parts, passkeys, people, repository_tokens, retention,
    servers, targets, users,
};
use devflow_domain::webhook::Provider;
use devflow_protocol::UnixMillis;

fn hot_statements() -> Vec<Statement> {
    let now = UnixMillis(1);
    let mut statements: Vec<Statement> = lease::lease(&LeaseRequest {
        server: &server(),
        lease: "t",
        last_sequence: 0,
        paused: false,
        now,
        expires_at: now,
    })
    .into();
    let (deployment, delivery) = (id!(DeploymentId, 1), id!(DeliveryId, 1));
    statements.extend(deployments::supersede_queued(
        &project(),
        &main_ref(),
        &deployment,
        &delivery,
        now,
    ));
    statements.extend(jobs::requeue(&id!(JobId, 1), 1));
    statements.extend(deployments::cancel_unacknowledged(&deployment, now));
    statements.extend([
        jobs::held(&server(), now),
        jobs::by_id(&id!(JobId, 1)),
        jobs::of_deployment(&deployment),
        jobs::work_of(&deployment, Some(&server())),
        parts::of(&deployment),
        targets::of_project(&project()),
        deliveries::stored(Provider::Github, &hook(), "k"),
        deliveries::of_project(&project(), "~"),
        deployments::of_project(&project(), "~"),
        compared::compared(&project(), &deployment),
        compared::choices(&project()),
        environments::between(&project(), 1, 9),
        hooks::of_slug(&server(), &"shop".parse().unwrap()),
        deployments::newest(&server(), &"shop".parse().unwrap()),
        access::project_of_deployment("d"),
        access::project_of_delivery("d"),
        access::project_of_job("j"),
        access::project_of_endpoint("e"),
        endpoints::of(Some(&project())),
        endpoints::of(None),
        endpoints::by_id(&id!(EndpointId, 1)),
        outbox::of_endpoint(&id!(EndpointId, 1)),
        outbox::one(&id!(EndpointId, 1), "m"),
        outbox::prune(&id!(EndpointId, 1)),
        outbox::give_up_of_disabled(&id!(EndpointId, 1)),
        users::key("h"),
        users::by_id(&id!(UserId, 1)),
        passkeys::of(&id!(UserId, 1)),
        passkeys::by_credential("c"),
        users::by_email("a"),
        users::owner(),
        cards::one(&project()),
        cards::page(Show::All, "", 24, None),
        cards::page(Show::Deploying, "", 24, None),
        cards::page(Show::Failing, "", 24, None),
        cards::page(Show::Stopped, "", 24, None),
        cards::page(Show::Deploying, "", 24, Some("[]".to_owned())),
        cards::by_server("web-1", "shop", 24),
        cards::by_tag("#clients", "prj_1", 24),
        cards::found("sho", 24, None),
        dashboard::counts(None),
        dashboard::counts(Some("[]".to_owned())),
        dashboard::ended_since(now, None),
        environments::history(&project()),
        environments::live(&project()),
        dashboard::open_jobs(&server()),
        dashboard::projects_of_server(&server()),
        servers::list(""),
        servers::named("we", 6),
        servers::by_id(&server()),
        servers::runner(&server()),
        users::session("h", now),
        users::sessions_of(&id!(UserId, 1), now, ""),
        people::by_id(&id!(UserId, 1)),
        people::project_roles(&id!(UserId, 1)),
        people::logins(&id!(UserId, 1)),
        people::members(&project()),
        people::invitation("h", now),
        people::invitation_to("a", now),
        people::invitation_by_id(&id!(InvitationId, 1), now),
        people::list(""),
        idempotency::by_key("k"),
        audit::unlike(1),
        archives::after(1),
        repository_tokens::of("prj_1"),
    ]);
    statements.extend(outbox::take(outbox::Which::Due, "c", now, now));
    statements.extend(retention::expired_tokens(now).into_iter().skip(4));
    statements
}

#[test]
fn hot_statements_search_and_never_scan() {
    let db = TestDb::with_project();
    for statement in hot_statements() {
        let plan = db.plan(&statement);
        let scans: Vec<&str> = plan
            .lines()
            .filter(|line| {
                line.starts_with("SCAN")
                    && ![
                        "INDEX ",
                        "CONSTANT ROW",
                        "VIRTUAL TABLE",
                        "SCAN (subquery",
                        // A view: what it reads is in lines of its own.
                        "SCAN deployment_targets",
                    ]
                    .iter()
                    .any(|harmless| line.contains(harmless))
            })
            .collect();
        assert!(
            scans.is_empty(),
            "{} reads a whole table: {scans:?}\n{plan}",
            statement.name()
        );
    }
}
