use super::*;

/// What the lines of a command say, each behind `O` or `E` for the stream that it came on.
fn words(output: &str) -> String {
    let mut complaint = Complaint::default();
    for line in output.lines() {
        let (stream, line) = line.split_at_checked(2).unwrap_or((line, ""));
        let stream = if stream.starts_with('E') {
            Stream::Err
        } else {
            Stream::Out
        };
        complaint.take(stream, &plain(line));
    }
    complaint.words(1)
}

#[test]
fn words_name_the_cause_and_not_the_advice_behind_it() {
    let migration = "\
O    Illuminate\\Database\\QueryException
O   SQLSTATE[HY000]: General error: 1 no such table: x
O   at vendor/laravel/framework/src/Illuminate/Database/Connection.php:829";
    assert_eq!(
        words(migration),
        "SQLSTATE[HY000]: General error: 1 no such table: x"
    );
    let boot = "\
O    RuntimeException
O   the boot is broken
O   at app/Providers/X.php:10";
    assert_eq!(words(boot), "the boot is broken");
    assert_eq!(
        words("O    ERROR  Command \"flower:water\" is not defined."),
        "Command \"flower:water\" is not defined."
    );
    assert_eq!(words("E first\nE second\nO x"), "second");
    assert_eq!(words(""), "nothing, and ended with status 1");
}

