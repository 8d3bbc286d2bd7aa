//! What this machine is and how busy it is, as the dashboard shows it.

use devflow_protocol::runner_api::{ServerFacts, ServerLoad};
use std::path::Path;

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
            .and_then(|text| memory_mib(&text, "MemTotal:"))
            .unwrap_or_default(),
        runner_version: crate::version::version().to_string(),
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

/// How busy the machine is now; None where the kernel does not say so. `projects_dir` is on the disk that counts.
pub(crate) fn load(projects_dir: &Path) -> Option<ServerLoad> {
    let meminfo = std::fs::read_to_string("/proc/meminfo").ok()?;
    let disk = rustix::fs::statvfs(projects_dir).ok()?;
    let disk_mib = |blocks: u64| blocks.saturating_mul(disk.f_frsize) / (1024 * 1024);
    Some(ServerLoad {
        load_milli: load_milli(&std::fs::read_to_string("/proc/loadavg").ok()?)?,
        memory_mib: memory_mib(&meminfo, "MemTotal:")?,
        memory_available_mib: memory_mib(&meminfo, "MemAvailable:")?,
        // As `df` counts: what is reserved for root is neither used nor available.
        disk_mib: disk_mib(disk.f_blocks - disk.f_bfree + disk.f_bavail),
        disk_available_mib: disk_mib(disk.f_bavail),
    })
}

/// The first number of `/proc/loadavg`, which has two decimals, in thousandths.
fn load_milli(loadavg: &str) -> Option<u32> {
    let (whole, hundredths) = loadavg.split_whitespace().next()?.split_once('.')?;
    let hundredths: u32 = hundredths.get(..2)?.parse().ok()?;
    Some(whole.parse::<u32>().ok()?.saturating_mul(1_000) + hundredths * 10)
}

fn memory_mib(meminfo: &str, field: &str) -> Option<u64> {
    let kib: u64 = meminfo
        .lines()
        .find_map(|line| line.strip_prefix(field))?
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
        let meminfo = "MemTotal:       2048000 kB\nMemFree: 1 kB\n";
        assert_eq!(memory_mib(meminfo, "MemTotal:"), Some(2000));
        assert_eq!(memory_mib(meminfo, "MemAvailable:"), None);
    }

    #[test]
    fn load_is_the_first_average_of_the_kernel() {
        assert_eq!(load_milli("12.07 3.10 0.98 2/614 9211\n"), Some(12_070));
        assert_eq!(["", "x", "1", "1.2 "].map(load_milli), [None; 4]);
    }

    #[test]
    fn load_of_this_machine_fits_together() {
        let load = load(Path::new("/")).expect("a machine with /proc");
        assert!(load.memory_available_mib <= load.memory_mib && load.memory_mib > 0);
        assert!(load.disk_available_mib <= load.disk_mib && load.disk_mib > 0);
    }
}
