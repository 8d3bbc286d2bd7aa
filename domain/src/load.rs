//! How much of a server is in use, and whether that is worth a look.

use devflow_protocol::runner_api::ServerLoad;

/// A part of a server that fills up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Of a hundred; a processor can have more to do than it can.
    pub percent: u64,
    /// True where somebody should look at it.
    pub high: bool,
}

/// Percents from which on somebody should look.
const PROCESSOR: u64 = 80;
const MEMORY: u64 = 90;
const DISK: u64 = 85;

fn usage(used: u64, whole: u64, high_from: u64) -> Usage {
    let percent = used.saturating_mul(100) / whole.max(1);
    Usage {
        percent,
        high: percent >= high_from,
    }
}

/// The processes of the last minute over the cores that can run them.
pub fn processor(load: &ServerLoad, cores: u16) -> Usage {
    usage(load.load_milli.into(), u64::from(cores.max(1)) * 1_000, PROCESSOR)
}

/// Memory that programs cannot get any more.
pub fn memory(load: &ServerLoad) -> Usage {
    let used = load.memory_mib.saturating_sub(load.memory_available_mib);
    usage(used, load.memory_mib, MEMORY)
}

/// Disk space that is not available any more.
pub fn disk(load: &ServerLoad) -> Usage {
    let used = load.disk_mib.saturating_sub(load.disk_available_mib);
    usage(used, load.disk_mib, DISK)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_is_a_share_and_says_when_it_is_high() {
        let load = ServerLoad {
            load_milli: 3_400,
            memory_mib: 8_000,
            memory_available_mib: 2_000,
            disk_mib: 80_000,
            disk_available_mib: 12_000,
        };
        let shown = |usage: Usage| (usage.percent, usage.high);
        assert_eq!(shown(processor(&load, 2)), (170, true));
        assert_eq!(shown(processor(&load, 8)), (42, false));
        assert_eq!(shown(memory(&load)), (75, false));
        assert_eq!(shown(disk(&load)), (85, true));
        let nothing = ServerLoad::default();
        assert_eq!(shown(processor(&nothing, 0)), (0, false));
        assert_eq!(shown(disk(&nothing)), (0, false));
    }
}
