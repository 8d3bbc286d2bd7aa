//! What a runner says in words: names stand between backticks, and are shown as such.

use super::ansi::escape;
use askama::filters::HtmlSafe;
use std::fmt;

/// A sentence as it was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Prose(pub(crate) String);

impl fmt::Display for Prose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.0.split('`').peekable();
        let mut is_name = false;
        while let Some(part) = parts.next() {
            // A backtick without its second one is a character like others.
            let closed = parts.peek().is_some();
            let text = escape(part);
            match (is_name, closed) {
                (true, true) => write!(f, "<code>{text}</code>")?,
                (true, false) => write!(f, "`{text}")?,
                (false, _) => f.write_str(&text)?,
            }
            is_name = !is_name;
        }
        Ok(())
    }
}

impl HtmlSafe for Prose {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_marked_and_everything_is_escaped() {
        let shown = |text: &str| Prose(text.to_owned()).to_string();
        assert_eq!(
            shown("step `boot` failed: `a` & <b>"),
            "step <code>boot</code> failed: <code>a</code> &amp; &lt;b&gt;"
        );
        assert_eq!(shown("`<i>`"), "<code>&lt;i&gt;</code>");
        assert_eq!(shown("one ` alone"), "one ` alone");
        assert_eq!(shown("`a` and ` b"), "<code>a</code> and ` b");
        assert_eq!(shown(""), "");
    }
}
