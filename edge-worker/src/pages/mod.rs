//! The dashboard: one file a page, each with what its template shows and thin handlers. Pages are whole HTML and every
//! action is a form, so that they work without a script; `ui/` makes them live. Decisions and SQL are elsewhere.

mod activity;
mod ansi;
mod assets;
mod deployment;
mod icon;
mod keys;
mod look;
mod moment;
mod output;
mod overview;
mod project;
mod servers;
mod shell;
mod sign_in;
#[cfg(test)]
mod tests;
