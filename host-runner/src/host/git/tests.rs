//! Fetching from repositories that ask who comes, or send more than a server takes.

use super::*;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use devflow_protocol::repository::RepositoryToken;
use devflow_protocol::text::RepositoryUrl;
use std::sync::{Arc, Mutex};

/// A Git host that wants a sign-in, for as long as the test runs.
async fn host_that_asks_who_comes() -> RepositoryUrl {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let url = format!(
        "http://{}/acme/shop.git",
        listener.local_addr().expect("an address")
    );
    let routes = axum::Router::new().fallback(async || {
        let challenge = [("www-authenticate", "Basic realm=\"git\"")];
        (axum::http::StatusCode::UNAUTHORIZED, challenge)
    });
    tokio::spawn(async move { axum::serve(listener, routes).await });
    url.parse().expect("an address")
}

#[tokio::test]
async fn fetch_of_a_private_repository_without_ssh_says_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    let git = Git::new(folder.path(), 64).expect("made");
    let url = host_that_asks_who_comes().await;
    let (mirror, main) = (
        folder.path().join("repo.git"),
        "refs/heads/main".parse().expect("a ref"),
    );
    let fetched = git
        .fetch(
            &mirror,
            Source::new(&url, None),
            &main,
            None,
            &CancellationToken::new(),
        )
        .await;
    let reason = fetched.expect_err("it is private").to_string();
    assert!(
        reason.ends_with("or set its SSH address and add the runner's deploy key to it"),
        "{reason}"
    );
}

/// Who came to a Git host, by the header `Authorization` of each request.
type Visits = Arc<Mutex<Vec<Option<String>>>>;

/// Whom a Git host leads on to another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum LeadsOn {
    Everybody,
    WhoHasTheToken,
}

/// A Git host that asks for a token, and leads on to the address that is given.
async fn host_with_a_token(further: Option<(LeadsOn, String)>) -> (String, Visits) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0")
        .await
        .expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let visits = Visits::default();
    let seen = Arc::clone(&visits);
    let routes = axum::Router::new().fallback(move |uri: Uri, headers: HeaderMap| {
        let given = headers.get(header::AUTHORIZATION);
        let given = given.map(|it| it.to_str().expect("text").to_owned());
        let known = given.as_deref() == Some(BASIC);
        seen.lock().expect("unharmed").push(given);
        let answer = match &further {
            Some((whom, further)) if known || *whom == LeadsOn::Everybody => {
                (StatusCode::FOUND, [(header::LOCATION, format!("{further}{uri}"))])
            }
            _ => (
                StatusCode::UNAUTHORIZED,
                [(header::WWW_AUTHENTICATE, "Basic realm=\"git\"".to_owned())],
            ),
        };
        async { answer }
    });
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (origin, visits)
}

/// `ada:ghp_secret` in base64.
const BASIC: &str = "Basic YWRhOmdocF9zZWNyZXQ=";

/// Why nothing is fetched from `at` with the token that is for `at`.
async fn refused_at(at: &str) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let git = Git::new(folder.path(), 64).expect("made");
    let token = RepositoryToken::new("ada", "ghp_secret").expect("a token");
    let url = format!("{at}/acme/shop.git").parse().expect("an address");
    let source = Source {
        login: Some(Login::at(at, &token)),
        ..Source::new(&url, None)
    };
    let (mirror, main) = (
        folder.path().join("repo.git"),
        "refs/heads/main".parse().expect("a ref"),
    );
    let fetched = git
        .fetch(&mirror, source, &main, None, &CancellationToken::new())
        .await;
    let kept = std::process::Command::new("grep")
        .args(["-rc", "ghp_secret"])
        .arg(folder.path())
        .output();
    let kept = String::from_utf8(kept.expect("grep is there").stdout).expect("text");
    assert!(
        !kept.is_empty() && kept.lines().all(|line| line.ends_with(":0")),
        "{kept}"
    );
    fetched.expect_err("it is private").to_string()
}

#[tokio::test]
async fn token_that_is_refused_is_told_with_what_to_do_and_kept_nowhere() {
    let (origin, visits) = host_with_a_token(None).await;
    let reason = refused_at(&origin).await;
    assert_eq!(
        reason,
        format!(
            "could not fetch {origin}/acme/shop.git: the repository refused the token of the user ada: it is wrong, has expired \
             or was taken back; make a new one that may read the repository, and give it to the project"
        )
    );
    let visits = visits.lock().expect("unharmed").clone();
    assert_eq!(visits, [None, Some(BASIC.to_owned())]);
}

