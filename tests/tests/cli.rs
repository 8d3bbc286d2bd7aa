//! The `devflow` command against the running product.

use anyhow::{Context, Result, ensure};
use devflow_tests::alone::Alone;
use devflow_tests::browser::Browser;
use devflow_tests::cli::Cli;
use devflow_tests::edge::EMAIL;
use devflow_tests::process::{free_port, output, wait_for};
use devflow_tests::server::{Installation, Parts};
use devflow_tests::terminal::Terminal;
use serde_json::json;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant};

#[test]
fn command_deploys_follows_goes_back_and_imports_an_environment() -> Result<()> {
    let here = Installation::start(Parts::default())?;
    let site = here.project("php", &json!({}))?;
    let slug = site.project.slug.as_str();
    let cli = Cli::new(&here.folder().join("home"), site.repository.path());

    // Nothing works before the login, and a wrong key is not kept.
    ensure!(cli.run(&["projects"])?.code == 2);
    let login = ["login", here.edge.url()];
    ensure!(cli.run_with(&login, "no key\n")?.code == 2);
    ensure!(cli.run_with(&login, "dfp_notakeyofthisinstallation\n")?.code == 3);
    ensure!(!cli.login_file().exists(), "a refused key was kept");
    log_in_by_a_browser(&cli, &here)?;
    ensure!(fs::metadata(cli.login_file())?.permissions().mode() & 0o777 == 0o600);

    // The first deployment, of the project that this folder is a clone of.
    site.repository.push("First version")?;
    let followed = cli.run(&["deploy", "--follow"])?.expect(0)?;
    ensure!(followed.contains("First version"), "no commit in:\n{followed}");
    ensure!(followed.contains("✓ switch"), "no step in:\n{followed}");
    ensure!(
        followed
            .trim_end()
            .lines()
            .last()
            .is_some_and(|line| line.starts_with("✓ live after"))
    );
    ensure!(site.page("/")?.contains("version 1"));

    // The second without following, then by its output.
    site.repository.write("VERSION", "2\n")?;
    let push = site.repository.push("Second version")?;
    let queued = cli
        .run(&["--json", "deploy", slug, "--commit", &push.after])?
        .json()?;
    let id = queued["id"].as_str().context("no id")?;
    ensure!(
        cli.run(&["logs", "-f", "--deployment", id])?
            .expect(0)?
            .contains("Second version")
    );
    ensure!(site.page("/")?.contains("version 2"));
    let again = cli.run(&["logs", slug])?.expect(0)?;
    ensure!(again.contains("✓ switch"), "no step in:\n{again}");

    // Back to the first; it is live, and there is nothing before it.
    let back = cli.run(&["rollback", "--follow"])?.expect(0)?;
    ensure!(back.starts_with("going back to"), "{back}");
    ensure!(site.page("/")?.contains("version 1"));
    let no_more = cli.run(&["rollback", slug])?;
    ensure!(
        no_more.code == 3 && no_more.err.contains("keeps no release"),
        "{no_more:?}"
    );

    environment(&cli, slug, &here)?;
    assert_eq!(site.page("/?env=GREETING")?, "aGVsbG8=", "not `hello`");
    lists(&cli, slug, &here)
}

/// The terminal shows a code, and the owner lets it in elsewhere.
fn log_in_by_a_browser(cli: &Cli, here: &Installation) -> Result<()> {
    let mut login = cli.start(&["login", here.edge.url(), "--browser", "--no-open"])?;
    let code = login.says("Code: ")?.replace("Code: ", "");
    let browser = Browser::start()?;
    browser.sign_in(here.edge.url(), EMAIL, &here.password)?;
    browser.open(&format!("{}/device?code={code}", here.edge.url()))?;
    browser.shows("Let this device log in?", Duration::from_secs(20))?;
    browser.click("form button.main")?;
    browser.shows("is let in", Duration::from_secs(20))?;
    login.end()?.expect(0).map(drop)
}

