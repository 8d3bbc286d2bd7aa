//! Laravel with many tenants, each with a database of its own that Laravel's migrator migrates. A package in the
//! application has the name and the commands of `stancl/tenancy`.

use super::lab::{Lab, commit, sh};
use super::laravel::KEY;
use super::services::{Server, mariadb, said};
use crate::deploy;
use devflow_protocol::job::{RemoveProject, Work};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::{Framework, ProjectSpec};
use std::path::{Path, PathBuf};

const MIGRATION: &str = r"<?php
use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;
return new class extends Migration {
    public function up(): void { Schema::create('NAME', function (Blueprint $table): void { $table->id(); }); }
};
";

struct Tenants {
    lab: Lab,
    mariadb: Server,
    work: PathBuf,
    spec: ProjectSpec,
}

impl Tenants {
    async fn new(slug: &str) -> Self {
        let mariadb = mariadb().await;
        let socket = mariadb.socket("db.sock");
        let lab = Lab::with(&format!("[mariadb]\nsocket = \"{}\"\n", socket.display()));
        let work = lab.repository("laravel");
        lay_over(&work);
        let mut spec = Lab::spec(slug, Framework::MultiTenant, &work);
        spec.services.mariadb = true;
        Self {
            lab,
            mariadb,
            work,
            spec,
        }
    }

    /// A commit with a further migration of the tenants.
    fn add_migration(&self, table: &str) {
        let file = format!("database/migrations/tenant/2026_03_01_000000_create_{table}_table.php");
        std::fs::write(self.work.join(file), MIGRATION.replace("NAME", table)).expect("written");
        commit(&self.work, table);
    }

    fn root(&self, sql: &str) -> String {
        let socket = self.mariadb.socket("db.sock");
        let socket = format!("--socket={}", socket.display());
        said("mariadb", &["--no-defaults", "-uroot", "-N", &socket, "-e", sql])
    }

    /// Deploys, and gives what it came to with what was said.
    async fn deploy(&self, spec: &ProjectSpec) -> (Outcome, String) {
        let context = self.lab.context(Work::Deploy(Box::new(self.lab.work(spec))));
        let outcome = self.lab.deploy_in(&context, &[KEY]).await;
        (outcome, self.lab.transcript(&context))
    }
}

fn lay_over(work: &Path) {
    let from = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs this"))
        .join("../tests/apps/tenants");
    sh(work, &format!("cp -a {}/. .", from.display()));
    commit(work, "Many tenants");
}

#[tokio::test]
#[ignore = "needs Docker, Nginx, MariaDB and root"]
async fn each_tenant_is_migrated_and_a_failed_one_keeps_the_release_from_going_live() {
    let here = Tenants::new("orders").await;
    let (outcome, said) = here.deploy(&here.spec).await;
    assert!(
        matches!(outcome, Outcome::Succeeded { .. }),
        "{outcome:?}\n{said}"
    );
    assert!(said.contains("tenants:migrate: tenants: 3 done"), "{said}");
    assert!(said.contains("< migrate:tenants skipped"), "{said}");
    assert_eq!(
        here.root("SHOW DATABASES LIKE 'df\\_orders%'"),
        "df_orders\ndf_orders$acme\ndf_orders$beta\ndf_orders$gamma\n"
    );
    assert_eq!(here.root("SELECT COUNT(*) FROM `df_orders$beta`.notes"), "0\n");

    // One of them cannot be migrated.
    here.root("CREATE TABLE `df_orders$beta`.titles (id INT)");
    here.add_migration("titles");
    let (outcome, said) = here.deploy(&here.spec).await;
    let Outcome::Failed { step, reason } = outcome else {
        panic!("{outcome:?}\n{said}");
    };
    assert_eq!(step.expect("a step").as_str(), "tenants:migrate");
    assert!(
        reason.contains("2 done, 1 failed: beta") && reason.contains("SQLSTATE[42S01]"),
        "{reason}"
    );
    assert_eq!(here.lab.get("orders", "/up").await.status, 200);

    // The same commit goes on with the one that is left.
    here.root("DROP TABLE `df_orders$beta`.titles");
    let (outcome, said) = here.deploy(&here.spec).await;
    assert!(
        matches!(outcome, Outcome::Succeeded { .. }),
        "{outcome:?}\n{said}"
    );
    assert!(said.contains("tenants: 1 done, 2 done before"), "{said}");
    assert_eq!(here.root("SELECT COUNT(*) FROM `df_orders$beta`.titles"), "0\n");

    // Some may fail, if that is wished.
    let mut lenient = here.spec.clone();
    lenient.release.tenant_failures = 1;
    here.root("CREATE TABLE `df_orders$gamma`.colours (id INT)");
    here.add_migration("colours");
    let (outcome, said) = here.deploy(&lenient).await;
    let Outcome::Succeeded {
        manifest: Some(manifest),
    } = outcome
    else {
        panic!("{outcome:?}\n{said}");
    };
    assert!(said.contains("tenants: 2 done, 1 failed: gamma"), "{said}");
    assert!(
        manifest
            .migrations
            .contains(&"2026_03_01_000000_create_colours_table".to_owned())
            && manifest
                .destructive
                .contains_key("2026_03_01_000000_create_colours_table"),
        "{manifest:?}"
    );
}