#[tokio::test]
async fn token_is_not_given_to_a_host_that_its_own_leads_to() {
    for (whom, expected) in [
        (
            LeadsOn::Everybody,
            "it leads to another host, which the token is not for",
        ),
        // Git tells this apart from a refusal in no way.
        (
            LeadsOn::WhoHasTheToken,
            "the repository refused the token of the user ada",
        ),
    ] {
        let (elsewhere, visits) = host_with_a_token(None).await;
        let (origin, _) = host_with_a_token(Some((whom, elsewhere))).await;
        let reason = refused_at(&origin).await;
        assert!(reason.contains(expected), "{whom:?}: {reason}");
        let visits = visits.lock().expect("unharmed").clone();
        assert!(
            !visits.is_empty() && visits.iter().all(Option::is_none),
            "{visits:?}"
        );
    }
}

#[test]
fn token_is_for_https_alone() {
    let token = RepositoryToken::new("ada", "ghp_secret").expect("a token");
    for (url, taken) in [
        ("https://h.test/a", true),
        ("http://h.test/a", false),
        ("git@h.test:a", false),
    ] {
        let url = url.parse().expect("an address");
        assert_eq!(Source::new(&url, Some(&token)).login.is_some(), taken, "{url}");
    }
}

/// A repository with one commit of one file, and a runner's git that takes 1 MiB.
fn large_repository(folder: &Path, content: &[u8]) -> (Git, RepositoryUrl) {
    let code = folder.join("code");
    std::fs::create_dir_all(&code).expect("a folder");
    std::fs::write(code.join("large"), content).expect("written");
    for arguments in [
        &["init", "-q", "-b", "main"][..],
        &["add", "."],
        &[
            "-c",
            "user.name=A",
            "-c",
            "user.email=a@b.test",
            "commit",
            "-qm",
            "First",
        ],
    ] {
        let mut git = std::process::Command::new("git");
        let status = git.current_dir(&code).args(arguments).status();
        assert!(status.expect("git is installed").success());
    }
    let url = format!("file://{}", code.display()).parse().expect("an address");
    (Git::new(&folder.join("state"), 1).expect("made"), url)
}

#[tokio::test]
async fn fetch_of_more_than_this_server_takes_is_ended() {
    let folder = tempfile::tempdir().expect("a folder");
    // It cannot be compressed.
    let mut noise = vec![0; 3 << 20];
    getrandom::fill(&mut noise).expect("random bytes");
    let (git, url) = large_repository(folder.path(), &noise);
    let main = "refs/heads/main".parse().expect("a ref");
    let cancel = CancellationToken::new();
    let mirror = folder.path().join("repo.git");
    let error = git
        .fetch(&mirror, Source::new(&url, None), &main, None, &cancel)
        .await
        .expect_err("it is too large");
    assert!(
        error.to_string().ends_with(
            "it sends more at once than this server takes; see `repository_mib` in its runner.toml"
        ),
        "{error}"
    );
    let left: u64 = walk(&mirror);
    assert!(left < 2 << 20, "{left} bytes are left behind");
}

/// What the files below a folder take, in bytes.
fn walk(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let size = |entry: std::fs::DirEntry| match entry.metadata().expect("metadata") {
        about if about.is_dir() => walk(&entry.path()),
        about => about.len(),
    };
    entries.map(|entry| size(entry.expect("an entry"))).sum()
}

#[tokio::test]
async fn checkout_of_more_than_this_server_takes_writes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (git, url) = large_repository(folder.path(), &vec![0; 3 << 20]);
    let main = "refs/heads/main".parse().expect("a ref");
    let cancel = CancellationToken::new();
    let mirror = folder.path().join("repo.git");
    let (sha, _) = git
        .fetch(&mirror, Source::new(&url, None), &main, None, &cancel)
        .await
        .expect("it is small on the way");
    let into = folder.path().join("app");
    std::fs::create_dir(&into).expect("a folder");
    let error = git
        .checkout(&mirror, &sha, &into, &cancel)
        .await
        .expect_err("it is too large");
    assert_eq!(
        error.to_string(),
        "the commit's files take 3 MiB, and this server takes 1; see `repository_mib` in its runner.toml"
    );
    assert_eq!(walk(&into), 0);
}

#[test]
fn ssh_command_knows_the_pinned_host_keys_and_those_of_the_administrator() {
    let folder = tempfile::tempdir().expect("a folder");
    let ssh = Git::new(folder.path(), 64).expect("made").ssh_command();
    let call = std::process::Command::new("sh")
        .arg("-c")
        .arg(format!("{ssh} -G h.test"))
        .output();
    let shown = String::from_utf8(call.expect("ssh is installed").stdout).expect("text");
    for file in ["globalknownhostsfile", "userknownhostsfile"]
        .into_iter()
        .zip(["known_hosts.pinned", "known_hosts"])
    {
        let line = format!("{} {}", file.0, folder.path().join(file.1).display());
        assert!(
            shown.lines().any(|found| found == line),
            "{line} is not in {shown}"
        );
    }
}
