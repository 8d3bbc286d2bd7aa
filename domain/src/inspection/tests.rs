//! Repositories as they are, and what is proposed for them.

use super::*;
use devflow_protocol::inspection::FILE_BYTES;
use devflow_protocol::text::GitSha;

fn commit() -> GitSha {
    "a".repeat(40).parse().expect("a commit")
}

fn found(files: &[(&str, &str)]) -> Inspection {
    let content = |path: &str| {
        let file = files.iter().find(|(name, _)| *name == path);
        file.map(|(_, text)| text.as_bytes().to_vec())
    };
    read(commit(), |path| content(path).is_some(), content)
}

#[test]
fn laravel_is_proposed_with_its_services_and_the_variables_that_want_a_value() {
    let proposal = propose(&found(&[
        ("artisan", ""),
        (
            "composer.json",
            r#"{"require": {"php": "^8.2", "laravel/framework": "^11.0", "predis/predis": "^2.0"}}"#,
        ),
        ("package.json", r#"{"scripts": {"build": "vite build"}}"#),
        (
            ".env.example",
            "APP_NAME=Laravel\nAPP_KEY=\n# comment\nDB_DATABASE=laravel\nDB_PASSWORD=x\nREDIS_HOST=1\n\nSTRIPE_KEY=\"sk\"\n\
             export MAIL_FROM=a\nSTRIPE_KEY=again\n not a variable\n",
        ),
    ]));
    let names: Vec<&str> = proposal.env_names.iter().map(EnvName::as_str).collect();
    assert_eq!(names, ["APP_NAME", "STRIPE_KEY", "MAIL_FROM"]);
    assert_eq!(
        (
            proposal.framework,
            proposal.php.as_str(),
            proposal.mariadb,
            proposal.redis
        ),
        (Framework::Laravel, "8.4", true, true)
    );
    assert_eq!(
        proposal.reasons,
        [
            "It has artisan and requires laravel/framework ^11.0: Laravel, with a queue worker and the scheduler.",
            "It requires PHP ^8.2: 8.4.",
            "Its .env.example names a database, so one is made for it.",
            "It requires predis/predis, so it is given Redis.",
            "Its package.json has a build script, which each deployment runs.",
        ]
    );
}

#[test]
fn horizon_is_proposed_in_place_of_the_queue_worker() {
    let proposed = |packages: &str| {
        let composer = format!(r#"{{"require": {{"laravel/framework": "^11.0"{packages}}}}}"#);
        let proposal = propose(&found(&[("artisan", ""), ("composer.json", &composer)]));
        let lines = proposal
            .processes
            .iter()
            .map(|one| format!("{} {}", one.name, one.argv.join(" ")));
        (lines.collect::<Vec<_>>(), proposal.reasons[0].clone())
    };
    let scheduler = "scheduler php artisan schedule:run";
    let (processes, reason) = proposed("");
    assert_eq!(
        processes,
        [
            "worker php artisan queue:work --sleep=1 --tries=3 --max-time=3600",
            scheduler
        ]
    );
    assert!(
        reason.ends_with("Laravel, with a queue worker and the scheduler."),
        "{reason}"
    );
    let (processes, reason) = proposed(r#", "laravel/horizon": "^5.0""#);
    assert_eq!(processes, ["horizon php artisan horizon", scheduler]);
    assert!(
        reason.ends_with("Laravel, with Horizon and the scheduler."),
        "{reason}"
    );
    let (processes, _) = proposed(r#", "laravel/horizon": "^5.0", "stancl/tenancy": "^3.0""#);
    assert_eq!(processes, ["horizon php artisan horizon", scheduler]);
    assert_eq!(propose(&found(&[("index.php", "")])).processes, []);
}

#[test]
fn dockerfile_is_proposed_where_no_framework_is_known() {
    let docker = ("Dockerfile", "FROM node:22\nEXPOSE 3000\n");
    let proposal = propose(&found(&[
        docker,
        ("package.json", r#"{"scripts": {"build": "x"}}"#),
    ]));
    assert_eq!(
        (proposal.framework, proposal.port),
        (Framework::Dockerfile, Some(3000))
    );
    assert_eq!(
        proposal.reasons,
        [
            "It has a Dockerfile and no framework that is known here: its image is built and run; say on which port it \
             speaks HTTP.",
            "It exposes port 3000."
        ]
    );
    let laravel = r#"{"require": {"laravel/framework": "^11.0"}}"#;
    let proposal = propose(&found(&[docker, ("artisan", ""), ("composer.json", laravel)]));
    assert_eq!((proposal.framework, proposal.port), (Framework::Laravel, None));
}

#[test]
fn compose_file_is_proposed_with_its_web_service_and_port() {
    let compose = (
        "compose.yaml",
        "services:\n  db: { image: postgres:16, volumes: [data:/d], expose: [5432] }\n  queue: { build: . }\n\
         \x20 app: { build: ., environment: { KEY: \"${KEY:?}\" } }\nvolumes: { data: }\n",
    );
    let docker = ("Dockerfile", "FROM node:22\nEXPOSE 3000\n");
    let proposal = propose(&found(&[docker, compose]));
    let service = proposal.service.as_ref().map(ComposeName::as_str);
    assert_eq!(
        (proposal.framework, proposal.port, service),
        (Framework::Compose, Some(3000), Some("app"))
    );
    assert_eq!(
        proposal.reasons,
        [
            "It has a compose.yaml and no framework that is known here: its services are built and run. db goes on from \
             release to release with its volumes.",
            "Visitors most likely reach its service app; choose another one if not.",
            "It exposes port 3000."
        ]
    );
    // One that cannot be deployed says why, and what else is there is taken.
    let bad = (
        "docker-compose.yml",
        "services:\n  app:\n    image: a\n    privileged: true\n",
    );
    let proposal = propose(&found(&[docker, bad]));
    assert_eq!(
        (proposal.framework, proposal.service),
        (Framework::Dockerfile, None)
    );
    let last = proposal.reasons.last().expect("a reason");
    assert!(
        last.starts_with("docker-compose.yml cannot be deployed as it is: line 4: service `app`:"),
        "{last}"
    );
    let laravel = ("composer.json", r#"{"require": {"laravel/framework": "^11.0"}}"#);
    let proposal = propose(&found(&[bad, ("artisan", ""), laravel]));
    assert_eq!(
        (proposal.framework, proposal.reasons.len()),
        (Framework::Laravel, 1)
    );
}

#[test]
fn other_repositories_are_plain_php_with_a_reason() {
    let proposed = |files: &[(&str, &str)]| {
        let proposal = propose(&found(files));
        assert_eq!(proposal.framework, Framework::Php);
        format!("{} {}", proposal.php, proposal.reasons.join(" "))
    };
    assert_eq!(
        proposed(&[("index.php", "")]),
        "8.4 It has an index.php: plain PHP."
    );
    assert_eq!(
        proposed(&[("composer.json", r#"{"require": {"php": "~8.1.0"}}"#)]),
        "8.1 It has a composer.json and no framework that is known here: plain PHP. It requires PHP ~8.1.0: 8.1."
    );
    assert_eq!(
        proposed(&[
            ("bin/console", ""),
            (
                "composer.json",
                r#"{"require": {"php": "^9.1", "symfony/framework-bundle": "^7.0"}}"#
            )
        ]),
        "8.4 It requires symfony/framework-bundle: a Symfony application. There is no pipeline for that, so plain PHP is \
         proposed; add its commands as hooks. It requires PHP ^9.1, which none of the known versions is; choose one."
    );
    assert_eq!(
        proposed(&[]),
        "8.4 Nothing says that this is a PHP application; look whether the branch is right."
    );
}

#[test]
fn shopware_is_proposed_with_its_database_and_without_what_is_set_for_it() {
    let proposal = propose(&found(&[
        ("bin/console", ""),
        ("composer.json", r#"{"require": {"shopware/core": "~6.6.0"}}"#),
        (
            ".env.example",
            "APP_ENV=prod\nAPP_SECRET=\nAPP_URL=http://127.0.0.1:8000\nDATABASE_URL=mysql://a:b@c/d\n",
        ),
    ]));
    let names: Vec<&str> = proposal.env_names.iter().map(EnvName::as_str).collect();
    assert_eq!(names, ["APP_URL"]);
    assert_eq!(
        (proposal.framework, proposal.mariadb),
        (Framework::Shopware, true)
    );
    assert_eq!(
        proposal.reasons,
        [
            "It has bin/console and requires shopware/core ~6.6.0: Shopware, with a queue worker and its scheduled tasks.",
            "Its .env.example names a database, so one is made for it.",
        ]
    );
}

#[test]
fn files_that_cannot_be_read_are_named_and_do_no_harm() {
    let large = " ".repeat(FILE_BYTES + 1);
    let found = found(&[
        ("composer.json", "{"),
        ("package.json", &large),
        ("index.php", ""),
    ]);
    assert_eq!(
        found.unreadable,
        [
            "package.json is no text of at most 256 KiB, so it was not looked at.",
            "composer.json is not JSON: EOF while parsing an object at line 1 column 1."
        ]
    );
    assert!(found.requires.is_empty() && !found.builds_assets);
    for text in [
        r#"{"require": []}"#,
        r#"{"require": {"a": 1}}"#,
        "[]",
        "7",
        "null",
    ] {
        let found = self::found(&[("composer.json", text), ("package.json", text)]);
        assert!(found.requires.is_empty(), "{text}");
    }
}

#[test]
fn lists_are_bounded() {
    let many: Vec<String> = (0..1_000).map(|n| format!("NAME_{n}=")).collect();
    let many = many.join("\n");
    assert_eq!(found(&[(".env.example", &many)]).env_names.len(), 300);
}

#[test]
fn addresses_tell_provider_and_name() {
    let cases = [
        (
            "git@github.com:acme/flower-shop.git",
            Some(Provider::Github),
            "Flower shop",
        ),
        ("https://gitlab.com/acme/api_v2", Some(Provider::Gitlab), "Api v2"),
        (
            "ssh://git@bitbucket.org/acme/a.git/",
            Some(Provider::Bitbucket),
            "A",
        ),
        ("https://codeberg.org/acme/x.git", Some(Provider::Gitea), "X"),
        ("https://github.com.evil.test/acme/x.git", None, "X"),
        ("", None, ""),
    ];
    for (address, provider, name) in cases {
        assert_eq!(
            (provider_of(address), name_of(address).as_str()),
            (provider, name),
            "{address}"
        );
    }
}

#[test]
fn laravel_with_a_package_for_tenants_is_multi_tenant() {
    for package in ["stancl/tenancy", "spatie/laravel-multitenancy"] {
        let composer = format!(r#"{{"require": {{"laravel/framework": "^12.0", "{package}": "^3.9"}}}}"#);
        let proposal = propose(&found(&[("artisan", ""), ("composer.json", &composer)]));
        assert_eq!(proposal.framework, Framework::MultiTenant);
        assert_eq!(
            proposal.reasons,
            [format!(
                "It has artisan and requires laravel/framework ^12.0 and {package}: Laravel with many tenants."
            )]
        );
    }
}
