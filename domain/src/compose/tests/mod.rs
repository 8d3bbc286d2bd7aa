//! Compose files as people have them.

mod refused;

use super::*;

const SHOP: &str = r#"
name: shop
x-defaults: &defaults
  restart: unless-stopped
  env_file: .env
services:
  web:
    <<: *defaults
    build: .
    command: php -S "0.0.0.0:8080" index.php
    expose: [8080]
    ports: ["80:3000"]
    depends_on:
      db: { condition: service_healthy }
      migrate: { condition: service_completed_successfully }
    environment:
      DB_HOST: db
      DB_PASSWORD: ${DB_PASSWORD:?set it}
      MODE: ${MODE:-live}
      DEBUG:
    volumes: ["uploads:/app/uploads"]
    healthcheck: { test: ["CMD", "true"], interval: 1m30s, retries: 3 }
  mirror:
    image: nginx
    depends_on: [web]
  queue:
    <<: *defaults
    build: { context: ., args: { A: "$$1" }, target: worker }
    entrypoint: []
    stop_signal: SIGQUIT
    stop_grace_period: 1m30s
    read_only: true
    tmpfs: /tmp:size=64m
    init: false
    user: "1000:1000"
  migrate:
    build: ./
    command: ["migrate"]
    depends_on: [db]
  db:
    image: postgres:${PG:-16}
    environment: [POSTGRES_PASSWORD=$DB_PASSWORD, "PASSED", NOT_SET]
    volumes:
      - type: volume
        source: data
        target: /var/lib/postgresql/data
    healthcheck: { test: pg_isready }
    labels: { a: b }
  mail:
    image: mailpit
    profiles: [dev]
    privileged: true
volumes:
  data:
  uploads: {}
"#;

fn environment(pairs: &[(&str, &str)]) -> Environment {
    let pair = |(name, value): &(&str, &str)| (name.parse().expect("a name"), (*value).to_owned());
    Environment(pairs.iter().map(pair).collect())
}

fn name(text: &str) -> ComposeName {
    text.parse().expect("a name")
}

/// What a repository without further files answers.
#[expect(clippy::unnecessary_wraps, reason = "others cannot be read")]
fn no_file(_: &RelPath) -> Result<Option<String>, String> {
    Ok(None)
}

fn shop() -> Compose {
    let environment = environment(&[("DB_PASSWORD", "s$cret"), ("PASSED", "on"), ("DEBUG", "0")]);
    read(SHOP, &name("web"), &environment, &mut no_file).expect("it is taken")
}

/// The first sentence about a file with one service `web`, whose keys these are.
fn refusal(keys: &str) -> String {
    let keys = keys.replace('\n', "\n    ");
    let text = format!("services:\n  web:\n    image: a\n    {keys}\nvolumes: {{ data: }}\n");
    let read = read(&text, &name("web"), &Environment::default(), &mut no_file);
    read.expect_err("it is refused").to_string()
}

#[test]
fn read_takes_a_usual_file_whole() {
    let compose = shop();
    let started: Vec<String> = compose
        .services
        .iter()
        .map(|it| format!("{} {:?}{}", it.name, it.kind, if it.late { " late" } else { "" }))
        .collect();
    assert_eq!(
        started,
        [
            "db Kept",
            "queue Release",
            "migrate Task",
            "web Web",
            "mirror Release late"
        ]
    );
    assert_eq!(
        compose.notes,
        [
            "no port is published: visitors come by the project's host names, services by each other's names",
            "service `queue`: `user` is not used, the project's own user is",
            "service `mail` has `profiles`, so it is left out",
        ]
    );
    let web = compose.web().expect("web");
    let set: Vec<String> = web
        .environment
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    // Its file is the project's whole environment; a name without a value is passed on.
    assert_eq!(
        set,
        [
            "DB_HOST=db",
            "DB_PASSWORD=s$cret",
            "DEBUG=0",
            "MODE=live",
            "PASSED=on"
        ]
    );
    assert_eq!(
        web.command.clone().expect("a command"),
        ["php", "-S", "0.0.0.0:8080", "index.php"]
    );
    assert_eq!(
        (web.port, web.depends_on[&name("db")]),
        (Some(8080), Condition::Healthy)
    );
    let check = web.healthcheck.clone().expect("a check");
    assert_eq!(
        (check.interval, check.retries, check.timeout),
        (Some(90_000_000_000), Some(3), None)
    );
    let db = compose.service(&name("db")).expect("db");
    assert_eq!(db.source, Source::Image("postgres:16".parse().expect("an image")));
    assert_eq!(
        db.environment,
        environment(&[("POSTGRES_PASSWORD", "s$cret"), ("PASSED", "on")]).0
    );
    assert_eq!(
        db.healthcheck.clone().expect("a check").test,
        ["CMD-SHELL", "pg_isready"]
    );
    let queue = compose.service(&name("queue")).expect("queue");
    assert_eq!(queue.entrypoint, Some(vec![]));
    assert_eq!(
        (queue.stop_signal.as_deref(), queue.stop_grace_s),
        (Some("SIGQUIT"), 90)
    );
    assert_eq!((queue.init, queue.read_only), (false, true));
    assert_eq!(
        queue.tmpfs,
        BTreeMap::from([("/tmp".to_owned(), "size=64m".to_owned())])
    );
    // Two of three are built alike.
    let builds: Vec<&str> = compose.builds().iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(builds, ["queue", "migrate"]);
    assert_eq!(compose.builds()[0].1.arguments, environment(&[("A", "$1")]).0);
}

