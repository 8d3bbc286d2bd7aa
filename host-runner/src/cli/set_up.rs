//! `host-runner set-up`: what belongs to an installed runner on a server. The program carries it, so that unit and program are
//! always of one version.

use anyhow::Context as _;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

const UNIT: &str = include_str!("../../packaging/devflow-runner.service");
const CONFIG: &str = include_str!("../../packaging/runner.toml");
const POLICY: &str = include_str!("../../packaging/policy.toml");

/// Sections of the configuration that are for what not every server has, with the socket that shows it.
const OPTIONAL: [(&str, &str); 2] = [
    ("[mariadb]", "run/mysqld/mysqld.sock"),
    ("[redis]", "run/redis/redis-server.sock"),
];

pub(super) fn execute() -> anyhow::Result<ExitCode> {
    set_up(Path::new("/"))?;
    Ok(ExitCode::SUCCESS)
}

/// Writes what is missing below `root`. The unit is the program's own and replaced; configuration and policy are their
/// administrator's and left alone.
fn set_up(root: &Path) -> anyhow::Result<()> {
    write(&root.join("etc/systemd/system/devflow-runner.service"), UNIT)?;
    write_missing(&root.join("etc/devflow/runner.toml"), &config(root))?;
    write_missing(&root.join("etc/devflow/policy.toml"), POLICY)
}

/// The example, with the sections off that this server has nothing for.
fn config(root: &Path) -> String {
    let mut off = false;
    let mut text = String::with_capacity(CONFIG.len() + 64);
    for line in CONFIG.lines() {
        if line.starts_with('[') {
            let section = OPTIONAL.iter().find(|(name, _)| *name == line);
            off = section.is_some_and(|(_, socket)| !root.join(socket).exists());
        }
        if off && !line.is_empty() && !line.starts_with('#') {
            text.push_str("# ");
        }
        text.push_str(line);
        text.push('\n');
    }
    text
}

fn write_missing(path: &Path, text: &str) -> anyhow::Result<()> {
    if path.exists() {
        return Ok(());
    }
    write(path, text)?;
    println!("Wrote {}.", path.display());
    Ok(())
}

fn write(path: &Path, text: &str) -> anyhow::Result<()> {
    let failed = || format!("cannot write {}", path.display());
    match fs::read_to_string(path) {
        Ok(there) if there == text => return Ok(()),
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(failed),
        _ => {}
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(failed)?;
    }
    fs::write(path, text).with_context(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn set_up_writes_what_is_missing_and_leaves_what_is_the_administrators() {
        let root = tempfile::tempdir().expect("a folder");
        let at = |path: &str| root.path().join(path);
        let read = |path: &str| fs::read_to_string(at(path)).expect("written");
        set_up(root.path()).expect("set up");
        assert_eq!(read("etc/systemd/system/devflow-runner.service"), UNIT);
        fs::write(at("etc/devflow/policy.toml"), "[allow]\n").expect("edited");
        fs::write(at("etc/systemd/system/devflow-runner.service"), "[Unit]\n").expect("older");
        set_up(root.path()).expect("set up again");
        assert_eq!(read("etc/devflow/policy.toml"), "[allow]\n");
        assert_eq!(read("etc/systemd/system/devflow-runner.service"), UNIT);
    }

    #[test]
    fn config_has_databases_where_the_server_has_them() {
        let root = tempfile::tempdir().expect("a folder");
        let parsed = |text: &str| Config::parse(text).expect("a configuration");
        let without = parsed(&config(root.path()));
        assert_eq!((without.mariadb, without.redis), (None, None));
        let socket = root.path().join(OPTIONAL[1].1);
        fs::create_dir_all(socket.parent().expect("a folder")).expect("made");
        fs::write(&socket, "").expect("a socket");
        let with = parsed(&config(root.path()));
        assert_eq!(with.mariadb, None);
        assert_eq!(with.redis, parsed(CONFIG).redis);
    }
}
