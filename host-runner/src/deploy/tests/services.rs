//! A database and a Redis user made for a project: reached by the application, closed to others, gone after a purge.

use super::lab::{Lab, eventually, sh};
use crate::deploy;
use devflow_protocol::job::{RemoveProject, Work};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::Framework;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

/// A database server of the test's own, ended with it.
pub(super) struct Server {
    child: Child,
    dir: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself, which the test has shown then.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn folder() -> tempfile::TempDir {
    let dir = tempfile::Builder::new()
        .prefix("devflow-db-")
        .tempdir()
        .expect("a folder");
    sh(dir.path(), "chmod 755 .; mkdir data run; chmod 755 run");
    dir
}

async fn await_socket(path: &Path) {
    eventually(&format!("{}", path.display()), async || {
        tokio::net::UnixStream::connect(path).await.is_ok()
    })
    .await;
}

pub(super) async fn mariadb() -> Server {
    let dir = folder();
    sh(
        dir.path(),
        "chown mysql data run; mariadb-install-db --no-defaults --user=mysql --datadir=$PWD/data \
         --auth-root-authentication-method=normal --skip-test-db >/dev/null",
    );
    let at = dir.path().display();
    let child = Command::new("mariadbd")
        .args(["--no-defaults", "--user=mysql", "--skip-networking"])
        .args([
            format!("--datadir={at}/data"),
            format!("--socket={at}/run/db.sock"),
            format!("--log-error={at}/data/log"),
        ])
        .spawn()
        .expect("MariaDB");
    let server = Server { child, dir };
    await_socket(&server.socket("db.sock")).await;
    server
}

async fn redis() -> Server {
    let dir = folder();
    let at = dir.path().display();
    let child = Command::new("redis-server")
        .args([
            "--port",
            "0",
            "--unixsocketperm",
            "777",
            "--save",
            "",
            "--requirepass",
            MASTER,
            "--unixsocket",
        ])
        .args([
            format!("{at}/run/redis.sock"),
            "--dir".into(),
            format!("{at}/data"),
            "--logfile".into(),
            format!("{at}/log"),
        ])
        .spawn()
        .expect("Redis");
    let server = Server { child, dir };
    await_socket(&server.socket("redis.sock")).await;
    server
}

impl Server {
    pub(super) fn socket(&self, name: &str) -> PathBuf {
        self.dir.path().join("run").join(name)
    }
}

/// What Redis's default user needs, which projects must not know.
const MASTER: &str = "the-master-password";

pub(super) fn said(program: &str, args: &[&str]) -> String {
    let out = Command::new(program).args(args).output().expect(program);
    String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr)
}

#[tokio::test]
#[ignore = "needs Docker, Nginx, MariaDB, Redis and root"]
async fn database_and_redis_are_the_projects_own_until_a_purge() {
    let (mariadb, redis) = (mariadb().await, redis().await);
    let (db, cache) = (mariadb.socket("db.sock"), redis.socket("redis.sock"));
    let password_file = redis.dir.path().join("password");
    std::fs::write(&password_file, format!("{MASTER}\n")).expect("written");
    let lab = Lab::with(&format!(
        "[mariadb]\nsocket = \"{}\"\n[redis]\nsocket = \"{}\"\npassword_file = \"{}\"\n",
        db.display(),
        cache.display(),
        password_file.display()
    ));
    let work = lab.repository("laravel");
    let mut spec = Lab::spec("my-shop", Framework::Laravel, &work);
    spec.services.mariadb = true;
    spec.services.redis = true;
    let environment = [
        super::laravel::KEY,
        ("QUEUE_CONNECTION", "redis"),
        ("CACHE_DRIVER", "redis"),
    ];
    let outcome = lab.deploy(&spec, &environment).await;
    assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
    assert_eq!(lab.get("my-shop", "/queue").await.status, 200);
    eventually("the job", async || {
        lab.get("my-shop", "/recorded")
            .await
            .body
            .contains("job-of-version-1")
    })
    .await;

    let sql = |statement: &str| {
        said(
            "mariadb",
            &[
                "--no-defaults",
                "-uroot",
                "-S",
                &db.to_string_lossy(),
                "-Ne",
                statement,
            ],
        )
    };
    assert_eq!(sql("SELECT count(*) > 0 FROM df_my_shop.orders"), "1\n");
    let grants = sql("SHOW GRANTS FOR df_my_shop@localhost");
    assert!(grants.contains("ON `df\\\\_my\\\\_shop`.*"), "{grants}");
    let env =
        std::fs::read_to_string(lab.project("my-shop").join("current/app/.env")).expect("the environment");
    let value = |name: &str| {
        let line = env
            .lines()
            .find_map(|line| line.strip_prefix(&format!("{name}=")));
        line.expect("a value").trim_matches('"').to_owned()
    };
    let password = value("REDIS_PASSWORD");
    let client = |words: &[&str]| {
        let socket = cache.to_string_lossy().into_owned();
        let mut args = vec![
            "-s",
            &socket,
            "--no-auth-warning",
            "--user",
            "df_my_shop",
            "--pass",
            &password,
        ];
        args.extend_from_slice(words);
        said("redis-cli", &args)
    };
    assert_eq!(client(&["SET", "df_my_shop:a", "1"]), "OK\n");
    assert!(client(&["GET", "other:a"]).contains("NOPERM"));
    assert!(client(&["FLUSHALL"]).contains("NOPERM"));
    // Without its own name a project is nobody.
    let stranger = |words: &[&str]| said("redis-cli", &[&["-s", &cache.to_string_lossy()], words].concat());
    assert!(stranger(&["GET", "df_my_shop:a"]).contains("NOAUTH"));

    // Redis forgets its users with a restart; the reconcile loop gives them back.
    let master = |words: &[&str]| stranger(&[&["--no-auth-warning", "-a", MASTER], words].concat());
    assert_eq!(master(&["ACL", "DELUSER", "df_my_shop"]), "1\n");
    let seen = lab.host.docker.list(None).await.expect("a list");
    deploy::bring_up(&lab.host, &spec.slug, &seen)
        .await
        .expect("it comes up");
    assert_eq!(client(&["GET", "df_my_shop:a"]), "1\n");

    let remove = RemoveProject {
        slug: spec.slug.clone(),
        purge: true,
    };
    let context = lab.context(Work::RemoveProject(remove.clone()));
    assert_eq!(
        deploy::remove(&context, &remove).await,
        Outcome::Succeeded { manifest: None }
    );
    assert_eq!(sql("SHOW DATABASES LIKE 'df%'"), "");
    assert_eq!(master(&["KEYS", "*"]), "\n");
    assert!(client(&["PING"]).contains("WRONGPASS"));
}