#[test]
fn read_asks_for_variables_that_are_required() {
    let error = read(SHOP, &name("web"), &Environment::default(), &mut no_file).expect_err("required");
    assert_eq!(
        error.to_string(),
        "line 18: service `web`: `environment` cannot be filled in: the variable `DB_PASSWORD` is not set (set it); set it in \
         the project's environment"
    );
    let text = "services: { web: { image: a, command: [\"$A\", \"${B}\", \"${C:-c}\"] } }";
    let compose = read(text, &name("web"), &Environment::default(), &mut no_file).expect("taken");
    assert_eq!(
        compose.web().expect("web").command.clone().expect("a command"),
        ["", "", "c"]
    );
    assert_eq!(compose.notes.len(), 2, "{:?}", compose.notes);
}

#[test]
fn env_files_are_of_the_repository_and_later_ones_win() {
    let text = "services: { web: { image: a, env_file: [one.env, { path: ./two.env }, { path: no.env, required: false }], \
                environment: { C: own } } }";
    let mut file = |path: &RelPath| match path.as_str() {
        "one.env" => Ok(Some("A=1\nB='1 $X'\nC=1\n".to_owned())),
        "two.env" => Ok(Some("# a comment\nA=2\n".to_owned())),
        _ => Ok(None),
    };
    let compose = read(text, &name("web"), &Environment::default(), &mut file).expect("taken");
    assert_eq!(
        compose.web().expect("web").environment,
        environment(&[("A", "2"), ("B", "1 $X"), ("C", "own")]).0
    );
    assert_eq!(
        refusal("env_file: other.env"),
        "line 4: service `web`: `env_file` names `other.env`, which the repository does not have; `.env` stands for the \
         project's environment"
    );
    assert!(refusal("env_file: ../../etc/passwd").contains("names no file of the repository"));
}

#[test]
fn kinds_follow_from_volumes_sources_and_who_waits() {
    let kept = |web: &str, text: &str| {
        let text = format!("services: {{ {text} }}\nvolumes: {{ d: }}\n");
        read(&text, &name(web), &Environment::default(), &mut no_file)
    };
    let kinds = |compose: Compose| -> Vec<String> {
        compose
            .services
            .iter()
            .map(|it| format!("{}:{:?}", it.name, it.kind))
            .collect()
    };
    let text = "a: { image: x, volumes: [d:/d] }, b: { build: ., volumes: [d:/d] }, c: { image: x }";
    assert_eq!(
        kinds(kept("c", text).expect("taken")),
        ["a:Kept", "b:Release", "c:Web"]
    );
    assert_eq!(
        kinds(kept("a", text).expect("taken")),
        ["a:Web", "b:Release", "c:Release"]
    );
    let error = kept(
        "c",
        "a: { image: x, volumes: [d:/d], depends_on: [c] }, c: { image: x }",
    )
    .expect_err("refused");
    assert!(
        error
            .to_string()
            .contains("service `a` goes on from release to release"),
        "{error}"
    );
    let waits = "depends_on: { a: { condition: service_completed_successfully } }";
    let error = kept("a", &format!("a: {{ image: x }}, b: {{ image: x, {waits} }}")).expect_err("refused");
    assert!(
        error
            .to_string()
            .contains("is what visitors reach, so nothing can wait for its end"),
        "{error}"
    );
}

#[test]
fn outline_knows_services_without_their_variables() {
    let compose = outline(SHOP).expect("it is taken");
    let found: Vec<String> = compose
        .services
        .iter()
        .map(|it| format!("{} {:?} {:?}", it.name, it.kind, it.port))
        .collect();
    assert_eq!(
        found,
        [
            "db Kept None",
            "queue Release None",
            "migrate Task None",
            "web Release Some(8080)",
            "mirror Release None"
        ]
    );
}

proptest::proptest! {
    /// Whatever is in a file, it is read or refused, and nothing that is read reaches out of the project.
    #[test]
    fn read_ends_and_lets_nothing_out(
        text in "(services:\n|  web:\n|  b:\n|    |image: a\n|build: |\\.|/|\\.\\./|volumes: |\\[d:/x, |\\]|- |\\{|\\}|, |: |&a |\\*a|<<: |\"|'|\\$\\{A:-|\\$\\$|depends_on: \\[b\\]\n|volumes: \\{d: \\}\n|privileged: true\n|[a-z]|\n){0,60}"
    ) {
        if let Ok(compose) = read(&text, &name("web"), &Environment::default(), &mut no_file) {
            proptest::prop_assert!(compose.web().is_some());
            for service in &compose.services {
                for volume in &service.volumes {
                    proptest::prop_assert!(volume.target.starts_with('/') && !volume.target.contains(".."));
                }
            }
            let json = serde_json::to_string(&compose).expect("JSON");
            proptest::prop_assert_eq!(serde_json::from_str::<Compose>(&json).expect("read back"), compose);
        }
    }

    /// A key that the specification has and this crate does not know is never passed over.
    #[test]
    fn unknown_keys_are_refused(key in "[a-z_]{3,20}") {
        let known = ["annotations", "build", "command", "depends_on", "entrypoint", "env_file", "environment", "expose",
            "healthcheck", "image", "init", "labels", "ports", "profiles", "read_only", "restart", "stop_grace_period",
            "stop_signal", "tmpfs", "user", "volumes", "working_dir"];
        if !known.contains(&key.as_str()) {
            let text = format!("services: {{ web: {{ image: a, {key}: {{}} }} }}");
            let error = outline(&text).expect_err("it is refused").to_string();
            let named = format!("`{key}`");
            proptest::prop_assert!(error.contains(&named), "{}", error);
        }
    }
}
