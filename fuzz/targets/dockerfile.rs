//! A Dockerfile and a `.dockerignore` of a repository, with a NUL byte between.

#![no_main]

use devflow_domain::dockerfile;
use devflow_domain::dockerignore::Ignored;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let (file, ignored) = text.split_once('\0').unwrap_or((&text, ""));
    if let Ok(found) = dockerfile::read(file) {
        let lines = file.lines().count();
        assert!(found.images.iter().all(|(line, _)| (1..=lines).contains(line)));
    }
    if let Some(ignored) = Ignored::read(ignored) {
        ignored.leaves_out("src/Http/Controllers/OrderController.php");
    }
});
