//! Terminal output as HTML: colours and weights become classes, every other escape sequence and control character is
//! dropped, all text is escaped. What a build prints can therefore never become markup.

use std::fmt::Write;

const COLOURS: [&str; 8] = [
    "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
];

#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a switch of the terminal's own"
)]
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Style {
    bold: bool,
    dim: bool,
    italic: bool,
    underline: bool,
    front: Option<usize>,
    ground: Option<usize>,
}

/// One line as HTML. A carriage return restarts the line, as progress bars use it.
pub(crate) fn to_html(line: &str) -> String {
    let line = line.trim_end_matches('\r');
    let line = line.rsplit('\r').next().unwrap_or_default();
    let mut html = String::with_capacity(line.len());
    let mut style = Style::default();
    let mut open = false;
    let mut rest = line;
    while let Some(at) = rest.find('\u{1b}') {
        push_text(&mut html, &rest[..at]);
        let (sequence, after) = split_escape(&rest[at + 1..]);
        rest = after;
        let Some(parameters) = sequence else { continue };
        let before = style;
        style.apply(parameters);
        if style == before {
            continue;
        }
        if open {
            html.push_str("</span>");
        }
        open = style != Style::default();
        if open {
            style.push_opening(&mut html);
        }
    }
    push_text(&mut html, rest);
    if open {
        html.push_str("</span>");
    }
    html
}

/// Splits what follows an ESC into the parameters of a colour sequence, if it is one, and the text after it.
fn split_escape(text: &str) -> (Option<&str>, &str) {
    if let Some(body) = text.strip_prefix('[') {
        let Some(end) = body.find(|c: char| ('\u{40}'..='\u{7e}').contains(&c)) else {
            return (None, "");
        };
        let parameters = body[end..].starts_with('m').then_some(&body[..end]);
        return (parameters, &body[end + 1..]);
    }
    if let Some(body) = text.strip_prefix([']', 'P', '_', '^']) {
        let bell = body.find('\u{7}').map(|at| at + 1);
        let terminator = body.find("\u{1b}\\").map(|at| at + 2);
        let end = bell.into_iter().chain(terminator).min().unwrap_or(body.len());
        return (None, &body[end..]);
    }
    let mut characters = text.chars();
    characters.next();
    (None, characters.as_str())
}

impl Style {
    fn apply(&mut self, parameters: &str) {
        let mut codes = parameters.split([';', ':']).map(|code| {
            if code.is_empty() {
                Ok(0)
            } else {
                code.parse::<usize>()
            }
        });
        while let Some(Ok(code)) = codes.next() {
            match code {
                0 => *self = Self::default(),
                1 => self.bold = true,
                2 => self.dim = true,
                3 => self.italic = true,
                4 => self.underline = true,
                22 => (self.bold, self.dim) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                30..=37 => self.front = Some(code - 30),
                39 => self.front = None,
                40..=47 => self.ground = Some(code - 40),
                49 => self.ground = None,
                90..=97 => self.front = Some(code - 90),
                100..=107 => self.ground = Some(code - 100),
                38 | 48 => {
                    let colour = extended(&mut codes);
                    let place = if code == 38 {
                        &mut self.front
                    } else {
                        &mut self.ground
                    };
                    *place = colour.or(*place);
                }
                _ => {}
            }
        }
    }

    fn push_opening(self, html: &mut String) {
        let mut classes = Vec::new();
        for (set, class) in [
            (self.bold, "a-bold"),
            (self.dim, "a-dim"),
            (self.italic, "a-italic"),
            (self.underline, "a-underline"),
        ] {
            if set {
                classes.push(class.to_owned());
            }
        }
        classes.extend(self.front.map(|colour| format!("f-{}", COLOURS[colour])));
        classes.extend(self.ground.map(|colour| format!("g-{}", COLOURS[colour])));
        let _ = write!(html, r#"<span class="{}">"#, classes.join(" "));
    }
}

/// The rest of a 256-colour (`5;n`) or true-colour (`2;r;g;b`) code; only the first 16 colours have a name here.
fn extended<E>(codes: &mut impl Iterator<Item = Result<usize, E>>) -> Option<usize> {
    match codes.next()?.ok()? {
        5 => codes.next()?.ok().filter(|n| *n < 16).map(|n| n % 8),
        2 => {
            codes.by_ref().take(3).for_each(drop);
            None
        }
        _ => None,
    }
}

/// A text as it is in HTML.
pub(super) fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    push_text(&mut html, text);
    html
}

fn push_text(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            '\t' => html.push('\t'),
            // Direction overrides make a line read differently from what it says.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c if c.is_control() => {}
            c => html.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn to_html_renders_colours_and_drops_other_sequences() {
        for (line, html) in [
            ("plain", "plain"),
            (
                "\u{1b}[32m✓\u{1b}[0m done",
                r#"<span class="f-green">✓</span> done"#,
            ),
            (
                "\u{1b}[1;31;44mx\u{1b}[39my",
                r#"<span class="a-bold f-red g-blue">x</span><span class="a-bold g-blue">y</span>"#,
            ),
            ("\u{1b}[38;5;9mred\u{1b}[m", r#"<span class="f-red">red</span>"#),
            ("\u{1b}[38;2;1;2;3mx", "x"),
            ("\u{1b}[2Ka\u{1b}[1Gb", "ab"),
            ("\u{1b}]0;title\u{7}text", "text"),
            ("\u{1b}]8;;https://x.test\u{1b}\\link\u{1b}]8;;\u{1b}\\", "link"),
            ("10%\r50%\r100%\r", "100%"),
            (
                "<script>alert('1')</script>",
                "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;",
            ),
            ("\u{1b}[31", ""),
            ("a\u{202e}b\u{0}c", "abc"),
        ] {
            assert_eq!(to_html(line), html, "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn to_html_never_lets_markup_through(line in "(\u{1b}\\[[0-9;:]{0,9}[a-zA-Z]|\u{1b}.|[<>&\"'a-z\u{1b}\r]){0,40}") {
            let html = to_html(&line);
            let mut text = html.replace("</span>", "");
            while let Some(at) = text.find("<span class=\"") {
                let end = text[at + 13..].find("\">").expect("each span is closed") + at + 15;
                prop_assert!(text[at + 13..end - 2].chars().all(|c| c.is_ascii_lowercase() || c == '-' || c == ' '));
                text.replace_range(at..end, "");
            }
            prop_assert!(!text.contains(['<', '>', '"', '\'']), "{html}");
            prop_assert_eq!(html.matches("<span").count(), html.matches("</span>").count());
        }
    }
}
