//! What the form makes of what was typed.

use super::*;

#[test]
fn new_project_reads_what_was_typed_into_settings() {
    let form = ProjectForm {
        name: " Shop ".to_owned(),
        server: "srv_1".to_owned(),
        repository: "git@github.com:acme/shop.git".to_owned(),
        domains: "Shop.example.com\r\nwww.shop.example.com".to_owned(),
        path_filter: "backend/**\n".to_owned(),
        ..ProjectForm::new()
    };
    let mut fields = form.new_project().unwrap();
    let head: Vec<Value> = ["name", "server", "provider", "branch"]
        .map(|field| fields.remove(field).unwrap())
        .to_vec();
    assert_eq!(head, ["Shop", "srv_1", "github", "main"]);
    fields.remove("health_path");
    let settings: ProjectSettings = serde_json::from_value(Value::Object(fields)).unwrap();
    assert_eq!(settings.problems(), vec![]);
    assert_eq!(settings.path_filter, ["backend/**"]);
    assert_eq!(
        settings.domains.iter().map(Fqdn::as_str).collect::<Vec<_>>(),
        ["shop.example.com", "www.shop.example.com"]
    );
    assert_eq!(
        (settings.limits, settings.release),
        (Limits::default(), ReleasePolicy::default())
    );
}

#[test]
fn new_project_names_every_field_that_cannot_be_read() {
    let form = ProjectForm {
        slug: "My Shop".to_owned(),
        repository: "shop".to_owned(),
        branch: "a b".to_owned(),
        php: "eight".to_owned(),
        domains: "localhost".to_owned(),
        health_path: "up".to_owned(),
        memory_mib: "much".to_owned(),
        ..ProjectForm::new()
    };
    let fields: Vec<String> = form
        .new_project()
        .unwrap_err()
        .into_iter()
        .map(|(field, _)| field)
        .collect();
    assert_eq!(
        fields,
        [
            "repository",
            "branch",
            "php",
            "domains",
            "health_path",
            "limits.memory_mib",
            "slug"
        ]
    );
}

#[test]
fn compose_project_has_its_service_and_no_dockerfile() {
    let form = ProjectForm {
        name: "Shop".to_owned(),
        repository: "https://h/a.git".to_owned(),
        domains: "a.test".to_owned(),
        framework: "compose".to_owned(),
        compose_file: " deploy/compose.yaml ".to_owned(),
        compose_service: "web".to_owned(),
        port: "3000".to_owned(),
        ..ProjectForm::new()
    };
    let fields = form.new_project().unwrap();
    assert_eq!(
        fields["container"],
        json!({ "compose": { "file": "deploy/compose.yaml", "service": "web" }, "port": 3000, "replicas": 1 })
    );
    let form = ProjectForm {
        compose_file: "../x".to_owned(),
        compose_service: String::new(),
        ..form
    };
    let problems = form.new_project().unwrap_err();
    let fields: Vec<&str> = problems.iter().map(|(field, _)| field.as_str()).collect();
    assert_eq!(fields, ["container.compose.file", "container.compose.service"]);
}

#[test]
fn token_is_sent_where_one_was_typed_and_taken_away_where_that_was_ticked() {
    let form = ProjectForm {
        repository: "https://h/a.git".to_owned(),
        domains: "a.test".to_owned(),
        inspection: "job_1".to_owned(),
        ..ProjectForm::new()
    };
    let made = form.new_project().unwrap();
    assert_eq!(
        (made.get("repository_token"), &made["inspection"]),
        (None, &json!("job_1"))
    );
    let with = ProjectForm {
        token: " ghp_secret ".to_owned(),
        token_user: "ada".to_owned(),
        ..form.clone()
    };
    let made = with.new_project().unwrap();
    assert_eq!(
        made["repository_token"],
        json!({ "user": "ada", "token": "ghp_secret" })
    );
    assert_eq!(made.get("inspection"), None);
    let name_alone = ProjectForm {
        token_user: "ada".to_owned(),
        ..form.clone()
    };
    assert_eq!(
        name_alone.new_project().unwrap_err()[0].0,
        "repository_token.token"
    );

    let settings = r#"{"framework":"php","repository":"https://h/a.git","domains":["a.test"]}"#;
    let settings: ProjectSettings = serde_json::from_str(settings).unwrap();
    assert_eq!(form.changes(&settings).unwrap().get("repository_token"), None);
    let gone = ProjectForm {
        token_gone: true,
        ..form
    };
    assert_eq!(gone.changes(&settings).unwrap()["repository_token"], Value::Null);
}

#[test]
fn variables_without_a_value_are_not_set() {
    let variables = |text: &str| ProjectForm {
        variables: text.to_owned(),
        ..ProjectForm::new()
    };
    let read = variables("APP_NAME=\r\nMAIL_FROM=a@example.com\r\n")
        .variables()
        .unwrap();
    let read: Vec<(&str, &str)> = read
        .0
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    assert_eq!(read, [("MAIL_FROM", "a@example.com")]);
    let problems = variables("nonsense").variables().unwrap_err();
    assert_eq!(problems[0].0, "variables");
}

#[test]
fn changes_keep_what_is_not_on_the_form() {
    let json = r#"{"framework":"php","repository":"https://h/a.git","domains":["a.test"],
        "limits":{"memory_mib":512,"cpu_milli":1000,"php_memory_mib":256,"max_children":4,"execution_s":120,
        "php_ini":{"date.timezone":"UTC"}},"release":{"keep":3,"drain_s":90,"observe_s":5,"ready_s":20}}"#;
    let before: ProjectSettings = serde_json::from_str(json).unwrap();
    let form = ProjectForm {
        name: "A".to_owned(),
        repository: "https://h/a.git".to_owned(),
        domains: "a.test".to_owned(),
        memory_mib: "1024".to_owned(),
        ..ProjectForm::new()
    };
    let changes = form.changes(&before).unwrap();
    assert_eq!(changes["limits"]["memory_mib"], 1024);
    assert_eq!(changes["limits"]["php_ini"]["date.timezone"], "UTC");
    assert_eq!(changes["limits"]["execution_s"], 120);
    assert_eq!(changes["release"]["drain_s"], 90);
}
