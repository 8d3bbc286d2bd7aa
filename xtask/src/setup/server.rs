//! The Debian that servers of stories boot from: systemd, and what a person types the installation's command with.

use super::apt;
use anyhow::{Context, Result};
use devflow_tests::places;
use std::fs;

const PACKAGES: &str = "systemd,systemd-sysv,dbus,curl,ca-certificates,sudo";

/// Makes it where it is not there.
pub(super) fn install() -> Result<()> {
    let root = places::cache()?.join("deb/bookworm-server");
    let mark = root.join(".complete");
    if mark.exists() {
        return Ok(());
    }
    apt::unpack(
        "bookworm",
        PACKAGES,
        &root,
        "unpack Debian 12 with systemd (40 s)",
    )?;
    fs::write(&mark, "").with_context(|| format!("cannot write {}", mark.display()))
}