/// Values are shown only to who asks for them, and reach the application with the next deployment.
fn environment(cli: &Cli, slug: &str, here: &Installation) -> Result<()> {
    let file = here.folder().join("import.env");
    fs::write(&file, "GREETING=\"Grüße, $you\"\nTOKEN='s3cret'\n")?;
    let file = file.to_str().context("a path as text")?;
    let imported = cli.run(&["env", "import", file])?;
    ensure!(!imported.out.contains("s3cret") && !imported.err.contains("s3cret"));
    ensure!(imported.expect(0)?.contains("took over 2 variables"));
    ensure!(
        cli.run_with(&["env", "set", "-p", slug, "EXTRA"], "from standard input\n")?
            .code
            == 0
    );
    assert_eq!(cli.run(&["env", "list"])?.expect(0)?, "EXTRA\nGREETING\nTOKEN\n");
    assert_eq!(
        cli.run(&["env", "get", "EXTRA"])?.expect(0)?,
        "from standard input\n"
    );
    ensure!(cli.run(&["env", "unset", "EXTRA"])?.code == 0);
    ensure!(cli.run(&["env", "get", "EXTRA"])?.code == 3);
    assert_eq!(
        cli.run(&["env", "export"])?.expect(0)?,
        "GREETING=\"Grüße, \\$you\"\nTOKEN=\"s3cret\"\n"
    );
    let replaced = cli.run_with(&["env", "import", "--replace", "-"], "GREETING=hello\n")?;
    ensure!(replaced.code == 0, "{replaced:?}");
    assert_eq!(cli.run(&["env", "export"])?.expect(0)?, "GREETING=\"hello\"\n");
    cli.run(&["deploy", "--follow"])?.expect(0)?;
    Ok(())
}

fn lists(cli: &Cli, slug: &str, here: &Installation) -> Result<()> {
    let projects = cli.run(&["projects"])?.expect(0)?;
    ensure!(
        projects
            .lines()
            .any(|line| line.starts_with(slug) && line.contains(" live ")),
        "{projects}"
    );
    let servers = cli.run(&["--json", "servers"])?.json()?;
    assert_eq!(servers[0]["state"], "online");
    let status = cli.run(&["status"])?.expect(0)?;
    ensure!(status.starts_with(&format!("Project   {slug} ")), "{status}");
    let page = cli.run(&["open", "--print"])?.expect(0)?;
    ensure!(
        page.starts_with(&format!("{}/projects/prj_", here.edge.url())),
        "{page}"
    );
    let unknown = cli.run(&["status", "nowhere"])?;
    ensure!(unknown.code == 3 && unknown.err.contains(slug), "{unknown:?}");
    let out = cli.run(&["logout"])?;
    ensure!(out.code == 0 && out.err.contains("the key has ended"), "{out:?}");
    ensure!(cli.run(&["projects"])?.code == 2);
    Ok(())
}

#[test]
fn command_without_an_answer_ends_with_its_own_code_and_soon() -> Result<()> {
    let scratch = devflow_tests::places::Scratch::new()?;
    let cli = Cli::new(&scratch.path().join("home"), scratch.path());
    let address = format!("http://127.0.0.1:{}", free_port()?);
    let started = Instant::now();
    let ran = cli.run_with(&["login", &address], "dfp_somekey\n")?;
    ensure!(ran.code == 4 && ran.err.contains(&address), "{ran:?}");
    ensure!(
        started.elapsed() < Duration::from_secs(15),
        "it took {:?}",
        started.elapsed()
    );
    let plain = cli.run_with(&["login", "http://devflow.example.com"], "dfp_somekey\n")?;
    ensure!(plain.code == 2 && plain.err.contains("unencrypted"), "{plain:?}");
    Ok(())
}

