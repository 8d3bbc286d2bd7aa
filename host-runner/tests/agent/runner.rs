//! The real binary in a folder of its own.

use crate::edge::{Edge, PATIENCE, TOKEN};
use std::path::PathBuf;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Instant;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

/// A server's folder with a runner's configuration.
pub(crate) struct Server {
    pub(crate) folder: TempDir,
    /// The runner's program, where it is not the one that was built.
    pub(crate) program: Option<PathBuf>,
    /// Where requests go instead of to the edge itself.
    pub(crate) proxy: Option<String>,
}

impl Server {
    pub(crate) fn new() -> Self {
        let folder = TempDir::new().expect("a folder");
        let root = folder.path().display();
        // None of the tools is called in these tests, so none has to be there.
        let config = format!(
            r#"
            state_dir = "{root}/state"
            projects_dir = "{root}/projects"
            policy_file = "{root}/policy.toml"
            [docker]
            socket = "{root}/docker.sock"
            [nginx]
            binary = "{root}/nginx"
            config = "{root}/nginx.conf"
            vhost_dir = "{root}/vhosts"
            group = "root"
            "#
        );
        std::fs::write(folder.path().join("runner.toml"), config).expect("written");
        Self {
            folder,
            program: None,
            proxy: None,
        }
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// A call of the binary that has not begun.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let built = PathBuf::from(env!("CARGO_BIN_EXE_host-runner"));
        let mut command = Command::new(self.program.as_ref().unwrap_or(&built));
        command
            .arg("--config")
            .arg(self.folder.path().join("runner.toml"))
            .args(arguments)
            .env("NO_PROXY", "127.0.0.1")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        if let Some(proxy) = &self.proxy {
            command.env("HTTP_PROXY", proxy).env("http_proxy", proxy);
        }
        command
    }

    /// Runs a command to its end with `input` on its standard input.
    pub(crate) async fn call(&self, arguments: &[&str], input: &str) -> Output {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .spawn()
            .expect("the binary starts");
        let mut stdin = child.stdin.take().expect("piped");
        // A command that does not read its input may have ended already.
        let _ = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        tokio::time::timeout(PATIENCE, child.wait_with_output())
            .await
            .expect("ends in time")
            .expect("waited for")
    }

    pub(crate) async fn enrol(&self, edge: &Edge) {
        let arguments = [
            "enrol",
            "--edge",
            &edge.address,
            "--fingerprint",
            &edge.fingerprint(),
        ];
        let output = self.call(&arguments, TOKEN).await;
        assert!(output.status.success(), "{output:?}");
    }

    /// Waits until `status` prints `text`.
    pub(crate) async fn until_status(&self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = self.call(&["status", "--json"], "").await;
            if String::from_utf8_lossy(&status.stdout).contains(text) {
                return;
            }
            assert!(Instant::now() < deadline, "{status:?}");
        }
    }

    /// Starts `run`.
    pub(crate) fn run(&self) -> Running {
        Running(self.command(&["run"]).spawn().expect("the binary starts"))
    }
}

/// An enrolled server with a running runner.
pub(crate) async fn started(edge: &Edge) -> (Server, Running) {
    let server = Server::new();
    server.enrol(edge).await;
    let running = server.run();
    (server, running)
}

/// A runner that runs.
pub(crate) struct Running(Child);

impl Running {
    /// The most memory that it had so far, in KiB.
    pub(crate) fn peak_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.0.id().expect("it runs")));
        let status = status.expect("it runs");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = peak.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok());
        number.expect("a number")
    }

    /// SIGKILL.
    pub(crate) async fn kill(mut self) {
        self.0.kill().await.expect("killed");
    }

    /// SIGTERM, then its end.
    pub(crate) async fn stop(self) -> (ExitStatus, String) {
        let pid = self.0.id().expect("it runs");
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).expect("a pid")).expect("not 0");
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signalled");
        self.ended().await
    }

    /// Waits for its end; gives what it logged.
    pub(crate) async fn ended(self) -> (ExitStatus, String) {
        let output = tokio::time::timeout(PATIENCE, self.0.wait_with_output())
            .await
            .expect("ends in time")
            .expect("waited for");
        (
            output.status,
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    }
}
