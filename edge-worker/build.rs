//! Turns the names of the bundled assets (`dist/assets.json`, written by `ui/build.mjs`) into constants.
//! Without that file plain names are used, so that checks and tests need no Node. Also takes the indentation out of the
//! API's document, which the Worker carries.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

const ASSETS: [(&str, &str); 6] = [
    ("APP_JS", "app.js"),
    ("APP_CSS", "app.css"),
    ("PASSKEY_JS", "passkey.js"),
    ("ICON", "icon.svg"),
    ("ICON_BUSY", "icon-busy.svg"),
    ("ICON_FAILED", "icon-failed.svg"),
];

/// The value of a key in a flat JSON object of texts without escapes, which is all that the manifest is.
fn value<'a>(manifest: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = manifest.split_once(&format!("\"{key}\""))?;
    rest.split('"').nth(1)
}

fn main() {
    println!("cargo::rerun-if-changed=dist/assets.json");
    let manifest = fs::read_to_string("dist/assets.json").unwrap_or_default();
    let mut constants = String::new();
    for (constant, name) in ASSETS {
        let plain = format!("/assets/{name}");
        let path = value(&manifest, name).unwrap_or(&plain);
        writeln!(constants, "pub(crate) const {constant}: &str = {path:?};")
            .expect("a text takes every line");
    }
    let out = env::var("OUT_DIR").expect("cargo sets OUT_DIR for build scripts");
    fs::write(Path::new(&out).join("assets.rs"), constants).expect("OUT_DIR can be written");

    println!("cargo::rerun-if-changed=../docs/openapi.json");
    let document = fs::read_to_string("../docs/openapi.json").expect("docs/openapi.json is committed");
    // A text in JSON has no line end in it.
    let dense: String = document.lines().map(str::trim_start).collect();
    fs::write(Path::new(&out).join("openapi.json"), dense).expect("OUT_DIR can be written");
}