#[test]
fn completions_of_each_shell_know_the_commands() -> Result<()> {
    let scratch = devflow_tests::places::Scratch::new()?;
    let cli = Cli::new(&scratch.path().join("home"), scratch.path());
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = cli.run(&["completions", shell])?.expect(0)?;
        for word in ["devflow", "rollback", "follow"] {
            ensure!(script.contains(word), "{shell} does not know {word}");
        }
    }
    let script = scratch.path().join("devflow.bash");
    fs::write(&script, cli.run(&["completions", "bash"])?.expect(0)?)?;
    let ask = "source \"$1\"; COMP_WORDS=(devflow ro); COMP_CWORD=1; _devflow devflow ro devflow; echo \"${COMPREPLY[@]}\"";
    let told = output(
        Command::new("bash")
            .args(["--norc", "-c", ask, "bash"])
            .arg(&script),
    )?;
    assert_eq!(told.trim(), "rollback");
    Ok(())
}

/// The newest deployment, which waits for a server that is not there, once it was looked at twice; and ends it.
fn cancel_newest(here: &Alone, project: &str, before: Option<&str>) -> Result<String> {
    let path = format!("/projects/{project}/deployments");
    let id = wait_for("the deployment to be followed", Duration::from_secs(20), || {
        let newest = here.api.get(&path)?["items"][0]["id"].as_str().map(str::to_owned);
        let newest = newest.filter(|id| Some(id.as_str()) != before);
        let id = newest.context("it was not asked for")?;
        let look = format!("cost of GET /api/v1/deployments/{id}/output");
        let looks = fs::read_to_string(here.edge.log())?.matches(&look).count();
        ensure!(looks >= 2, "looked at {looks} times");
        Ok(Some(id))
    })?;
    let path = format!("/deployments/{id}/cancel");
    here.api.post(&path, &json!({}), 202)?;
    Ok(id)
}

#[test]
fn progress_is_one_passing_line_at_a_terminal_and_nothing_elsewhere() -> Result<()> {
    let here = Alone::start_with(&json!({"DEBUG_COST": "1"}))?;
    let project = here.project("shop", &json!({}))?;
    let cli = Cli::new(&here.folder().join("home"), here.folder());
    cli.run_with(&["login", here.edge.url()], &format!("{}\n", here.api.key()))?
        .expect(0)?;
    let deploy = ["deploy", "shop", "--follow"];

    let terminal = Terminal::start(&cli, &deploy, None)?;
    let first = cancel_newest(&here, &project.id, None)?;
    let (code, text) = terminal.end()?;
    let progress = "\r\u{1b}[Kqueued … ";
    // Drawn more than once, each time over the one before, and wiped away before what stays is written.
    ensure!(text.matches(progress).count() > 1, "{text:?}");
    let (said, drawn) = text.split_once("\r\n").context("one line")?;
    let (drawn, left) = drawn.rsplit_once("\r\u{1b}[K").context("no progress")?;
    ensure!(
        code == 1 && said == format!("shop is being deployed: {first}") && !drawn.contains('\n'),
        "{code} {text:?}"
    );
    ensure!(
        left.contains("the deployment is cancelled") && !left.contains('…'),
        "{text:?}"
    );

    // Where one of the two is no terminal there is none: a file or a pipe gets what stays.
    let file = here.folder().join("out");
    let terminal = Terminal::start(&cli, &deploy, Some(&file))?;
    let second = cancel_newest(&here, &project.id, Some(&first))?;
    let half = terminal.end()?;
    let running = cli.start(&deploy)?;
    cancel_newest(&here, &project.id, Some(&second))?;
    let piped = running.end()?;
    ensure!((half.0, piped.code) == (1, 1), "{half:?} {piped:?}");
    let written = fs::read_to_string(&file)?;
    assert_eq!(written, format!("shop is being deployed: {second}\n"));
    for text in [&half.1, &piped.out, &piped.err] {
        ensure!(!text.contains('\u{1b}') && !text.contains('…'), "{text:?}");
    }
    ensure!(
        half.1.contains("the deployment is cancelled") && piped.err.contains("the deployment is cancelled"),
        "{half:?} {piped:?}"
    );
    Ok(())
}
