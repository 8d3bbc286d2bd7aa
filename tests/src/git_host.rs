//! A Git host as providers have it: Nginx with TLS asks for user name and token, `git http-backend` answers.

use crate::process::output;
use crate::recorder::{Recorded, read_request};
use crate::tls::{Authority, Door};
use anyhow::{Context, Result};
use std::fs;
use std::io::{BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

/// A running host.
#[derive(Debug)]
pub struct GitHost {
    door: Door,
    folder: PathBuf,
    behind: Arc<Behind>,
}

/// What Nginx passes requests on to.
#[derive(Debug, Default)]
struct Behind {
    root: PathBuf,
    /// The token that nobody may see, and the command lines of this machine that showed it during a request.
    watched: Mutex<(String, Vec<String>)>,
}

impl GitHost {
    /// Serves the bare repositories of `root` to nobody yet; `folder` gets what the host needs itself.
    pub fn start(folder: &Path, root: &Path, authority: &Authority) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let users = folder.join("users");
        fs::write(&users, "")?;
        let listener = TcpListener::bind("127.0.0.1:0").context("cannot listen on this machine")?;
        let location = format!(
            "auth_basic \"git\"; auth_basic_user_file {}; proxy_pass http://{};",
            users.display(),
            listener.local_addr()?
        );
        let behind = Arc::new(Behind {
            root: root.to_owned(),
            ..Behind::default()
        });
        let served = Arc::clone(&behind);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                thread::spawn(move || {
                    if let Err(error) = served.serve(stream) {
                        eprintln!("the Git host did not answer: {error:#}");
                    }
                });
            }
        });
        Ok(Self {
            door: Door::open(folder, authority, &location)?,
            folder: folder.to_owned(),
            behind,
        })
    }

    /// Lets in who comes with this token, and nobody else from now on.
    pub fn admit(&self, user: &str, token: &str) -> Result<()> {
        token.clone_into(&mut self.behind.watched().0);
        fs::write(self.folder.join("users"), format!("{user}:{{PLAIN}}{token}\n"))
            .context("cannot write the users")
    }

    /// The address of a repository.
    pub fn url(&self, name: &str) -> String {
        format!("{}/{name}.git", self.door.url())
    }

    /// Command lines that showed the token while a request was answered.
    pub fn shown(&self) -> Vec<String> {
        self.behind.watched().1.clone()
    }
}

impl Behind {
    fn watched(&self) -> std::sync::MutexGuard<'_, (String, Vec<String>)> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn serve(&self, mut stream: TcpStream) -> Result<()> {
        let request = read_request(&mut BufReader::new(stream.try_clone()?))?;
        let Some(request) = request else { return Ok(()) };
        self.watch()?;
        stream.write_all(&self.answer(&request)?)?;
        Ok(())
    }

    fn watch(&self) -> Result<()> {
        let lines = output(Command::new("ps").args(["-ww", "-e", "-o", "args="]))?;
        let mut watched = self.watched();
        let (token, shown) = &mut *watched;
        shown.extend(
            lines
                .lines()
                .filter(|line| line.contains(token.as_str()))
                .map(str::to_owned),
        );
        Ok(())
    }

    /// By CGI: headers and a body, with the status as a header.
    fn answer(&self, request: &Recorded) -> Result<Vec<u8>> {
        let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
        let header = |name: &str| request.header(name).unwrap_or_default().to_owned();
        let mut child = Command::new("git")
            .arg("http-backend")
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", &request.method)
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("CONTENT_TYPE", header("content-type"))
            .env("CONTENT_LENGTH", request.body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
            .env("GIT_PROTOCOL", header("git-protocol"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run git http-backend")?;
        let mut stdin = child.stdin.take().context("no stdin")?;
        stdin.write_all(&request.body)?;
        drop(stdin);
        let mut said = child.wait_with_output()?.stdout;
        let status = match said.strip_prefix(b"Status: ") {
            Some(rest) => {
                String::from_utf8_lossy(rest.split(|byte| *byte == b'\r').next().unwrap_or_default())
                    .into_owned()
            }
            None => "200 OK".to_owned(),
        };
        let mut answer = format!("HTTP/1.0 {status}\r\n").into_bytes();
        answer.append(&mut said);
        Ok(answer)
    }
}
