//! What can be done on the pages can be done by the API, except for what a browser or a person has to do.

use std::collections::{BTreeMap, BTreeSet};

/// Forms of the pages, with the operation of the API that does the same.
const SAME: &[(&str, &str)] = &[
    ("/set-up", "post /api/v1/setup"),
    ("/sign-out", "post /api/v1/sessions/{id}/revoke"),
    ("/keys", "post /api/v1/keys"),
    ("/keys/{id}/rotate", "post /api/v1/keys/{id}/rotate"),
    ("/keys/{id}/revoke", "post /api/v1/keys/{id}/revoke"),
    ("/servers", "post /api/v1/servers"),
    ("/servers/{id}/enrol", "post /api/v1/servers/{id}/enrolment"),
    ("/servers/{id}/ping", "post /api/v1/servers/{id}/ping"),
    ("/servers/{id}/update", "post /api/v1/servers/{id}/update"),
    ("/servers/{id}/rename", "patch /api/v1/servers/{id}"),
    ("/servers/{id}/drain", "patch /api/v1/servers/{id}"),
    ("/servers/{id}/remove", "delete /api/v1/servers/{id}"),
    ("/deliveries/{id}/replay", "post /api/v1/deliveries/{id}/replay"),
    ("/deployments/{id}/cancel", "post /api/v1/deployments/{id}/cancel"),
    (
        "/deployments/{id}/abandon",
        "post /api/v1/deployments/{id}/abandon",
    ),
    (
        "/deployments/{id}/redeploy",
        "post /api/v1/deployments/{id}/redeploy",
    ),
    (
        "/deployments/{id}/rollback",
        "post /api/v1/deployments/{id}/rollback",
    ),
    (
        "/account/sessions/{id}/revoke",
        "post /api/v1/sessions/{id}/revoke",
    ),
    ("/account/sessions/revoke", "post /api/v1/sessions/revoke"),
    ("/account/passkeys/{id}/rename", "patch /api/v1/passkeys/{id}"),
    ("/account/passkeys/{id}/remove", "delete /api/v1/passkeys/{id}"),
    ("/people", "post /api/v1/invitations"),
    ("/people/second-factor", "patch /api/v1/security"),
    (
        "/people/invitations/{id}/revoke",
        "delete /api/v1/invitations/{id}",
    ),
    ("/people/{id}/role", "patch /api/v1/people/{id}"),
    ("/people/{id}/projects", "patch /api/v1/people/{id}"),
    ("/people/{id}/second-factor/remove", "patch /api/v1/people/{id}"),
    ("/people/{id}/disable", "patch /api/v1/people/{id}"),
    ("/people/{id}/enable", "patch /api/v1/people/{id}"),
    ("/people/{id}/delete", "delete /api/v1/people/{id}"),
    ("/projects/{id}/people", "patch /api/v1/projects/{id}/people"),
    ("/projects/{id}/processes", "post /api/v1/projects/{id}/scale"),
    (
        "/projects/{id}/processes/restart",
        "post /api/v1/projects/{id}/restart",
    ),
    (
        "/projects/{id}/hook/secret",
        "post /api/v1/projects/{id}/hook/secret",
    ),
    ("/projects/{id}/hook/test", "post /api/v1/projects/{id}/hook/test"),
    ("/projects", "post /api/v1/projects"),
    ("/projects/inspect", "post /api/v1/servers/{id}/inspections"),
    ("/projects/{id}/deploy", "post /api/v1/projects/{id}/deployments"),
    ("/projects/{id}/restart", "post /api/v1/projects/{id}/restart"),
    ("/projects/{id}/stop", "post /api/v1/projects/{id}/stop"),
    ("/projects/{id}/remove", "delete /api/v1/projects/{id}"),
    (
        "/projects/{id}/environment/set",
        "patch /api/v1/projects/{id}/environment",
    ),
    (
        "/projects/{id}/environment/remove",
        "patch /api/v1/projects/{id}/environment",
    ),
    (
        "/projects/{id}/environment/import",
        "put /api/v1/projects/{id}/environment",
    ),
    ("/projects/{id}/pipeline/set", "patch /api/v1/projects/{id}"),
    ("/projects/{id}/pipeline/remove", "patch /api/v1/projects/{id}"),
    ("/projects/{id}/settings", "patch /api/v1/projects/{id}"),
    ("/projects/{id}/servers", "patch /api/v1/projects/{id}"),
    ("/endpoints", "post /api/v1/endpoints"),
    ("/projects/{id}/endpoints", "post /api/v1/projects/{id}/endpoints"),
    ("/endpoints/{id}", "patch /api/v1/endpoints/{id}"),
    ("/endpoints/{id}/test", "post /api/v1/endpoints/{id}/test"),
    ("/endpoints/{id}/resend", "post /api/v1/endpoints/{id}/resend"),
    ("/endpoints/{id}/secret", "post /api/v1/endpoints/{id}/secret"),
    ("/endpoints/{id}/on", "patch /api/v1/endpoints/{id}"),
    ("/endpoints/{id}/off", "patch /api/v1/endpoints/{id}"),
    ("/endpoints/{id}/remove", "delete /api/v1/endpoints/{id}"),
];

/// Forms that only the pages have; `docs/ACCESS.md` says why.
const PAGES_ALONE: &[&str] = &[
    "/sign-in",
    "/sign-in/code",
    "/sign-in/passkey/options",
    "/sign-in/passkey",
    "/join",
    "/prove",
    "/prove/passkey/options",
    "/theme",
    "/device",
    "/account/password",
    "/account/second-factor/begin",
    "/account/second-factor/confirm",
    "/account/second-factor/codes",
    "/account/second-factor/remove",
    "/account/passkeys/options",
    "/account/passkeys",
];

#[test]
fn every_form_of_the_pages_has_its_operation_or_a_reason_for_none() {
    let routes = crate::app::routes();
    let forms: BTreeSet<&str> = routes
        .list()
        .iter()
        .filter(|route| route.method == "POST" && !route.path.starts_with("/api/"))
        .map(|route| route.path)
        .filter(|path| !path.starts_with("/runner/") && !path.starts_with("/hooks/"))
        .collect();
    let same: BTreeMap<&str, &str> = SAME.iter().copied().collect();
    let told: BTreeSet<&str> = same.keys().chain(PAGES_ALONE).copied().collect();
    assert_eq!(
        forms, told,
        "a form has its operation in SAME, or a reason in docs/ACCESS.md"
    );
    assert_eq!(told.len(), SAME.len() + PAGES_ALONE.len(), "one is there twice");

    let document: serde_json::Value = serde_json::from_str(super::TEXT).unwrap();
    for (form, operation) in same {
        let (verb, path) = operation.split_once(' ').unwrap();
        assert!(
            document["paths"][path][verb].is_object(),
            "{form}: there is no {operation}"
        );
    }
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/ACCESS.md");
    let text = std::fs::read_to_string(file).unwrap();
    let reasons = text.split("## What the pages alone do").nth(1);
    let reasons = reasons.and_then(|rest| rest.split("\n## ").next()).unwrap();
    for form in PAGES_ALONE {
        assert!(
            reasons.contains(&format!("`{form}`")),
            "docs/ACCESS.md does not say why only the pages have {form}"
        );
    }
}
