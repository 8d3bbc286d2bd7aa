//! Plain PHP: the whole way, without a framework's pipeline.

use super::Lab;
use super::lab::version;
use devflow_protocol::outcome::Outcome;
use devflow_protocol::project::Framework;

#[tokio::test]
#[ignore = "needs Docker, Nginx and root"]
async fn plain_php_first_and_second_release_go_live() {
    let lab = Lab::new();
    let work = lab.repository("php");
    let spec = Lab::spec("plain", Framework::Php, &work);
    let outcome = lab.deploy(&spec, &[("GREETING", "a \"b\" $c\nd")]).await;
    assert!(
        matches!(outcome, Outcome::Succeeded { manifest: Some(_) }),
        "{outcome:?}"
    );
    assert_eq!(lab.get("plain", "/").await.body, "Plain PHP, version 1\n");
    assert_eq!(lab.get("plain", "/ping.php").await.body, "ok 1");
    assert_eq!(lab.get("plain", "/?env=GREETING").await.body, "YSAiYiIgJGMKZA==");
    assert_eq!(lab.get("plain", "/assets/site.css").await.status, 200);
    assert_eq!(lab.get("plain", "/missing.php").await.status, 404);
    for method in ["POST", "PUT", "DELETE", "PATCH"] {
        for path in ["/", "/orders/1", "/index.php/orders"] {
            let page = lab.send("plain", method, path, "a=b").await;
            assert_eq!(
                (page.status, page.body.as_str()),
                (200, "Plain PHP, version 1\n"),
                "{method} {path}"
            );
        }
    }
    version(&work, "2");
    let outcome = lab.deploy(&spec, &[]).await;
    assert!(
        matches!(outcome, Outcome::Succeeded { manifest: Some(_) }),
        "{outcome:?}"
    );
    assert_eq!(lab.get("plain", "/").await.body, "Plain PHP, version 2\n");
    assert_eq!(lab.running("plain").await, ["Web"]);
    assert_eq!(lab.releases("plain").len(), 2);
}
