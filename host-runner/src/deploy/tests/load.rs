//! Deployments under load: no request fails, whether short, long, or waiting in a full queue.

use super::lab::{Lab, version};
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::{Framework, ProjectSpec};
use std::path::Path;
use tokio::process::Command;

/// Visitors for some seconds, and what `wrk` says of them.
pub(super) async fn visitors(
    lab: &Lab,
    spec: &ProjectSpec,
    path: &str,
    options: &[&str],
    seconds: u32,
) -> String {
    let mut load = Command::new("wrk");
    load.args(["-t1", &format!("-d{seconds}s"), "--timeout", "20s"])
        .args(options);
    load.args([
        "-H",
        &format!("Host: {}.test", spec.slug),
        &format!("http://127.0.0.1:{}{path}", lab.port),
    ]);
    String::from_utf8(load.output().await.expect("wrk").stdout).expect("text")
}

pub(super) async fn under_load(
    lab: &Lab,
    spec: &ProjectSpec,
    work: &Path,
    path: &str,
    options: &[&str],
) -> (u64, String) {
    let deployments = async {
        for n in 2..6 {
            version(work, &n.to_string());
            let outcome = lab.deploy(spec, &[]).await;
            assert!(matches!(outcome, Outcome::Succeeded { .. }), "{outcome:?}");
        }
    };
    let (report, ()) = tokio::join!(visitors(lab, spec, path, options, 25), deployments);
    let requests = report
        .lines()
        .find_map(|line| line.trim().split_once(" requests in")?.0.parse().ok());
    (requests.expect("wrk's count"), report)
}

pub(super) fn assert_none_failed(report: &str) {
    assert!(
        !report.contains("Non-2xx") && !report.contains("Socket errors"),
        "{report}"
    );
}

#[tokio::test]
#[ignore = "needs Docker, Nginx, wrk and root"]
async fn deployments_under_load_fail_no_request() {
    let lab = Lab::new();
    let work = lab.repository("php");
    let mut spec = Lab::spec("load", Framework::Php, &work);
    spec.limits.max_children = 4;
    assert!(matches!(lab.deploy(&spec, &[]).await, Outcome::Succeeded { .. }));
    let close = ["-c8", "-H", "Connection: close"];
    for (path, options, least) in [
        ("/ping.php", &["-c8"][..], 5_000),
        ("/ping.php", &close[..], 5_000),
        // 40 requests of 300 ms for 4 children: 36 wait in the queue at each switch.
        ("/?wait_ms=300", &["-c40"][..], 200),
    ] {
        version(&work, "1");
        let (requests, report) = under_load(&lab, &spec, &work, path, options).await;
        assert_none_failed(&report);
        assert!(requests >= least, "{report}");
        println!("{path} {options:?}: {requests} requests over 4 switches, 0 failed");
    }
}
