//! What is written into `.env` files is read back by PHP as the same bytes, by the reader that Laravel uses,
//! `vlucas/phpdotenv`; and Laravel's own `env()` changes of them what docs/OPERATIONS.md says, and nothing else.

use devflow_domain::env_file::render_dotenv;
use devflow_protocol::project::Environment;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::{Command, Stdio};

const CASES: usize = 400;

/// Reads `[[text, values], …]` from standard input and prints the first case that is read differently.
const READ_ALL: &str = r"
foreach (json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR) as [$text, $values]) {
    $seen = read($text, array_keys($values));
    ksort($seen); ksort($values);
    if ($seen !== $values) { echo json_encode([$text, $seen, $values]); exit(1); }
}
";

const PHPDOTENV: &str = r"
require '/usr/share/php/Dotenv/autoload.php';
function read(string $text): array { return Dotenv\Dotenv::parse($text); }
";

/// Loads as `Illuminate\Foundation\Bootstrap\LoadEnvironmentVariables` does, and asks as an application does.
const LARAVEL: &str = r"
require '/usr/share/php/Illuminate/Support/autoload.php';
use Illuminate\Support\Env;
function read(string $text, array $names): array {
    Env::enablePutenv();
    $store = new Dotenv\Store\StringStore($text);
    (new Dotenv\Dotenv($store, new Dotenv\Parser\Parser(), new Dotenv\Loader\Loader(), Env::getRepository()))->load();
    $seen = array_combine($names, array_map(fn ($name) => env($name), $names));
    foreach ($names as $name) { unset($_ENV[$name], $_SERVER[$name]); putenv($name); }
    return $seen;
}
";

/// What Laravel's `env()` makes of a value: words of PHP become its values, quotes around a line go.
fn as_laravel_gives(value: &str) -> Value {
    match value.to_lowercase().as_str() {
        "true" | "(true)" => return json!(true),
        "false" | "(false)" => return json!(false),
        "null" | "(null)" => return Value::Null,
        "empty" | "(empty)" => return json!(""),
        _ => {}
    }
    let inner = ['"', '\'']
        .iter()
        .find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    json!(inner.filter(|inner| !inner.contains('\n')).unwrap_or(value))
}

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
        Just("NULL".to_owned()),
        Just("(false)".to_owned()),
        Just("empty".to_owned()),
        "[\"']\\PC{0,8}[\"']",
        Just("\"two\nlines\"".to_owned()),
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

/// Has PHP read all cases; `expected` says what of a value.
fn read_by_php(reader: &str, expected: fn(&str) -> Value) {
    let environments = environments();
    let cases: Vec<(String, BTreeMap<&str, Value>)> = environments
        .iter()
        .map(|env| {
            let values = env.0.iter().map(|(name, value)| (name.as_str(), expected(value)));
            (render_dotenv(env).expect("no NUL was drawn"), values.collect())
        })
        .collect();
    let mut php = Command::new("php")
        .args([
            "-d",
            "display_errors=stderr",
            "-r",
            &format!("{reader}{READ_ALL}"),
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("php is installed (cargo xtask test installs it and the libraries)");
    let json = serde_json::to_vec(&cases).expect("cases are JSON");
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
    read_by_php(PHPDOTENV, |value| json!(value));
}

#[test]
fn dotenv_is_changed_by_laravels_env_in_words_of_php_and_outer_quotes_only() {
    read_by_php(LARAVEL, as_laravel_gives);
}
