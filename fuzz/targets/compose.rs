//! A compose file of a repository: whatever is in it, it ends soon, and what is taken reaches nothing outside the project.

#![no_main]

use devflow_domain::compose;
use devflow_protocol::project::Environment;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    // What is known of a file before it is deployed is never refused for its variables.
    let outline = compose::outline(&text);
    let web = "web".parse().expect("a name");
    let variables = [("A", "a$b${A}"), ("EMPTY", "")].map(|(name, value)| {
        let name = name.parse().expect("a variable's name");
        (name, value.to_owned())
    });
    let environment = Environment(variables.into_iter().collect());
    let mut file = |_: &_| Ok(Some("FILE=1\n".to_owned()));
    let Ok(found) = compose::read(&text, &web, &environment, &mut file) else {
        return;
    };
    assert!(found.web().is_some());
    for service in &found.services {
        assert!(service.command.as_ref().is_none_or(|argv| !argv.is_empty()));
        for volume in &service.volumes {
            assert!(volume.target.starts_with('/') && !volume.target.split('/').any(|part| part == ".."));
        }
        for name in service.depends_on.keys() {
            assert!(found.service(name).is_some());
        }
    }
    if let Ok(outline) = outline {
        assert_eq!(outline.services.len(), found.services.len());
    }
    let json = serde_json::to_string(&found).expect("JSON");
    assert_eq!(
        serde_json::from_str::<compose::Compose>(&json).expect("read back"),
        found
    );
});
