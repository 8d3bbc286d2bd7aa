//! The machine itself: rights, disk, paths, programs.

use super::{Check, PATIENCE};
use crate::config::Config;
use rustix::fs::statvfs;
use std::path::Path;
use tokio::process::Command;

/// Longest path of a Unix socket on Linux, in bytes.
const SOCKET_PATH: usize = 107;
/// What a project adds at most to the projects folder up to its socket: a slug of 32 and the rest.
const LONGEST: usize = 1 + 32 + "/current/run/fpm.sock".len();
/// Below this no deployment fits.
const LEAST_MIB: u64 = 1024;
/// Below this a few builds fill it.
const LOW_MIB: u64 = 5 * 1024;
/// Fewer free inodes than one application with its packages needs.
const LEAST_INODES: u64 = 50_000;

pub(super) fn checks(config: &Config) -> Vec<Check> {
    vec![
        rights(),
        state(&config.state_dir),
        socket_path(&config.projects_dir),
        disk(&config.projects_dir),
        group(&config.nginx.group),
    ]
}

fn rights() -> Check {
    if rustix::process::geteuid().is_root() {
        Check::ok("rights", "runs as root")
    } else {
        Check::fail(
            "rights",
            "does not run as root, so it cannot give projects users of their own",
            "run it as root: sudo host-runner doctor",
        )
    }
}

fn state(folder: &Path) -> Check {
    use std::os::unix::fs::PermissionsExt as _;
    match std::fs::metadata(folder) {
        Ok(data) if data.permissions().mode() & 0o077 != 0 => Check::warn(
            "state",
            format!("{} can be read by others", folder.display()),
            format!("chmod 700 {}", folder.display()),
        ),
        Ok(_) => Check::ok("state", format!("{} is private", folder.display())),
        Err(error) => Check::fail(
            "state",
            format!("{}: {error}", folder.display()),
            "enrol this server with the command that the dashboard shows",
        ),
    }
}

fn socket_path(projects_dir: &Path) -> Check {
    let length = projects_dir.as_os_str().len() + LONGEST;
    if length <= SOCKET_PATH {
        Check::ok("socket paths", format!("at most {length} bytes of {SOCKET_PATH}"))
    } else {
        Check::fail(
            "socket paths",
            format!(
                "a project's socket could have a path of {length} bytes, the system allows {SOCKET_PATH}"
            ),
            format!(
                "choose a `projects_dir` of at most {} bytes",
                SOCKET_PATH - LONGEST
            ),
        )
    }
}

fn disk(projects_dir: &Path) -> Check {
    // Before the first deployment the folder is not there; what it will be made in is.
    let Some(there) = projects_dir.ancestors().find(|folder| folder.exists()) else {
        return Check::fail(
            "disk",
            format!("{} does not exist", projects_dir.display()),
            format!("mkdir -p {}", projects_dir.display()),
        );
    };
    let stat = match statvfs(there) {
        Ok(stat) => stat,
        Err(error) => {
            return Check::fail("disk", format!("{}: {error}", there.display()), "check the mount");
        }
    };
    let free_mib = stat.f_bavail.saturating_mul(stat.f_frsize) / (1024 * 1024);
    // File systems without a fixed number of inodes report none at all.
    let inodes_short = stat.f_files > 0 && stat.f_favail < LEAST_INODES;
    let fix = "make room, or put `projects_dir` on a larger disk; fewer kept releases help too";
    match free_mib {
        _ if inodes_short => Check::fail(
            "disk",
            format!("only {} inodes are free below {}", stat.f_favail, there.display()),
            fix,
        ),
        ..LEAST_MIB => Check::fail(
            "disk",
            format!("only {free_mib} MiB are free below {}", there.display()),
            fix,
        ),
        LEAST_MIB..LOW_MIB => Check::warn(
            "disk",
            format!("{free_mib} MiB are free below {}", there.display()),
            fix,
        ),
        _ => Check::ok(
            "disk",
            format!("{} GiB are free below {}", free_mib / 1024, there.display()),
        ),
    }
}

fn group(name: &str) -> Check {
    let known = std::fs::read_to_string("/etc/group")
        .is_ok_and(|text| text.lines().any(|line| line.split(':').next() == Some(name)));
    if known {
        Check::ok("group", format!("{name} exists"))
    } else {
        Check::fail(
            "group",
            format!("there is no group `{name}`, as which Nginx would read public files"),
            "set `nginx.group` to the group that Nginx's workers run as",
        )
    }
}

pub(super) async fn tools() -> Vec<Check> {
    let ssh = match call("ssh", &["-V"]).await {
        Ok(version) => Check::ok("ssh", version),
        Err(reason) => Check::warn(
            "ssh",
            format!("{reason}; repositories over SSH cannot be fetched"),
            "apt install openssh-client",
        ),
    };
    let git = match call("git", &["--version"]).await {
        Ok(version) => Check::ok("git", version),
        Err(reason) => Check::fail("git", reason, "apt install git"),
    };
    vec![git, ssh]
}

/// The first line that a program prints about itself.
pub(super) async fn call(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, output)
        .await
        .map_err(|_| format!("`{program}` does not answer"))?
        .map_err(|error| format!("`{program}` cannot be run: {error}"))?;
    let text = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    Ok(String::from_utf8_lossy(&text)
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn socket_path_counts_the_longest_slug() {
        assert_eq!(
            socket_path(Path::new("/srv/devflow/projects")).verdict,
            Verdict::Ok
        );
        let longest = format!("/{}", "p".repeat(SOCKET_PATH - LONGEST - 1));
        assert_eq!(socket_path(Path::new(&longest)).verdict, Verdict::Ok);
        let check = socket_path(Path::new(&format!("{longest}x")));
        assert_eq!(check.verdict, Verdict::Fail);
        assert!(check.says.contains("108 bytes"), "{}", check.says);
    }

    #[test]
    fn group_looks_for_the_whole_name() {
        assert_eq!(group("root").verdict, Verdict::Ok);
        assert_eq!(group("roo").verdict, Verdict::Fail);
    }
}
