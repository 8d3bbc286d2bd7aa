//! Dockerfiles as they are, and as they should not be.

use super::*;
use std::fmt::Write as _;

fn images(text: &str) -> Vec<String> {
    let found = read(text).expect("it is clear");
    found
        .images
        .iter()
        .map(|(line, image)| format!("{line} {image}"))
        .collect()
}

#[test]
fn read_lists_what_comes_from_outside_and_no_stage() {
    let text = "# syntax=docker/dockerfile:1\nARG V=8.4\nARG BASE=\"php:${V}-cli\" OTHER\n\
        FROM --platform=$BUILDPLATFORM node:22 AS Assets\nRUN --mount=type=cache,target=/root/.npm npm ci\n\
        FROM ${BASE}\nCOPY --from=assets --chown=1:1 /a /a\nCOPY --from=0 /b /b\ncopy \\\n  # a comment\n\n  --from=composer:2 \\\n  /usr/bin/composer /usr/bin/\n\
        RUN --mount=type=bind,From=redis:7,target=/r true\nONBUILD COPY --from=busybox /x /x\nFROM scratch\n\
        FROM assets\nFROM ${NONE:-alpine}\nEXPOSE 9000/tcp 1\nEXPOSE 9001\n";
    assert_eq!(
        images(text),
        [
            "1 docker/dockerfile:1",
            "4 node:22",
            "6 php:8.4-cli",
            "9 composer:2",
            "14 redis:7",
            "15 busybox",
            "18 alpine"
        ]
    );
    assert_eq!(read(text).expect("clear").port, Some(9000));
}

#[test]
fn read_takes_arguments_that_are_given_for_their_own() {
    let given = |name: &str, value: &str| (name.parse().expect("a name"), value.to_owned());
    let given = BTreeMap::from([given("BASE", "evil/php"), given("TAG", "$V")]);
    let text = "ARG BASE=php TAG\nFROM ${BASE}:8\nFROM a-$BASE\n";
    let found = read_with(text, &given).expect("it is clear").images;
    let found: Vec<&str> = found.iter().map(|(_, image)| image.as_str()).collect();
    assert_eq!(found, ["evil/php:8", "a-evil/php"]);
    assert!(
        read_with("ARG TAG=1\nFROM a:$TAG\n", &given).is_err(),
        "it is no name"
    );
}

#[test]
fn read_takes_lines_of_scripts_for_what_a_builder_would() {
    let text = "FROM php:8.4\nRUN <<EOF python3\nfrom flask import Flask\nEOF\nRUN echo 'SELECT 1 \\\n FROM orders'\n";
    assert_eq!(images(text), ["1 php:8.4"]);
    // Older builders know no here-documents: to them this is a stage.
    assert_eq!(images("FROM a\nRUN <<EOF\nFROM b\nEOF\n"), ["1 a", "3 b"]);
    // The port is the last stage's.
    assert_eq!(read("FROM a\nEXPOSE 1\nFROM b\n").expect("clear").port, None);
}

#[test]
fn read_refuses_what_could_hide_an_image() {
    for (text, expected) in [
        (
            "# escape=`\nFROM a\n",
            "line 1 of the Dockerfile sets another escape character; leave the directive out",
        ),
        (
            "{\"syntax\":\"a\"}\n",
            "line 1 of the Dockerfile begins with `{`; begin with `FROM`",
        ),
        (
            "FROM a\nRUN x \\\\\nFROM b\n",
            "line 2 of the Dockerfile ends with two backslashes, which builders read differently; write one, or none",
        ),
        (
            "FROM a$X\n",
            "line 1 of the Dockerfile takes the image `a$X`, whose variables have no plain default; give them one with \
             `ARG` before the first `FROM`",
        ),
        (
            "FROM \"a\"\n",
            "line 1 of the Dockerfile takes `\"a\"`, which is no plain name of an image or a stage before it",
        ),
        (
            "FROM a\nRUN --mount=\"type=bind, from=b\" x\n",
            "line 2 of the Dockerfile has the flag `--mount=\"type=bind,`; write it without quotes and backslashes",
        ),
        (
            "FROM a\nCOPY --from=$X /a /a\n",
            "line 2 of the Dockerfile takes `$X`, which is no plain name of an image or a stage before it",
        ),
    ] {
        assert_eq!(read(text).expect_err(text).to_string(), expected);
    }
    let mut doubled = "ARG A0=aaaaaaaaaaaaaaaa\n".to_owned();
    for n in 1..60 {
        writeln!(doubled, "ARG A{n}=${{A{0}}}${{A{0}}}", n - 1).expect("writes to a string");
    }
    let unknown = read(&format!("{doubled}FROM $A59\n")).expect_err("too long");
    assert!(
        unknown
            .to_string()
            .starts_with("line 61 of the Dockerfile takes the image `$A59`")
    );
    // A directive in the builder's other notation.
    assert_eq!(
        images("\u{feff}// Syntax = evil/frontend:1\nFROM a\n"),
        ["1 evil/frontend:1", "2 a"]
    );
}

proptest::proptest! {
    /// Whatever is in it, it is read or refused.
    #[test]
    fn read_ends(text in "(FROM|RUN|COPY|ARG|ONBUILD|#|\\\\|\\$|\\{|\\}|--from=|--mount=|=|,|\"|[a-z:/ \n]){0,40}") {
        if let Ok(found) = read(&text) {
            proptest::prop_assert!(found.images.len() <= text.len());
        }
    }
}
