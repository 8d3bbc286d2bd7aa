//! The worker without a server: it starts in workerd with its migrations applied, and keeps its data over a restart.

use anyhow::Result;
use devflow_tests::edge::Edge;
use devflow_tests::http::Client;
use devflow_tests::places::Scratch;

#[test]
fn edge_started_answers_at_its_address() -> Result<()> {
    let scratch = Scratch::new()?;
    let mut edge = Edge::start(scratch.path())?;
    let answer = Client::default().get(edge.url(), &[])?;
    assert!(answer.status < 500, "{} {}", answer.status, answer.text());
    edge.go_away();
    assert!(Client::default().get(edge.url(), &[]).is_err());
    edge.come_back()?;
    assert_eq!(Client::default().get(edge.url(), &[])?.status, answer.status);
    Ok(())
}
