//! Patterns of the policy: `*` stands for anything but a slash, `**` for anything. Nothing else is special.

/// True when `text` as a whole fits `pattern`.
pub(crate) fn fits(pattern: &str, text: &str) -> bool {
    let pieces = pieces(pattern);
    let text: Vec<char> = text.chars().collect();
    // reachable[i]: the pieces so far can end before text[i].
    let mut reachable = vec![false; text.len() + 1];
    reachable[0] = true;
    for piece in pieces {
        let mut next = vec![false; text.len() + 1];
        match piece {
            Piece::Char(wanted) => {
                for (index, found) in text.iter().enumerate() {
                    next[index + 1] = reachable[index] && *found == wanted;
                }
            }
            Piece::Run { slashes } => {
                let mut open = false;
                for index in 0..=text.len() {
                    open = open && (slashes || text[index - 1] != '/') || reachable[index];
                    next[index] = open;
                }
            }
        }
        reachable = next;
    }
    reachable[text.len()]
}

enum Piece {
    Char(char),
    Run { slashes: bool },
}

fn pieces(pattern: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = pattern.chars().peekable();
    while let Some(next) = rest.next() {
        if next == '*' {
            let slashes = rest.next_if_eq(&'*').is_some();
            pieces.push(Piece::Run { slashes });
        } else {
            pieces.push(Piece::Char(next));
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fits_knows_two_kinds_of_stars() {
        for (pattern, text, expected) in [
            (
                "https://github.com/acme/*",
                "https://github.com/acme/shop.git",
                true,
            ),
            ("https://github.com/acme/*", "https://github.com/acme/a/b", false),
            (
                "https://github.com/acme/*",
                "https://github.com/other/shop",
                false,
            ),
            (
                "https://github.com/acme/*",
                "xhttps://github.com/acme/shop",
                false,
            ),
            ("https://**", "https://any.example/a/b", true),
            ("*@*:**", "git@github.com:acme/shop.git", true),
            ("devflow/php:*", "devflow/php:8.4", true),
            ("devflow/php:*", "devflow/php", false),
            ("a.c", "abc", false),
            ("", "", true),
            ("", "a", false),
            ("**", "", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} {text}");
        }
    }

    proptest! {
        #[test]
        fn fits_agrees_with_a_plain_reading(pattern in "[a/*]{0,8}", text in "[a/]{0,8}") {
            fn plain(pattern: &[u8], text: &[u8]) -> bool {
                match pattern {
                    [] => text.is_empty(),
                    [b'*', b'*', rest @ ..] => (0..=text.len()).any(|n| plain(rest, &text[n..])),
                    [b'*', rest @ ..] => (0..=text.len())
                        .take_while(|n| !text[..*n].contains(&b'/'))
                        .any(|n| plain(rest, &text[n..])),
                    [first, rest @ ..] => text.first() == Some(first) && plain(rest, &text[1..]),
                }
            }
            prop_assert_eq!(fits(&pattern, &text), plain(pattern.as_bytes(), text.as_bytes()));
        }
    }
}
