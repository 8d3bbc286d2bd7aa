//! The dashboard's pages over a full database: 2,500 projects on 50 servers with 100,000 deployments. For each page
//! the time until its answer is whole (a little more than until its first byte), its size with all assets as a browser
//! receives it (gzip), and the rows that D1 counts as read.

mod seed;

use super::{Say, percentile};
use anyhow::{Context, Result, ensure};
use devflow_tests::api::Api;
use devflow_tests::edge::{EMAIL, Edge};
use devflow_tests::http::{Answer, Client};
use devflow_tests::places::Scratch;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::time::Instant;

const PASSWORD: &str = "a long password for the bench";
/// Each page is asked for this often; the middle one counts.
const RUNS: usize = 15;

/// What one page cost.
struct Measured {
    path: String,
    first_byte_ms: u64,
    page_kb: u64,
    rows_read: u64,
}

pub(super) fn measure(say: Say) -> Result<Value> {
    let scratch = Scratch::new()?;
    let mut edge = Edge::start_with(&scratch.path().join("edge"), &json!({"DEBUG_COST": "1"}))?;
    let api = Api::set_up(edge.url(), edge.setup_token(), EMAIL, PASSWORD)?;
    let template = seed::template(&api)?;
    edge.go_away();
    let filled = seed::fill(&scratch.path().join("edge/data"), &template)?;
    edge.come_back()?;
    say.line(&format!(
        "{} projects, {} servers, {} deployments",
        seed::PROJECTS,
        seed::SERVERS,
        seed::DEPLOYMENTS
    ));
    let visitor = Visitor::sign_in(edge.url())?;
    let mut pages = Vec::new();
    for path in filled.paths() {
        let page = visitor.measure(path)?;
        say.line(&format!(
            "{:>5} ms {:>4} kB {:>5} rows  {}",
            page.first_byte_ms, page.page_kb, page.rows_read, page.path
        ));
        pages.push(page);
    }
    let most = |of: fn(&Measured) -> u64| pages.iter().map(of).max().unwrap_or(0);
    Ok(json!({
        "max_first_byte_ms": most(|page| page.first_byte_ms),
        "max_page_kb": most(|page| page.page_kb),
        "max_rows_read": most(|page| page.rows_read),
        "pages": pages.len(),
    }))
}

/// A signed-in person's browser, as far as pages need one.
struct Visitor {
    base: String,
    cookie: String,
    client: Client,
    /// Compressed sizes of assets by their paths.
    assets: std::cell::RefCell<BTreeMap<String, usize>>,
}

impl Visitor {
    fn sign_in(base: &str) -> Result<Self> {
        let client = Client::default();
        let form = format!("email={EMAIL}&password={}", PASSWORD.replace(' ', "+"));
        let answer = client.send(
            "POST",
            &format!("{base}/sign-in"),
            &[
                ("content-type", "application/x-www-form-urlencoded"),
                ("origin", base),
            ],
            Some(form.as_bytes()),
        )?;
        let set = answer
            .header("set-cookie")
            .with_context(|| format!("signing in gave no cookie: {}", answer.status))?;
        Ok(Self {
            base: base.to_owned(),
            cookie: set.split(';').next().unwrap_or_default().to_owned(),
            client,
            assets: std::cell::RefCell::default(),
        })
    }

    fn get(&self, path: &str) -> Result<Answer> {
        let answer = self
            .client
            .get(&format!("{}{path}", self.base), &[("cookie", &self.cookie)])?;
        ensure!(answer.status == 200, "{path} answered {}", answer.status);
        Ok(answer)
    }

    fn measure(&self, path: String) -> Result<Measured> {
        let first = self.get(&path)?;
        let mut times = Vec::new();
        for _ in 0..RUNS {
            let started = Instant::now();
            self.get(&path)?;
            times.push(u64::try_from(started.elapsed().as_millis())?);
        }
        times.sort_unstable();
        Ok(Measured {
            first_byte_ms: percentile(&times, 50),
            page_kb: u64::try_from(self.size(&first)?.div_ceil(1_000))?,
            rows_read: rows_read(&first)?,
            path,
        })
    }

    /// Bytes of a page with its styles, scripts and icon.
    fn size(&self, page: &Answer) -> Result<usize> {
        let text = page.text();
        let mut bytes = compressed(&page.body)?;
        for asset in text.split('"').filter(|part| part.starts_with("/assets/")) {
            let known = self.assets.borrow().get(asset).copied();
            let size = if let Some(size) = known {
                size
            } else {
                compressed(&self.get(asset)?.body)?
            };
            self.assets.borrow_mut().insert(asset.to_owned(), size);
            bytes += size;
        }
        Ok(bytes)
    }
}

fn compressed(bytes: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len())
}

/// What D1 counted, from the header of [`Edge::start_with`]'s `DEBUG_COST`.
fn rows_read(page: &Answer) -> Result<u64> {
    let cost = page
        .header("server-timing")
        .context("the page does not tell its cost")?;
    let words: Vec<&str> = cost.split(' ').collect();
    let place = words.windows(2).position(|pair| pair == ["rows", "read,"]);
    let count = place.and_then(|place| words.get(place.checked_sub(1)?));
    count
        .and_then(|count| count.parse().ok())
        .with_context(|| format!("cannot read the cost {cost}"))
}
