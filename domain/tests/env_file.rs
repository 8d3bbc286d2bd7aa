//! What is written into `.env` files is read back by PHP as the same bytes, by the reader that Laravel uses:
//! `vlucas/phpdotenv`.

use devflow_domain::env_file::render_dotenv;
use devflow_protocol::project::Environment;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

const CASES: usize = 400;

/// Reads `[[text, values], …]` from standard input and prints the first case that is read differently.
const READER: &str = r"
require '/usr/share/php/Dotenv/autoload.php';
foreach (json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR) as [$text, $values]) {
    $read = Dotenv\Dotenv::parse($text);
    ksort($read); ksort($values);
    if ($read !== $values) { echo json_encode([$text, $read, $values]); exit(1); }
}
";

fn value() -> impl Strategy<Value = String> {
    let hard = prop::sample::select(vec![
        "\\", "\"", "'", "$", "${", "}", "#", " ", "=", ";", "`", "\\n", "\\$", "é", "日", "🙂", "!", "%",
        "$(id)", "a", "0",
    ]);
    prop_oneof![
        prop::collection::vec(hard, 0..12).prop_map(|parts| parts.concat()),
        "\\PC{0,40}",
        Just(String::new()),
        Just("true".to_owned()),
        Just("null".to_owned()),
        Just("-----BEGIN KEY-----\nabc+/=\n-----END KEY-----\n".to_owned()),
        Just("tab\tand\r\nwindows".to_owned()),
    ]
}

fn environments() -> Vec<Environment> {
    let names = ["APP_KEY", "A", "DB_PASSWORD", "X_1"];
    let strategy = prop::collection::btree_map(prop::sample::select(names.to_vec()), value(), 0..4);
    let mut runner = TestRunner::deterministic();
    (0..CASES)
        .map(|_| {
            let drawn: BTreeMap<&str, String> = strategy.new_tree(&mut runner).expect("draws").current();
            Environment(
                drawn
                    .into_iter()
                    .map(|(k, v)| (k.parse().expect("a name"), v))
                    .collect(),
            )
        })
        .collect()
}

fn read_by_php(cases: &[(String, &Environment)]) {
    let mut php = Command::new("php")
        .args(["-d", "display_errors=stderr", "-r", READER])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("php with php-vlucas-phpdotenv is installed (cargo xtask test installs it)");
    let json = serde_json::to_vec(cases).expect("cases are JSON");
    php.stdin
        .take()
        .expect("is piped")
        .write_all(&json)
        .expect("php reads its input");
    let output = php.wait_with_output().expect("php ends");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(
        output.status.success(),
        "{}\n{}",
        text(&output.stdout),
        text(&output.stderr)
    );
}

#[test]
fn dotenv_is_read_back_by_phpdotenv_as_written() {
    let environments = environments();
    let cases: Vec<_> = environments
        .iter()
        .map(|env| (render_dotenv(env).expect("no NUL was drawn"), env))
        .collect();
    read_by_php(&cases);
}
