//! Environment files that people import.

#![no_main]

use devflow_domain::dotenv::parse;
use devflow_domain::env_file::render_dotenv;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(environment) = parse(text)
        && let Ok(written) = render_dotenv(&environment)
    {
        assert_eq!(parse(&written), Ok(environment));
    }
});
