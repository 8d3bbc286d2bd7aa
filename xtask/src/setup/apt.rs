//! Programs that come as Debian or Ubuntu packages.

use super::Need;
use crate::{progress, show};
use anyhow::{Context as _, Result, bail};
use devflow_tests::{places, process::output};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Program, package, and who needs it. Asking for programs and not for packages takes Docker's or MariaDB's own
/// packages as they are.
const PROGRAMS: [(&str, &str, Need); 21] = [
    ("git", "git", Need::Installation),
    ("ssh", "openssh-client", Need::Installation),
    ("nginx", "nginx", Need::Installation),
    ("docker", "docker.io", Need::Installation),
    ("dockerd", "docker.io", Need::Installation),
    ("iptables", "iptables", Need::Installation),
    ("ip", "iproute2", Need::Installation),
    ("nsenter", "util-linux", Need::Installation),
    ("mariadbd", "mariadb-server", Need::Installation),
    ("mariadb", "mariadb-client", Need::Installation),
    ("redis-server", "redis-server", Need::Installation),
    ("redis-cli", "redis-tools", Need::Installation),
    ("c++", "g++", Need::Stories),
    ("chromedriver", "chromium-driver", Need::Stories),
    ("wrk", "wrk", Need::Stories),
    ("sshd", "openssh-server", Need::Stories),
    ("systemd-analyze", "systemd", Need::Stories),
    ("php", "php-cli", Need::Stories),
    ("composer", "composer", Need::Stories),
    ("webhook", "webhook", Need::Benches),
    ("cap", "capistrano", Need::Benches),
];

/// What PHP has when a package of the stories is there, and the package: Composer writes the lock file of an application
/// whose packages are archives, and environment files are read back by Laravel and the library that it reads them with.
const LIBRARIES: [(&str, &str); 3] = [
    ("extension_loaded('zip')", "php-zip"),
    (
        "stream_resolve_include_path('Dotenv/autoload.php') !== false",
        "php-vlucas-phpdotenv",
    ),
    (
        "stream_resolve_include_path('Illuminate/Support/autoload.php') !== false",
        "php-illuminate-support",
    ),
];

/// Installs what is missing; lists it first.
pub(super) fn install(need: Need) -> Result<()> {
    let missing = missing(need);
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    if !nix::unistd::Uid::effective().is_root() {
        bail!(
            "these packages are missing; install them and run the command again:\n  sudo apt-get install --no-install-recommends {list}"
        );
    }
    if places::find_program("apt-get").is_none() {
        bail!(
            "this machine has no apt-get; install what these Debian packages hold, and run the command again: {list}"
        );
    }
    eprintln!("  these Debian packages are missing and are installed now: {list}");
    // A mirror under load drops connections; a second attempt goes on from what is there.
    let attempt = || {
        show::run("read the package lists", apt().args(["update", "-q"]))?;
        show::run(
            "install Debian packages",
            apt()
                .args(["install", "-y", "-q", "--no-install-recommends"])
                .args(&missing),
        )
    };
    if let Err(error) = attempt() {
        eprintln!("{error:#}\n  trying once more");
        show::run(
            "repair the packages",
            Command::new("dpkg").args(["--configure", "-a"]),
        )?;
        attempt()?;
    }
    let left = self::missing(need);
    if left.is_empty() {
        Ok(())
    } else {
        bail!(
            "apt-get went well, but the programs of these packages are not there: {}",
            left.join(" ")
        )
    }
}

fn missing(need: Need) -> Vec<&'static str> {
    let mut packages: Vec<&str> = PROGRAMS
        .iter()
        .filter(|(program, _, whose)| *whose <= need && places::find_program(program).is_none())
        .map(|(_, package, _)| *package)
        .collect();
    packages.dedup();
    if need >= Need::Stories {
        let missing = LIBRARIES.iter().filter(|(there, _)| !php_says(there));
        packages.extend(missing.map(|(_, package)| package));
    }
    packages
}

/// Whether an expression of PHP is true on this machine.
fn php_says(expression: &str) -> bool {
    let code = format!("exit({expression} ? 0 : 1);");
    output(Command::new("php").args(["-r", &code])).is_ok()
}

/// A call of apt-get that asks nothing and starts no services.
pub(super) fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command
        .env("DEBIAN_FRONTEND", "noninteractive")
        .env("TMPDIR", "/var/tmp")
        .args(progress::APT);
    command
}

/// Unpacks a Debian with these packages into `root`, which is begun anew.
pub(super) fn unpack(release: &str, packages: &str, root: &Path, title: &str) -> Result<()> {
    if places::find_program("debootstrap").is_none() {
        show::run(
            "install debootstrap",
            apt().args(["install", "-y", "-q", "--no-install-recommends", "debootstrap"]),
        )?;
    }
    if root.exists() {
        fs::remove_dir_all(root).with_context(|| format!("cannot remove {}", root.display()))?;
    }
    fs::create_dir_all(root)?;
    let mut command = Command::new("debootstrap");
    command
        .env("TMPDIR", "/var/tmp")
        .args(["--variant=minbase", &format!("--include={packages}"), release]);
    show::run(title, command.arg(root).arg(mirror()?))
}

/// The Debian mirror that this machine uses, or `DEVFLOW_MIRROR`.
pub(super) fn mirror() -> Result<String> {
    if let Ok(mirror) = std::env::var("DEVFLOW_MIRROR") {
        return Ok(mirror);
    }
    let os = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    if !os.lines().any(|line| line == "ID=debian") {
        bail!(
            "a Debian is to be unpacked, and this machine is none: set DEVFLOW_MIRROR to the address of a Debian mirror"
        );
    }
    let all = output(Command::new("apt-get").args([
        "indextargets",
        "--format",
        "$(REPO_URI)",
        "Created-By: Packages",
    ]))?;
    match all.lines().find(|line| !line.contains("security")) {
        Some(mirror) => Ok(mirror.to_owned()),
        None => bail!("apt knows no Debian mirror: set DEVFLOW_MIRROR to the address of one"),
    }
}
