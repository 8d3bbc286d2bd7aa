//! Nginx with a prefix of its own on a port of its own.

use crate::places;
use crate::process::{Process, free_port, output, wait_for};
use anyhow::{Context, Result};
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A running Nginx. Its vhosts are `vhosts/*.conf` below its folder.
#[derive(Debug)]
pub struct Nginx {
    process: Process,
    folder: PathBuf,
    port: u16,
}

impl Nginx {
    /// Starts it; `folder` gets configuration, vhosts and logs.
    pub fn start(folder: &Path) -> Result<Self> {
        let port = free_port()?;
        for part in ["vhosts", "logs", "tmp"] {
            fs::create_dir_all(folder.join(part))?;
        }
        fs::write(folder.join("nginx.conf"), configuration(folder)).context("cannot write nginx.conf")?;
        // Keeps the port open until the runner has written its default vhost.
        fs::write(
            folder.join("base.conf"),
            format!("server {{ listen 127.0.0.1:{port}; server_name base.invalid; return 404; }}\n"),
        )?;
        let process = Process::start(
            "nginx",
            &mut Self::command(folder)?,
            &folder.join("logs/start.log"),
        )?;
        let mut nginx = Self {
            process,
            folder: folder.to_owned(),
            port,
        };
        wait_for("Nginx to listen", Duration::from_secs(10), || {
            nginx.process.check()?;
            Ok(TcpStream::connect(("127.0.0.1", port)).ok().map(drop))
        })?;
        Ok(nginx)
    }

    fn command(folder: &Path) -> Result<Command> {
        let mut command = Command::new(Self::binary()?);
        command
            .arg("-c")
            .arg(folder.join("nginx.conf"))
            .arg("-p")
            .arg(folder)
            .arg("-e")
            .arg(folder.join("logs/error.log"));
        Ok(command)
    }

    /// The system's binary.
    pub fn binary() -> Result<PathBuf> {
        places::find_program("nginx").context("nginx is not installed; `cargo xtask setup` installs it")
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it lives.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether the configuration with all vhosts passes `nginx -t`.
    pub fn test(&self) -> Result<()> {
        output(Self::command(&self.folder)?.arg("-t")).map(drop)
    }

    /// Stops it at once and starts it again with the vhosts that are there.
    pub fn restart(&mut self) -> Result<()> {
        self.process.kill();
        let (folder, port) = (self.folder.clone(), self.port);
        self.process = Process::start(
            "nginx",
            &mut Self::command(&folder)?,
            &folder.join("logs/start.log"),
        )?;
        wait_for("Nginx to listen again", Duration::from_secs(10), || {
            self.process.check()?;
            Ok(TcpStream::connect(("127.0.0.1", port)).ok().map(drop))
        })
    }
}

fn configuration(folder: &Path) -> String {
    let at = folder.display();
    format!(
        "user www-data;
daemon off;
worker_processes 2;
worker_rlimit_nofile 8192;
pid {at}/nginx.pid;
error_log {at}/logs/error.log warn;
events {{ worker_connections 2048; }}
http {{
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    access_log off;
    sendfile on;
    keepalive_requests 100000;
    server_names_hash_bucket_size 128;
    client_body_temp_path {at}/tmp/body;
    fastcgi_temp_path {at}/tmp/fastcgi;
    proxy_temp_path {at}/tmp/proxy;
    uwsgi_temp_path {at}/tmp/uwsgi;
    scgi_temp_path {at}/tmp/scgi;
    include {at}/base.conf;
    include {at}/vhosts/*.conf;
}}
"
    )
}
