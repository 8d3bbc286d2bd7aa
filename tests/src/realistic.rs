//! A Laravel application of the size that teams have: 110 Composer packages with 8,800 classes from a local artifact
//! repository, an npm build with 30 local packages, 24 views, `MariaDB` and Redis. Its packages are made up, since
//! a benchmark must not depend on a registry; their number and size are what Composer and the file system meet.

use crate::git::copy_tree;
use crate::places;
use crate::process::output;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Composer packages of the application.
pub const COMPOSER_PACKAGES: usize = 110;
/// Classes in each of them.
pub const CLASSES_PER_PACKAGE: usize = 80;
const NPM_PACKAGES: usize = 30;
const VIEWS: usize = 24;

/// Writes the application into `folder`. Needs Composer on this machine, to write the lock file.
pub fn write(folder: &Path) -> Result<()> {
    copy_tree(&places::workspace().join("tests/apps/laravel"), folder)?;
    composer_packages(folder)?;
    npm_packages(folder)?;
    views(folder)?;
    output(
        Command::new("composer")
            .args([
                "update",
                "--no-install",
                "--no-scripts",
                "--no-plugins",
                "--no-interaction",
                "--quiet",
            ])
            .env("COMPOSER_ALLOW_SUPERUSER", "1")
            .current_dir(folder),
    )
    .context("Composer cannot write the lock file of the realistic application")?;
    Ok(())
}

/// The environment in which the application uses `MariaDB` and Redis.
pub fn environment() -> Value {
    json!({ "CACHE_DRIVER": "redis", "QUEUE_CONNECTION": "redis", "SESSION_DRIVER": "redis" })
}

fn edit_json(file: &Path, edit: impl FnOnce(&mut Value)) -> Result<()> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut value: Value = serde_json::from_str(&text)?;
    edit(&mut value);
    fs::write(file, serde_json::to_string_pretty(&value)? + "\n")?;
    Ok(())
}

fn composer_packages(folder: &Path) -> Result<()> {
    let artifacts = folder.join("packages");
    fs::create_dir_all(&artifacts)?;
    for number in 0..COMPOSER_PACKAGES {
        package(&artifacts.join(format!("lib{number:03}.zip")), number)?;
    }
    edit_json(&folder.join("composer.json"), |composer| {
        for number in 0..COMPOSER_PACKAGES {
            composer["require"][format!("acme/lib{number:03}")] = json!("1.0.0");
        }
        composer["repositories"] = json!([{ "type": "artifact", "url": "packages" }, { "packagist": false }]);
    })
}

fn package(file: &Path, number: usize) -> Result<()> {
    let mut archive = ZipWriter::new(fs::File::create(file)?);
    let options = SimpleFileOptions::default();
    let manifest = json!({
        "name": format!("acme/lib{number:03}"),
        "version": "1.0.0",
        "type": "library",
        "autoload": { "psr-4": { format!("Acme\\Lib{number:03}\\"): "src/" } },
    });
    archive.start_file("composer.json", options)?;
    archive.write_all(manifest.to_string().as_bytes())?;
    for class in 0..CLASSES_PER_PACKAGE {
        archive.start_file(format!("src/Part{class:02}.php"), options)?;
        archive.write_all(class_text(number, class).as_bytes())?;
    }
    archive.finish()?;
    Ok(())
}

/// A class of about the size that libraries have (3 kB).
fn class_text(package: usize, class: usize) -> String {
    use std::fmt::Write as _;
    let mut text = format!("<?php\n\nnamespace Acme\\Lib{package:03};\n\nfinal class Part{class:02}\n{{\n");
    for method in 0..16 {
        let _ = write!(
            text,
            "    /** Adds {method} to each of the given numbers and gives their sum. */\n    \
             public function sum{method}(int ...$numbers): int\n    {{\n        \
             return array_sum(array_map(static fn (int $n): int => $n + {method}, $numbers));\n    }}\n\n"
        );
    }
    text + "}\n"
}

fn npm_packages(folder: &Path) -> Result<()> {
    let mut dependencies = serde_json::Map::new();
    let mut locked = serde_json::Map::new();
    for number in 0..NPM_PACKAGES {
        let (name, path) = (format!("ui-{number:02}"), format!("npm/ui-{number:02}"));
        let home = folder.join(&path);
        fs::create_dir_all(&home)?;
        let manifest = json!({ "name": name, "version": "1.0.0", "type": "module", "exports": "./index.js" });
        fs::write(home.join("package.json"), manifest.to_string())?;
        fs::write(
            home.join("index.js"),
            format!("export const part{number} = () => {number};\n"),
        )?;
        dependencies.insert(name.clone(), json!(format!("file:{path}")));
        locked.insert(path.clone(), json!({ "name": name, "version": "1.0.0" }));
        locked.insert(
            format!("node_modules/{name}"),
            json!({ "resolved": path, "link": true }),
        );
    }
    edit_json(&folder.join("package.json"), |package| {
        package["dependencies"] = json!(dependencies);
    })?;
    edit_json(&folder.join("package-lock.json"), |lock| {
        lock["packages"][""]["dependencies"] = json!(dependencies);
        for (path, entry) in locked {
            lock["packages"][path] = entry;
        }
    })
}

fn views(folder: &Path) -> Result<()> {
    let views = folder.join("resources/views/catalog");
    fs::create_dir_all(&views)?;
    for number in 0..VIEWS {
        let text = format!(
            "<!doctype html>\n<title>Catalog {number}</title>\n@php($items = range(1, {}))\n<ul>\n@foreach ($items as $item)\n    \
             <li @class(['odd' => $loop->odd])>{{{{ __('Item :n', ['n' => $item]) }}}}</li>\n@endforeach\n</ul>\n\
             @if ($items)\n    <p>{{{{ count($items) }}}} items</p>\n@else\n    <p>None</p>\n@endif\n",
            number + 3
        );
        fs::write(views.join(format!("page{number:02}.blade.php")), text)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn application_has_the_size_that_it_promises() {
        let scratch = places::Scratch::new().expect("a scratch folder");
        let folder = scratch.path().join("app");
        write(&folder).expect("writes the application");
        let lock: Value =
            serde_json::from_slice(&fs::read(folder.join("composer.lock")).expect("a lock file"))
                .expect("the lock file is JSON");
        assert_eq!(lock["packages"].as_array().map(Vec::len), Some(COMPOSER_PACKAGES));
        assert!(class_text(1, 1).len() > 2500);
    }
}
