//! How busy a server is, as meters.

use devflow_domain::load::{self, Usage};
use devflow_protocol::runner_api::ServerLoad;

/// Units of a meter's line.
const LINE: u64 = 1_000;

/// One thing that fills up.
pub(crate) struct Meter {
    pub(crate) name: &'static str,
    /// How much of how much.
    pub(crate) text: String,
    /// Of 1,000.
    pub(crate) width: u64,
    /// Somebody should look at it.
    pub(crate) high: bool,
}

impl Meter {
    fn new(name: &'static str, text: String, usage: Usage) -> Self {
        Self {
            name,
            text,
            width: (usage.percent * LINE / 100).min(LINE),
            high: usage.high,
        }
    }
}

/// Memory or disk as people buy it.
pub(super) fn size(mib: u64) -> String {
    if mib < 1_024 {
        format!("{mib} MB")
    } else {
        gigabytes(mib) + " GB"
    }
}

fn gigabytes(mib: u64) -> String {
    format!("{}.{}", mib / 1_024, mib % 1_024 * 10 / 1_024)
}

pub(super) fn cores(cpus: u16) -> String {
    if cpus == 1 {
        "1 core".to_owned()
    } else {
        format!("{cpus} cores")
    }
}

/// The kernel's load average, as `uptime` shows it.
fn average(load: &ServerLoad) -> String {
    format!("{}.{:02}", load.load_milli / 1_000, load.load_milli % 1_000 / 10)
}

/// Used of all, in gigabytes.
fn of(all: u64, available: u64) -> String {
    format!("{} of {}", gigabytes(all.saturating_sub(available)), size(all))
}

/// The meters of a server's page.
pub(super) fn meters(load: &ServerLoad, cpus: u16) -> Vec<Meter> {
    vec![
        Meter::new(
            "Load",
            format!("{} on {}", average(load), cores(cpus)),
            load::processor(load, cpus),
        ),
        Meter::new(
            "Memory",
            of(load.memory_mib, load.memory_available_mib),
            load::memory(load),
        ),
        Meter::new(
            "Disk",
            of(load.disk_mib, load.disk_available_mib),
            load::disk(load),
        ),
    ]
}

/// The same in a line of a list: what is high, or all in short.
pub(super) fn in_short(load: &ServerLoad) -> String {
    format!(
        "load {} · memory {} % · disk {} %",
        average(load),
        load::memory(load).percent,
        load::disk(load).percent
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meters_say_how_much_of_how_much() {
        let load = ServerLoad {
            load_milli: 9_070,
            memory_mib: 7_900,
            memory_available_mib: 4_000,
            disk_mib: 81_920,
            disk_available_mib: 8_192,
        };
        let shown: Vec<_> = meters(&load, 4)
            .into_iter()
            .map(|meter| (meter.text, meter.width, meter.high))
            .collect();
        let expected = [
            ("9.07 on 4 cores", 1_000, true),
            ("3.8 of 7.7 GB", 490, false),
            ("72.0 of 80.0 GB", 900, true),
        ];
        assert_eq!(
            shown,
            expected.map(|(text, width, high)| (text.to_owned(), width, high))
        );
        assert_eq!(in_short(&load), "load 9.07 · memory 49 % · disk 90 %");
    }
}
