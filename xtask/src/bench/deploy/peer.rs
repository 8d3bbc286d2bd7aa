//! Debian's Capistrano, set up as its users do, with the same application, commands, image and database server. It has no webhook: its time begins with its command.

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use devflow_tests::docker::{Docker, PHP_IMAGE};
use devflow_tests::http::{Answer, Client};
use devflow_tests::nginx::Nginx;
use devflow_tests::process::{Process, output, wait_for};
use devflow_tests::server::{Installation, Site};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const HOST: &str = "peer.localhost";
/// What `cap install` writes, filled in. The server is this machine itself, so that no time goes into SSH.
const CONFIGURATION: [(&str, &str); 3] = [
    (
        "Capfile",
        "require \"capistrano/setup\"\nrequire \"capistrano/deploy\"\nrequire \"capistrano/scm/git\"\n\
         install_plugin Capistrano::SCM::Git\n",
    ),
    ("config/deploy.rb", include_str!("deploy.rb")),
    ("config/deploy/production.rb", "server :local, roles: %w[app]\n"),
];

/// A site that Capistrano deploys.
pub(super) struct Capistrano {
    folder: PathBuf,
    repository: String,
    container: String,
    nginx: Nginx,
    docker: Docker,
}

impl Capistrano {
    /// Makes the folders, the database, PHP-FPM and a vhost; nothing is deployed yet.
    pub(super) fn prepare(here: &Installation, site: &Site<'_>) -> Result<Self> {
        let folder = here.folder().join("peer");
        let (mariadb, redis) = (here.server.mariadb.as_ref(), here.server.redis.as_ref());
        let mariadb = mariadb.context("the installation has no MariaDB")?;
        let redis = redis.context("the installation has no Redis")?;
        fs::create_dir_all(folder.join("shared"))?;
        fs::create_dir_all(folder.join("config/deploy"))?;
        for (file, text) in CONFIGURATION {
            fs::write(folder.join(file), text).with_context(|| format!("cannot write the peer's {file}"))?;
        }
        mariadb.query("CREATE DATABASE peer")?;
        let environment = environment(mariadb.socket(), redis.socket())?;
        fs::write(folder.join("shared/.env"), environment).context("cannot write the peer's .env")?;
        fs::write(folder.join("fpm.conf"), fpm(&folder)).context("cannot write fpm.conf")?;
        let mut nginx = Nginx::start(&folder.join("nginx"))?;
        fs::write(
            nginx.folder().join("vhosts/peer.conf"),
            vhost(&folder, nginx.port()),
        )
        .context("cannot write the peer's vhost")?;
        nginx.restart()?;
        let peer = Self {
            repository: site.repository.url(),
            container: here.slug("peer"),
            nginx,
            docker: here.server.docker.clone(),
            folder,
        };
        peer.start_fpm(&[mariadb.socket(), redis.socket()])?;
        Ok(peer)
    }

    /// One container for requests and for commands: starting one for each command would only cost the peer time.
    fn start_fpm(&self, sockets: &[&Path]) -> Result<()> {
        let mut command = self.docker.command();
        command.args(["run", "--detach", "--network", "none", "--name", &self.container]);
        let folders = sockets.iter().filter_map(|socket| socket.parent());
        for folder in folders.chain([self.folder.as_path(), Path::new(&self.repository_folder())]) {
            command.arg("--volume");
            command.arg(format!("{0}:{0}", folder.display()));
        }
        command.args(["--env", "COMPOSER_ALLOW_SUPERUSER=1", PHP_IMAGE]);
        command.args([
            "php-fpm8.4",
            "--nodaemonize",
            "--allow-to-run-as-root",
            "--fpm-config",
        ]);
        output(command.arg(self.folder.join("fpm.conf"))).map(drop)
    }

    fn repository_folder(&self) -> String {
        self.repository.trim_start_matches("file://").to_owned()
    }

    /// Deploys what was pushed last; milliseconds until a page shows `wanted`.
    pub(super) fn deploy(&self, wanted: &str) -> Result<u64> {
        let mut command = Command::new("cap");
        command
            .args(["production", "deploy"])
            .current_dir(&self.folder)
            .env("PEER_REPOSITORY", &self.repository)
            .env("PEER_FOLDER", &self.folder)
            .env("PEER_CONTAINER", &self.container)
            .env(
                "DOCKER_HOST",
                format!("unix://{}", self.docker.socket().display()),
            );
        let log = self.folder.join("cap.log");
        let started = Instant::now();
        let mut cap = Process::start("cap", &mut command, &log)?;
        let limit = Duration::from_mins(3);
        wait_for("Capistrano's release through Nginx", limit, || {
            if let Some(status) = cap.ended() {
                ensure!(status.success(), "cap failed; see {}", log.display());
            }
            Ok(self.visit()?.text().contains(wanted).then_some(()))
        })?;
        let took = u64::try_from(started.elapsed().as_millis())?;
        let status = wait_for("Capistrano to end", limit, || Ok(cap.ended()))?;
        ensure!(status.success(), "cap failed; see {}", log.display());
        Ok(took)
    }

    fn visit(&self) -> Result<Answer> {
        let url = format!("http://127.0.0.1:{}/up", self.nginx.port());
        Client::default().get(&url, &[("host", HOST)])
    }
}

fn environment(mariadb: &Path, redis: &Path) -> Result<String> {
    let mut key = [0u8; 32];
    getrandom::fill(&mut key).context("no random bytes from the system")?;
    Ok(format!(
        "APP_ENV=production\nAPP_KEY=base64:{}\nCACHE_DRIVER=redis\nQUEUE_CONNECTION=redis\nSESSION_DRIVER=redis\n\
         DB_CONNECTION=mysql\nDB_SOCKET={}\nDB_DATABASE=peer\nDB_USERNAME=root\nREDIS_HOST={}\nREDIS_PORT=0\n\
         REDIS_PREFIX=peer:\n",
        BASE64_STANDARD.encode(key),
        mariadb.display(),
        redis.display()
    ))
}

fn fpm(folder: &Path) -> String {
    format!(
        "[global]\nerror_log = /dev/stderr\n[peer]\nuser = root\nlisten = {}/fpm.sock\nlisten.mode = 0666\npm = static\n\
         pm.max_children = 4\n",
        folder.display()
    )
}

fn vhost(folder: &Path, port: u16) -> String {
    let at = folder.display();
    format!(
        "server {{
    listen 127.0.0.1:{port};
    server_name {HOST};
    root {at}/current/public;
    location / {{ try_files $uri /index.php?$query_string; }}
    location ~ \\.php$ {{
        include /etc/nginx/fastcgi_params;
        fastcgi_param SCRIPT_FILENAME $realpath_root$fastcgi_script_name;
        fastcgi_param DOCUMENT_ROOT $realpath_root;
        fastcgi_pass unix:{at}/fpm.sock;
    }}
}}
"
    )
}
