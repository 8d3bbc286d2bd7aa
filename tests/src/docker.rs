//! The Docker engine: the one that is there, or one started by hand beside it.

use crate::places;
use crate::process::{Process, output, wait_for};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The image with PHP-FPM, Composer, Node and git that projects run in.
pub const PHP_IMAGE: &str = "devflow/php:8.4";

/// A Docker engine that answers.
#[derive(Clone, Debug)]
pub struct Docker {
    socket: PathBuf,
}

impl Docker {
    /// The engine that answers: `DOCKER_HOST`'s, the system's, or the one in the cache folder.
    pub fn find() -> Result<Self> {
        let host = std::env::var("DOCKER_HOST").ok();
        let named = host
            .as_deref()
            .and_then(|host| host.strip_prefix("unix://"))
            .map(PathBuf::from);
        let own = places::cache()?.join("dk/docker.sock");
        named
            .into_iter()
            .chain(["/var/run/docker.sock".into(), own])
            .map(|socket| Self { socket })
            .find(|docker| docker.answers().is_ok())
            .context("no Docker engine answers on this machine; `cargo xtask setup` installs and starts one (as root)")
    }

    /// The engine behind a socket.
    pub fn at(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
        }
    }

    /// Its socket.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Fails when the engine does not answer.
    pub fn answers(&self) -> Result<()> {
        if !self.socket.exists() {
            bail!("{} is not there", self.socket.display());
        }
        self.run(&["version", "--format", "{{.Server.Version}}"])
            .map(drop)
    }

    /// A `docker` command for this engine.
    pub fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command
            .env_remove("DOCKER_CONTEXT")
            .env("DOCKER_HOST", format!("unix://{}", self.socket.display()));
        command
    }

    /// Runs `docker` and gives what it printed.
    pub fn run(&self, arguments: &[&str]) -> Result<String> {
        Ok(output(self.command().args(arguments))?.trim_end().to_owned())
    }

    /// Whether an image is there.
    pub fn has_image(&self, name: &str) -> bool {
        self.run(&["image", "inspect", "--format", "{{.Id}}", name])
            .is_ok()
    }

    /// Names of running containers whose name contains `part`.
    pub fn running(&self, part: &str) -> Result<Vec<String>> {
        let names = self.run(&[
            "ps",
            "--filter",
            &format!("name={part}"),
            "--format",
            "{{.Names}}",
        ])?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Names of all containers whose name contains `part`.
    pub fn all(&self, part: &str) -> Result<Vec<String>> {
        let names = self.run(&[
            "ps",
            "-a",
            "--filter",
            &format!("name={part}"),
            "--format",
            "{{.Names}}",
        ])?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Removes containers, networks and images whose name contains `part`, running or not.
    pub fn remove_all(&self, part: &str) -> Result<()> {
        for name in self.all(part)? {
            self.run(&["rm", "-f", &name])?;
        }
        let networks = self.run(&[
            "network",
            "ls",
            "--filter",
            &format!("name={part}"),
            "--format",
            "{{.Name}}",
        ])?;
        for name in networks.lines() {
            self.run(&["network", "rm", name])?;
        }
        let reference = format!("reference=*{part}*");
        let images = self.run(&[
            "image",
            "ls",
            "--filter",
            &reference,
            "--format",
            "{{.Repository}}:{{.Tag}}",
        ])?;
        for name in images.lines() {
            self.run(&["image", "rm", "-f", name])?;
        }
        Ok(())
    }
}

/// An engine of our own, in a network namespace of its own, so that its bridges and NAT rules never touch the machine's.
/// Ends on drop; images stay in its folder.
#[derive(Debug)]
pub struct Engine {
    process: Process,
    docker: Docker,
    folder: PathBuf,
    namespace: String,
}

impl Engine {
    /// One that nothing else on this machine uses, with the image that projects run in: it is kept in the cache folder.
    pub fn own(name: &str) -> Result<Self> {
        let engine = Self::start(&places::cache()?.join(name), &format!("devflow-{name}"))?;
        if !engine.docker.has_image(PHP_IMAGE) {
            let from = Docker::find()?;
            let archive = places::cache()?.join(format!("{name}-image.tar"));
            output(from.command().args(["save", "-o"]).arg(&archive).arg(PHP_IMAGE))?;
            output(engine.docker.command().args(["load", "-i"]).arg(&archive))?;
            fs::remove_file(&archive)?;
        }
        Ok(engine)
    }

    /// The network namespace in which its containers' networks are.
    pub fn namespace(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.namespace)
    }

    /// Starts `dockerd` with its data under `folder`. Needs root.
    pub fn start(folder: &Path, namespace: &str) -> Result<Self> {
        for part in ["data", "exec", "run", "log"] {
            fs::create_dir_all(folder.join(part))?;
        }
        if !Path::new("/run/netns").join(namespace).exists() {
            output(Command::new("ip").args(["netns", "add", namespace]))?;
        }
        output(Command::new("ip").args(["-n", namespace, "link", "set", "lo", "up"]))?;
        let docker = Docker::at(&folder.join("docker.sock"));
        let process = Self::spawn(folder, namespace)?;
        let mut engine = Self {
            process,
            docker,
            folder: folder.to_owned(),
            namespace: namespace.to_owned(),
        };
        engine.wait()?;
        Ok(engine)
    }

    fn spawn(folder: &Path, namespace: &str) -> Result<Process> {
        // After a kill these name processes that are gone, and a new daemon would wait for them.
        for stale in [
            "run/docker.pid",
            "exec/containerd/containerd.pid",
            "exec/containerd/containerd.sock",
        ] {
            let _ = fs::remove_file(folder.join(stale));
        }
        // nsenter and not `ip netns exec`, which mounts a fresh /sys and so hides the control groups.
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{namespace}"))
            .arg("dockerd")
            .arg(format!("--host=unix://{}", folder.join("docker.sock").display()))
            .arg("--data-root")
            .arg(folder.join("data"))
            .arg("--exec-root")
            .arg(folder.join("exec"))
            .arg("--pidfile")
            .arg(folder.join("run/docker.pid"))
            // Docker's default pools end at 31 networks; each project has one.
            .arg("--default-address-pool=base=10.201.0.0/16,size=26");
        let mut process = Process::start("dockerd", &mut command, &folder.join("log/dockerd.log"))?;
        process.grace = Duration::from_secs(30);
        // Its containerd must outlive its orderly end, which it brings about itself.
        process.leader_first = true;
        Ok(process)
    }

    fn wait(&mut self) -> Result<()> {
        let docker = self.docker.clone();
        wait_for("the Docker engine to answer", Duration::from_mins(1), || {
            self.process.check()?;
            Ok(docker.answers().ok())
        })
    }

    /// The engine's client.
    pub fn docker(&self) -> &Docker {
        &self.docker
    }

    /// Stops the daemon and starts it again, as a system update does.
    pub fn restart(&mut self) -> Result<()> {
        self.process.stop();
        self.process = Self::spawn(&self.folder, &self.namespace)?;
        self.wait()
    }

    /// Kills the daemon and whatever it ran, as a power cut does, and starts it again.
    pub fn power_cut(&mut self) -> Result<()> {
        for container in self.docker.run(&["ps", "-q"])?.lines() {
            // One that ends by itself meanwhile is as dead as the others.
            let _ = self.docker.run(&["kill", container]);
        }
        self.process.kill();
        self.process = Self::spawn(&self.folder, &self.namespace)?;
        self.wait()
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.process.stop();
        let _ = output(Command::new("ip").args(["netns", "del", &self.namespace]));
    }
}
