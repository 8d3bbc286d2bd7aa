//! The program itself where there is no installation: what it ends with, and where it says why.

use std::path::Path;
use std::process::{Command, Output};

/// Runs the program with `home` as the only place that it may know anything from.
fn devflow(home: &Path, environment: &[(&str, &str)], argument: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_devflow"))
        .env_clear()
        .env("HOME", home)
        .envs(environment.iter().copied())
        .arg(argument)
        .output()
        .expect("the program runs")
}

#[test]
fn exit_codes_tell_a_wrong_call_from_an_installation_that_does_not_answer() {
    let home = tempfile::tempdir().unwrap();
    let key = format!("dfp_{}", "A".repeat(43));
    let nowhere: &[(&str, &str)] = &[];
    let nobody_listens: &[_] = &[("DEVFLOW_URL", "http://127.0.0.1:1"), ("DEVFLOW_API_KEY", &key)];
    let cases = [
        (nowhere, "--version", 0, ""),
        (nowhere, "deplyo", 2, "deploy"),
        (nowhere, "projects", 2, "devflow login"),
        (nobody_listens, "projects", 4, "http://127.0.0.1:1"),
    ];
    for (environment, argument, code, said) in cases {
        let output = devflow(home.path(), environment, argument);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{argument}: {errors}");
        assert!(errors.contains(said), "{argument}: {errors}");
        assert!(!errors.contains(&key), "{argument} shows the key");
        assert_eq!(output.stdout.is_empty(), code != 0, "{argument}");
    }
    assert_eq!(
        std::fs::read_dir(home.path()).unwrap().count(),
        0,
        "nothing is left behind"
    );
}
