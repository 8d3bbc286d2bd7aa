//! Projects beside each other on one server.

use crate::store::projects::{self, TakenHostName};
use crate::store::statement;
use crate::store::testing::{TestDb, id, project, server};
use devflow_protocol::{ProjectId, ServerId};

#[test]
fn host_name_is_taken_by_another_project_of_the_same_server_only() {
    let db = TestDb::with_project();
    let other = id!(ProjectId, 2);
    db.add_project(2, "blog");
    db.run(statement!(
        "UPDATE projects SET settings = '{\"domains\":[\"a.test\",\"b.test\"]}' WHERE slug = 'shop'"
    ));
    let taken = |server: &ServerId, except: &ProjectId, domains: &str| {
        db.first::<TakenHostName>(projects::host_name_taken(server, except, domains))
    };
    assert_eq!(
        taken(&server(), &other, r#"["c.test","b.test"]"#),
        Some(TakenHostName {
            domain: "b.test".to_owned(),
            name: "shop".to_owned()
        })
    );
    assert_eq!(taken(&server(), &other, r#"["c.test"]"#), None);
    assert_eq!(taken(&server(), &project(), r#"["b.test"]"#), None);
    assert_eq!(taken(&id!(ServerId, 9), &other, r#"["b.test"]"#), None);
}