/// Outputs of Node 20, npm 10 and 11, Vite 6, webpack 5, esbuild and TypeScript, shortened where they repeat.
#[test]
fn words_of_a_failed_node_build_state_its_error() {
    let cases = [
        (
            "\
O > build
O > node nope.js
E node:internal/modules/cjs/loader:1210
E   throw err;
E   ^
E Error: Cannot find module '/app/nope.js'
E     at Module._resolveFilename (node:internal/modules/cjs/loader:1207:15)
E     at node:internal/main/run_main_module:28:49 {
E   code: 'MODULE_NOT_FOUND',
E   requireStack: []
E }
E Node.js v20.20.2",
            "Error: Cannot find module '/app/nope.js'",
        ),
        (
            "\
E error during build:
E [vite:build-html] src/main.js (1:10): Expression expected
E file: /app/src/main.js:1:10 (/app/index.html)
E 1: const a = ;
E              ^
E     at getRollupError (file:///app/node_modules/rollup/dist/es/shared/parseAst.js:355:41)",
            "[vite:build-html] src/main.js (1:10): Expression expected",
        ),
        (
            "\
O transforming...
O ✓ 3 modules transformed.
E ✗ Build failed in 41ms
E error during build:
E Could not resolve \"./missing.js\" from \"src/main.js\"
E file: /app/src/main.js
E     at error (file:///app/node_modules/rollup/dist/es/shared/parseAst.js:351:42)",
            "Could not resolve \"./missing.js\" from \"src/main.js\"",
        ),
        (
            "\
O assets by status 235 bytes [cached] 1 asset
O ERROR in ./src/index.js 1:0-19
O Module not found: Error: Can't resolve './nope.js' in '/app/src'
O resolve './nope.js' in '/app/src'
O webpack 5.113.0 compiled with 1 error in 261 ms
E error Command failed with exit code 1.",
            "Module not found: Error: Can't resolve './nope.js' in '/app/src'",
        ),
        (
            "\
E ✘ [ERROR] Could not resolve \"./nope\"
E     a.ts:1:7:
E       1 │ import \"./nope\"; const x: number = \"a\";
E 1 error",
            "Could not resolve \"./nope\"",
        ),
        (
            "O a.ts(1,24): error TS2322: Type 'string' is not assignable to type 'number'.",
            "a.ts(1,24): error TS2322: Type 'string' is not assignable to type 'number'.",
        ),
        (
            "\
E [7046:0x2d799ca0]  96 ms: Mark-Compact 30.0 (62.9) -> 30.0 (62.7) MB, allocation failure
E FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory
E ----- Native stack trace -----
E  1: 0xb78db3 node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]",
            "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
        ),
    ];
    for (output, expected) in cases {
        assert_eq!(words(output), expected);
    }
}

#[test]
fn words_of_npm_are_its_cause_and_not_its_codes_options_or_log() {
    let misuse = "\
E npm error code EUSAGE
E npm error
E npm error The `npm ci` command can only install with an existing package-lock.json or
E npm error npm-shrinkwrap.json with lockfileVersion >= 1. Run an install with npm@5 or
E npm error later to generate a package-lock.json file, then try again.
E npm error
E npm error Clean install a project
";
    let options = "E npm error   --no-audit\nE npm error\n".repeat(50);
    let end = "E npm error A complete log of this run can be found in: /tmp/.npm/_logs/2026-debug-0.log";
    assert_eq!(
        words(&format!("{misuse}{options}{end}")),
        "The `npm ci` command can only install with an existing package-lock.json or npm-shrinkwrap.json with \
         lockfileVersion >= 1. Run an install with npm@5 or later to generate a package-lock.json file, then try again."
    );
    let cases = [
        ("E npm error Missing script: \"nothere\"\nE npm error\nE npm error To see a list of scripts, run:", "Missing script: \"nothere\""),
        (
            "\
E npm error code E404
E npm error 404 Not Found - GET https://npm.example.com/flowers
E npm error 404
E npm error 404  The requested resource 'flowers@1.0.0' could not be found or you do not have permission to access it.",
            "Not Found - GET https://npm.example.com/flowers",
        ),
        (
            "\
E npm ERR! code ERESOLVE
E npm ERR! ERESOLVE unable to resolve dependency tree
E npm ERR!
E npm ERR! While resolving: a@undefined",
            "unable to resolve dependency tree",
        ),
        (
            "\
E npm error code 1
E npm error path /app/node_modules/dep
E npm error command failed
E npm error command sh -c node x.js
E npm error /app/node_modules/dep/x.js:1
E npm error throw new TypeError(\"no libvips\")
E npm error ^
E npm error
E npm error TypeError: no libvips
E npm error     at Object.<anonymous> (/app/node_modules/dep/x.js:1:7)
E npm error
E npm error Node.js v20.20.2",
            "TypeError: no libvips",
        ),
    ];
    for (output, expected) in cases {
        assert_eq!(words(output), expected);
    }
}

#[test]
fn words_of_composer_and_php_state_what_is_wrong() {
    let cases = [
        (
            "\
E Updating dependencies
E Your requirements could not be resolved to an installable set of packages.
E   Problem 1
E     - Root composer.json requires php >=9.0 but your php version (8.2.36) does not satisfy that requirement.",
            "Root composer.json requires php >=9.0 but your php version (8.2.36) does not satisfy that requirement.",
        ),
        (
            "\
E In JsonFile.php line 347:
E   \"./composer.json\" does not contain valid JSON
E   Parse error on line 1:
E install [--prefer-source] [--prefer-dist] [--] [<packages>...]",
            "\"./composer.json\" does not contain valid JSON",
        ),
        (
            "\
E Warning: The lock file is not up to date with the latest changes in composer.json.
E - Required package \"monolog/monolog\" is not present in the lock file.
E and prefer using the \"require\" command over editing the composer.json file directly",
            "Required package \"monolog/monolog\" is not present in the lock file.",
        ),
        (
            "\
E Composer could not find a composer.json file in /app
E To initialize a project, please create a composer.json file.",
            "Composer could not find a composer.json file in /app",
        ),
        (
            "\
E Generating autoload files
E > @php x.php
E the theme has no manifest
E Script @php x.php handling the post-autoload-dump event returned with error code 3",
            "the theme has no manifest",
        ),
        (
            "\
E > @php x.php
E Script @php x.php handling the post-autoload-dump event returned with error code 3",
            "Script @php x.php handling the post-autoload-dump event returned with error code 3",
        ),
        (
            "\
E PHP Warning:  Undefined variable $x in /app/a.php on line 1
E PHP Fatal error:  Uncaught Error: Call to a member function y() on null in /app/a.php:1
E Stack trace:
E #0 {main}
E   thrown in /app/a.php on line 1",
            "PHP Fatal error:  Uncaught Error: Call to a member function y() on null in /app/a.php:1",
        ),
        (
            "E PHP Parse error:  syntax error, unexpected token \";\" in /app/a.php on line 1",
            "PHP Parse error:  syntax error, unexpected token \";\" in /app/a.php on line 1",
        ),
    ];
    for (output, expected) in cases {
        assert_eq!(words(output), expected);
    }
}

#[test]
fn words_of_an_image_build_are_those_of_the_command_that_failed() {
    let cases = [
        (
            "\
O [2/2] RUN echo out; echo 'no theme' >&2; exit 3
O out
E no theme
E executor failed running [/bin/sh -c echo out; echo 'no theme' >&2; exit 3]: exit code: 3",
            "no theme",
        ),
        (
            "\
O [2/2] RUN exit 3
E process \"/bin/sh -c exit 3\" did not complete successfully: exit code: 3",
            "process \"/bin/sh -c exit 3\" did not complete successfully: exit code: 3",
        ),
        (
            "\
O [2/2] COPY missing /x
E failed to compute cache key: \"/missing\" not found: not found",
            "failed to compute cache key: \"/missing\" not found: not found",
        ),
    ];
    for (output, expected) in cases {
        assert_eq!(words(output), expected);
    }
}

#[test]
fn plain_drops_colours_and_keeps_text() {
    assert_eq!(
        plain("\u{1b}[37;44m INFO \u{1b}[39;49m done [ok]"),
        " INFO  done [ok]"
    );
    assert_eq!(plain("é\u{1b}"), "é");
}
