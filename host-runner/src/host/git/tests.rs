//! Fetching from repositories that ask who comes, or send more than a server takes.

use super::*;

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
        .fetch(&mirror, &url, &main, None, &CancellationToken::new())
        .await;
    let reason = fetched.expect_err("it is private").to_string();
    assert!(
        reason.ends_with("set its SSH address, and add the runner's deploy key to it"),
        "{reason}"
    );
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
        .fetch(&mirror, &url, &main, None, &cancel)
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
        .fetch(&mirror, &url, &main, None, &cancel)
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
