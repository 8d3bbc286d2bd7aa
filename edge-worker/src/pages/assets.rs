//! Paths of the bundled styles, scripts and icons, with their content's hash where they have been built (`build.rs`).

include!(concat!(env!("OUT_DIR"), "/assets.rs"));
