//! The image that projects are built and run in: PHP-FPM 8.4, Composer, Node and git on Debian 13. From a container
//! registry where one is reached, else from a Debian mirror.

use super::apt;
use crate::show;
use anyhow::{Context, Result};
use devflow_tests::docker::{Docker, PHP_IMAGE};
use devflow_tests::places;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Debian's Laravel is there for the sample application, which has to install without a registry.
const PACKAGES: &str = "ca-certificates composer nodejs git unzip mariadb-client php-fpm php-cli php-mysql php-sqlite3 php-xml \
     php-mbstring php-curl php-zip php-intl php-bcmath php-gd php-redis php-laravel-framework";

/// Makes the image where the engine does not have it.
pub(super) fn install(docker: &Docker) -> Result<()> {
    if docker.has_image(PHP_IMAGE) {
        return Ok(());
    }
    let base = "debian:trixie-slim";
    let mut pull = Command::new("timeout");
    pull.args(["90", "docker", "pull", base])
        .env("DOCKER_HOST", format!("unix://{}", docker.socket().display()));
    if docker.has_image(base) || show::run("pull the base image", &mut pull).is_ok() {
        build(docker, base)
    } else {
        eprintln!("  no container registry can be reached: the image is made from a Debian mirror");
        bootstrap(docker)
    }
}

fn build(docker: &Docker, base: &str) -> Result<()> {
    let folder = places::cache()?.join("image");
    fs::create_dir_all(&folder)?;
    let text = format!(
        "FROM {base}\nRUN apt-get update && apt-get install -y --no-install-recommends {PACKAGES} npm && rm -rf /var/lib/apt/lists/*\nSTOPSIGNAL SIGQUIT\n"
    );
    fs::write(folder.join("Dockerfile"), text)?;
    show::run(
        "build the PHP image",
        docker.command().args(["build", "-t", PHP_IMAGE]).arg(&folder),
    )
}

fn bootstrap(docker: &Docker) -> Result<()> {
    let root = places::cache()?.join("deb/trixie-php");
    if !root.join(".complete").exists() {
        let packages = PACKAGES.split_whitespace().collect::<Vec<_>>().join(",");
        apt::unpack(
            "trixie",
            &packages,
            &root,
            "unpack Debian 13 with PHP (1 to 2 min)",
        )?;
        add_npm(&root)?;
        for rest in ["var/cache/apt/archives", "var/lib/apt/lists"] {
            fs::remove_dir_all(root.join(rest))
                .with_context(|| format!("cannot empty {rest} of the image"))?;
            fs::create_dir_all(root.join(rest))?;
        }
        fs::write(root.join(".complete"), "")?;
    }
    let archive = places::cache()?.join("deb/trixie-php.tar");
    show::run(
        "pack the PHP image",
        Command::new("tar")
            .arg("-C")
            .arg(&root)
            .arg("-cf")
            .arg(&archive)
            .arg("."),
    )?;
    show::run(
        "import the PHP image",
        docker.command().arg("import").arg(&archive).arg(PHP_IMAGE),
    )?;
    fs::remove_file(&archive).context("cannot remove the packed image")
}

/// npm from its own package: debootstrap cannot resolve Debian's, which has hundreds of virtual dependencies.
fn add_npm(root: &Path) -> Result<()> {
    let cache = places::cache()?;
    let target = root.join("usr/local/lib/node_modules/npm");
    fs::create_dir_all(&target)?;
    let version = "10.9.9";
    let mut pack = Command::new("npm");
    pack.args([
        "pack",
        "--silent",
        &format!("npm@{version}"),
        "--pack-destination",
    ])
    .arg(&cache)
    .current_dir(&cache);
    show::run("fetch npm for the image", &mut pack)?;
    let archive = cache.join(format!("npm-{version}.tgz"));
    show::run(
        "unpack npm for the image",
        Command::new("tar")
            .arg("-C")
            .arg(&target)
            .args(["--strip-components=1", "-xf"])
            .arg(archive),
    )?;
    for (name, script) in [("npm", "npm-cli.js"), ("npx", "npx-cli.js")] {
        let link = root.join("usr/local/bin").join(name);
        std::os::unix::fs::symlink(format!("../lib/node_modules/npm/bin/{script}"), &link)
            .context("cannot link npm")?;
    }
    Ok(())
}
