//! The dashboard: one file a page, each with what its template shows and thin handlers. Pages are whole HTML and every
//! action is a form, so that they work without a script; `ui/` makes them live. Decisions and SQL are elsewhere.

mod ansi;
mod assets;
mod icon;
mod look;
mod moment;
mod shell;
mod sign_in;
