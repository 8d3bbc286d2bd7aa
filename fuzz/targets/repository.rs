//! Files of repositories that are looked at: `composer.json`, `package.json` and `.env.example`, with a NUL byte between.

#![no_main]

use devflow_domain::inspection::{propose, read};
use devflow_protocol::inspection::{COMPOSER, ENV_EXAMPLE, Inspection, PACKAGE};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let mut parts = bytes.splitn(3, |byte| *byte == 0);
    let files = [COMPOSER, PACKAGE, ENV_EXAMPLE].map(|path| (path, parts.next()));
    let content = |wanted: &str| files.iter().find(|(path, _)| *path == wanted)?.1;
    let commit = "2222222222222222222222222222222222222222"
        .parse()
        .expect("a commit");
    let found = read(
        commit,
        |path| content(path).is_some(),
        |path| content(path).map(<[u8]>::to_vec),
    );
    let sent = serde_json::to_vec(&found).expect("what was found is JSON");
    assert_eq!(
        serde_json::from_slice::<Inspection>(&sent).expect("reads what it wrote"),
        found
    );
    propose(&found);
});
