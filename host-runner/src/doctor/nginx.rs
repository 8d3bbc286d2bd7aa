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
    let mut checks = vec![valid, included];
    let dump = String::from_utf8_lossy(&output.stdout);
    if let Some(file) = other_default(&dump, &nginx.listen, &nginx.vhost_dir.display().to_string()) {
        checks.push(Check::fail(
            "default site",
            format!("{file} is the default server of a port that projects listen on; the runner has its own, which \
                     answers for names that no project has"),
            format!("take `default_server` out of {file}, or remove it (Debian: rm /etc/nginx/sites-enabled/default)"),
        ));
    }
    checks
}

/// The file outside `vhost_dir` that has a default server on one of the projects' ports.
fn other_default<'d>(dump: &'d str, listen: &[String], vhost_dir: &str) -> Option<&'d str> {
    let mut file = "";
    for line in dump.lines() {
        if let Some(name) = line.strip_prefix("# configuration file ") {
            file = name.trim_end_matches(':');
            continue;
        }
        let mut words = line.trim().trim_end_matches(';').split_whitespace();
        let is_default = words.next() == Some("listen")
            && words
                .next()
                .is_some_and(|address| listen.iter().any(|ours| ours == address))
            && words.any(|word| word == "default_server");
        if is_default && !file.starts_with(vhost_dir) {
            return Some(file);
        }
    }
    None
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
    fn other_default_names_the_file_that_is_in_the_way() {
        let dump = "# configuration file /etc/nginx/devflow/000_default.conf:\n    listen 80 default_server;\n\
                    # configuration file /etc/nginx/sites-enabled/default:\n    listen 8080 default_server;\n    \
                    listen 80 default_server;\n";
        let listen = ["80".to_owned()];
        let found = other_default(dump, &listen, "/etc/nginx/devflow");
        assert_eq!(found, Some("/etc/nginx/sites-enabled/default"));
        assert_eq!(
            other_default(dump, &["81".to_owned()], "/etc/nginx/devflow"),
            None
        );
    }

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
