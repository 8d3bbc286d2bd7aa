//! What `docs/SECURITY.md` names as showing something is a test that is there, and every file of stories is run.

use crate::places;
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The functions behind `#[test]` or in `proptest!` of all sources below a folder.
fn tests(folder: &Path, names: &mut BTreeSet<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir()
            && !["target", "node_modules", "build", "dist"].contains(&name.as_str())
            && !name.starts_with('.')
        {
            tests(&path, names)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path)?;
            for mark in ["#[test]", "#[tokio::test"] {
                for part in text.split(mark).skip(1) {
                    let function = part
                        .split_once("fn ")
                        .and_then(|(_, rest)| rest.split('(').next());
                    names.extend(function.map(str::to_owned));
                }
            }
        }
    }
    Ok(())
}

/// The names of tests in a document: long, in code, of small letters and underscores.
fn named(document: &str) -> BTreeSet<&str> {
    let codes = document.split('`').skip(1).step_by(2);
    let is_test = |code: &&str| {
        code.matches('_').count() >= 4
            && code
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
    };
    codes.filter(is_test).collect()
}

#[test]
fn every_test_that_the_security_document_names_is_there() -> Result<()> {
    let mut there = BTreeSet::new();
    tests(&places::workspace(), &mut there)?;
    let document = fs::read_to_string(places::workspace().join("docs/SECURITY.md"))?;
    let named = named(&document);
    ensure!(named.len() > 50, "the document names {} tests", named.len());
    let missing: Vec<&&str> = named.iter().filter(|name| !there.contains(**name)).collect();
    ensure!(missing.is_empty(), "no such tests: {missing:#?}");
    Ok(())
}

#[test]
fn name_that_is_no_test_would_be_found() {
    let text = "shown by `something_that_is_not_a_test` and `REFUSALS_MS`, `host/tree.rs`, `expires_at`";
    assert_eq!(named(text), BTreeSet::from(["something_that_is_not_a_test"]));
}

#[test]
fn every_file_of_stories_is_part_of_the_program() -> Result<()> {
    let folder = places::workspace().join("tests/tests");
    let program = fs::read_to_string(folder.join("stories.rs"))?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        ensure!(
            name == "stories" || program.contains(&format!("\nmod {name};\n")),
            "tests/tests/stories.rs does not name `mod {name};`"
        );
    }
    Ok(())
}
