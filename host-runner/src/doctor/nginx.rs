//! The web server: there, with a valid configuration that includes the projects' vhosts.

use super::{Check, PATIENCE};
use crate::config::Config;
use std::path::Path;
use std::process::Output;
use tokio::process::Command;

pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let nginx = &config.nginx;
    let output = match call(&nginx.binary, &nginx.config).await {
        Ok(output) => output,
        Err(error) => {
            return vec![Check::fail(
                "nginx",
                format!("{} cannot be run: {error}", nginx.binary.display()),
                "apt install nginx, or correct `nginx.binary`",
            )];
        }
    };
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        let reason = text
            .lines()
            .find(|line| line.contains("[emerg]"))
            .unwrap_or("it says no more");
        return vec![Check::fail(
            "nginx",
            format!("{} is not valid: {reason}", nginx.config.display()),
            format!(
                "mend it until this passes: {} -t -c {}",
                nginx.binary.display(),
                nginx.config.display()
            ),
        )];
    }
    let valid = Check::ok("nginx", format!("{} is valid", nginx.config.display()));
    let wanted = format!("{}/*.conf", nginx.vhost_dir.display());
    let included = if includes(&String::from_utf8_lossy(&output.stdout), &wanted) {
        Check::ok("vhosts", format!("{wanted} is included"))
    } else {
        Check::fail(
            "vhosts",
            format!(
                "{} does not include {wanted}, so no project would be served",
                nginx.config.display()
            ),
            format!(
                "mkdir -p {}, and add this to its http block: include {wanted};",
                nginx.vhost_dir.display()
            ),
        )
    };
    vec![valid, included]
}

/// `-T` tests and prints the whole configuration.
async fn call(binary: &Path, config: &Path) -> std::io::Result<Output> {
    let output = Command::new(binary)
        .arg("-T")
        .arg("-c")
        .arg(config)
        .kill_on_drop(true)
        .output();
    tokio::time::timeout(PATIENCE, output).await?
}

/// True when a printed configuration has an `include` of `wanted`.
fn includes(dump: &str, wanted: &str) -> bool {
    dump.lines().any(|line| {
        line.trim()
            .strip_prefix("include")
            .and_then(|rest| rest.trim().strip_suffix(';'))
            .is_some_and(|path| path.trim().trim_matches(['"', '\'']) == wanted)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_reads_the_directive_and_not_a_comment() {
        let wanted = "/etc/nginx/devflow/*.conf";
        assert!(includes(
            "http {\n    include /etc/nginx/devflow/*.conf;\n}",
            wanted
        ));
        assert!(includes("include \"/etc/nginx/devflow/*.conf\" ;", wanted));
        assert!(!includes("# include /etc/nginx/devflow/*.conf;", wanted));
        assert!(!includes("include /etc/nginx/conf.d/*.conf;", wanted));
    }
}
