//! What this machine is, as the dashboard shows it.

use devflow_protocol::runner_api::ServerFacts;

/// Collects the facts; what cannot be found out stays empty.
pub(crate) fn collect(deploy_key: Option<String>) -> ServerFacts {
    ServerFacts {
        hostname: hostname(),
        os: std::fs::read_to_string("/etc/os-release")
            .ok()
            .and_then(|text| os_name(&text))
            .unwrap_or_else(|| std::env::consts::OS.to_owned()),
        cpus: std::thread::available_parallelism()
            .map_or(0, |count| u16::try_from(count.get()).unwrap_or(u16::MAX)),
        memory_mib: std::fs::read_to_string("/proc/meminfo")
            .ok()
            .and_then(|text| memory_mib(&text))
            .unwrap_or_default(),
        runner_version: env!("CARGO_PKG_VERSION").to_owned(),
        deploy_key,
    }
}

/// The machine's name.
pub(crate) fn hostname() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

fn os_name(os_release: &str) -> Option<String> {
    os_release
        .lines()
        .find_map(|line| line.strip_prefix("PRETTY_NAME="))
        .map(|name| name.trim_matches('"').to_owned())
}

fn memory_mib(meminfo: &str) -> Option<u64> {
    let kib: u64 = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()?;
    Some(kib / 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_read_from_the_system_files() {
        assert_eq!(
            os_name("NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n").as_deref(),
            Some("Debian GNU/Linux 12 (bookworm)")
        );
        assert_eq!(
            memory_mib("MemTotal:       2048000 kB\nMemFree: 1 kB\n"),
            Some(2000)
        );
        assert_eq!(memory_mib("MemFree: 1 kB\n"), None);
    }
}
