//! The version of this program.

use devflow_protocol::release::RunnerVersion;

/// What this program is, as releases and servers' pages name it.
pub(crate) fn version() -> RunnerVersion {
    #[cfg(debug_assertions)]
    if let Some(version) = crate::fault::claimed("version") {
        return version.parse().expect("a test claims a version");
    }
    env!("CARGO_PKG_VERSION")
        .parse()
        .expect("the workspace has a version of three numbers")
}

#[cfg(test)]
mod tests {
    #[test]
    fn version_is_the_workspaces() {
        assert_eq!(super::version().to_string(), env!("CARGO_PKG_VERSION"));
    }
}
