//! Who asks too often is told so, and nobody else is.

use anyhow::{Result, bail, ensure};
use devflow_tests::edge::Edge;
use devflow_tests::http::{Answer, Client};
use devflow_tests::places::Scratch;
use serde_json::json;

/// Asks until it is too many, at most two windows' worth: one may end meanwhile.
fn until_refused(most: usize, ask: impl Fn() -> Result<Answer>) -> Result<Answer> {
    for _ in 0..2 * most + 2 {
        let answer = ask()?;
        if answer.status == 429 {
            return Ok(answer);
        }
    }
    bail!("{most} a minute are not the most")
}

fn check(refused: &Answer, policy: &str) -> Result<()> {
    ensure!(refused.json()?["code"] == "rate_limited", "{}", refused.text());
    ensure!(refused.header("retry-after") == Some("60"));
    ensure!(
        refused.header("ratelimit-policy") == Some(policy),
        "{:?}",
        refused.headers
    );
    Ok(())
}

#[test]
fn who_asks_too_often_is_refused_and_nobody_else() -> Result<()> {
    let scratch = Scratch::new()?;
    let edge = Edge::start_limited(&scratch.path().join("e"))?;
    let (api, _) = edge.set_up()?;
    let (server, _) = api.add_server("one")?;
    let add = |name: &str| {
        api.add_project(&json!({
            "name": name, "framework": "php", "repository": "https://github.com/acme/shop", "server": server,
            "provider": "github", "domains": [format!("{name}.example.com")],
        }))
    };
    let (shop, blog) = (add("shop")?, add("blog")?);
    let client = Client::default();

    let deliver = |url: &str| client.send("POST", url, &[], Some(b"{}"));
    let refused = until_refused(300, || deliver(&shop.hook.url))?;
    check(&refused, "\"hook\";q=300;w=60")?;
    ensure!(
        deliver(&blog.hook.url)?.status == 401,
        "another hook is refused too"
    );

    let known = api.call("GET", "/key", None)?;
    ensure!(known.header("ratelimit-policy") == Some("\"api\";q=600;w=60"));
    let hidden = api.call("GET", "/projects/prj_01h2e8kqvbfwea724h75qc655w", None)?;
    ensure!(hidden.status == 404 && hidden.header("ratelimit-policy") == known.header("ratelimit-policy"));
    let refused = until_refused(600, || api.call("GET", "/key", None))?;
    check(&refused, "\"api\";q=600;w=60")?;

    // Keys that are not taken count for their address, as sign-ins do.
    let stranger = api.with_key("dfp_nobody");
    let unknown = stranger.call("GET", "/key", None)?;
    ensure!(unknown.status == 401 && unknown.header("ratelimit-policy") == Some("\"door\";q=30;w=60"));
    let refused = until_refused(30, || stranger.call("GET", "/key", None))?;
    check(&refused, "\"door\";q=30;w=60")?;
    Ok(())
}
