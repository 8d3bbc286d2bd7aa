//! Which releases of a project may be removed from a server.

use devflow_protocol::DeploymentId;

/// A release on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptRelease {
    /// The release; ids sort by age.
    pub id: DeploymentId,
    /// True when a container, running or stopped, carries its label, or a process has its folder open.
    pub in_use: bool,
    /// True when it was live once: only such releases count as something to go back to.
    pub complete: bool,
}

/// The releases to remove: beyond the newest `keep` complete ones, never the live one and never one in use.
/// Incomplete releases that nothing uses are left-overs and go at once; so the caller holds the project's slot.
pub fn removable(releases: &[KeptRelease], live: Option<&DeploymentId>, keep: u8) -> Vec<DeploymentId> {
    let mut complete: Vec<&DeploymentId> = releases
        .iter()
        .filter(|release| release.complete)
        .map(|release| &release.id)
        .collect();
    complete.sort_unstable_by(|a, b| b.cmp(a));
    complete.truncate(usize::from(keep.max(1)));
    let mut gone: Vec<DeploymentId> = releases
        .iter()
        .filter(|release| !release.in_use && live != Some(&release.id) && !complete.contains(&&release.id))
        .map(|release| release.id.clone())
        .collect();
    gone.sort_unstable();
    gone
}

#[cfg(test)]
mod tests {
    use super::*;
    use devflow_protocol::UnixMillis;

    fn id(n: u8) -> DeploymentId {
        DeploymentId::new(UnixMillis(i64::from(n)), [n; 10])
    }

    fn release(n: u8) -> KeptRelease {
        KeptRelease {
            id: id(n),
            in_use: false,
            complete: true,
        }
    }

    #[test]
    fn oldest_beyond_the_number_go_and_the_live_one_never() {
        let releases: Vec<_> = (1..=5).map(release).collect();
        assert_eq!(removable(&releases, Some(&id(5)), 3), vec![id(1), id(2)]);
        assert_eq!(removable(&releases, Some(&id(1)), 3), vec![id(2)]);
        assert_eq!(
            removable(&releases, Some(&id(5)), 0),
            vec![id(1), id(2), id(3), id(4)]
        );
    }

    #[test]
    fn what_is_in_use_stays_and_left_overs_go() {
        let mut releases: Vec<_> = (1..=3).map(release).collect();
        releases[0].in_use = true;
        releases.push(KeptRelease {
            complete: false,
            ..release(4)
        });
        assert_eq!(removable(&releases, Some(&id(3)), 1), vec![id(2), id(4)]);
    }
}