#[tokio::test]
#[ignore = "needs Docker, Nginx, MariaDB and root"]
async fn tenants_databases_are_the_projects_alone_and_go_with_it() {
    let here = Tenants::new("alone").await;
    let (outcome, said) = here.deploy(&here.spec).await;
    assert!(
        matches!(outcome, Outcome::Succeeded { .. }),
        "{outcome:?}\n{said}"
    );
    for other in ["df_alone_x$acme", "df_alone_x", "df_aloneXacme", "df_other$acme"] {
        here.root(&format!("CREATE DATABASE `{other}`"));
    }
    let passwords = std::fs::read(here.lab.project("alone").join("services.json")).expect("passwords");
    let passwords: serde_json::Value = serde_json::from_slice(&passwords).expect("JSON");
    let password = passwords["mariadb"].as_str().expect("a password");
    let socket = here.mariadb.socket("db.sock");
    let seen = super::services::said(
        "mariadb",
        &[
            "--no-defaults",
            "-udf_alone",
            &format!("-p{password}"),
            "-N",
            &format!("--socket={}", socket.display()),
            "-e",
            "SHOW DATABASES LIKE 'df%'",
        ],
    );
    assert_eq!(seen, "df_alone\ndf_alone$acme\ndf_alone$beta\ndf_alone$gamma\n");

    let removal = RemoveProject {
        slug: here.spec.slug.clone(),
        purge: true,
    };
    let context = here.lab.context(Work::RemoveProject(removal.clone()));
    let outcome = deploy::remove(&context, &removal).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    assert_eq!(
        here.root("SHOW DATABASES LIKE 'df%'"),
        "df_aloneXacme\ndf_alone_x\ndf_alone_x$acme\ndf_other$acme\n"
    );
}

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn project_with_commands_of_its_own_is_asked_what_they_know() {
    let lab = Lab::new();
    let work = lab.repository("laravel");
    let spec = Lab::spec("own", Framework::MultiTenant, &work);
    match lab.deploy(&spec, &[KEY]).await {
        Outcome::Failed {
            step: Some(step),
            reason,
        } => {
            assert_eq!(step.as_str(), "migrate:tenants");
            assert!(reason.contains("migrate:tenants"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    sh(
        &work,
        r"cat >> routes/console.php <<'END'
Artisan::command('migrate:tenants {--force}', function (): void {
    touch(storage_path('app/migrated-tenants'));
});
Artisan::command('cache:clear {--tenants}', function (): void {
    touch(storage_path('app/cleared-tenants'));
});
END",
    );
    commit(&work, "Commands of its own");
    let context = lab.context(Work::Deploy(Box::new(lab.work(&spec))));
    let outcome = lab.deploy_in(&context, &[KEY]).await;
    let said = lab.transcript(&context);
    assert!(
        matches!(outcome, Outcome::Succeeded { .. }),
        "{outcome:?}\n{said}"
    );
    let storage = lab.project("own").join("shared/storage/app");
    assert!(storage.join("migrated-tenants").is_file() && storage.join("cleared-tenants").is_file());
    assert!(
        said.contains("skipped: artisan's `config:cache` does not know --tenants"),
        "{said}"
    );
}
