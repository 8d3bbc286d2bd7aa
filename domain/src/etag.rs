//! Versions of things as entity tags, and the conditions of a change (RFC 9110, 8.8.3 and 13.1.1).

/// The entity tag of a version.
pub fn of(version: impl std::fmt::Display) -> String {
    format!("\"{version}\"")
}

/// Whether a header `If-Match` holds for what has the entity tag `current`; None where the header cannot be read. A weak
/// tag never matches: it does not say that the bytes are the same.
pub fn matches(header: &str, current: &str) -> Option<bool> {
    if header.trim() == "*" {
        return Some(true);
    }
    let mut found = false;
    let mut rest = header.trim_matches([' ', '\t', ',']);
    while !rest.is_empty() {
        let (weak, quoted) = match rest.strip_prefix("W/") {
            Some(quoted) => (true, quoted),
            None => (false, rest),
        };
        let length = quoted.strip_prefix('"')?.find('"')? + 2;
        found |= !weak && &quoted[..length] == current;
        let after = quoted[length..].trim_start_matches([' ', '\t']);
        if !after.is_empty() && !after.starts_with(',') {
            return None;
        }
        rest = after.trim_start_matches([' ', '\t', ',']);
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_compares_strongly_and_reads_lists() {
        let current = of(7);
        assert_eq!(current, "\"7\"");
        let cases = [
            ("*", Some(true)),
            ("\"7\"", Some(true)),
            ("\"6\", \"7\"", Some(true)),
            ("\"6\" ,, W/\"x\" , \"7\"", Some(true)),
            ("\"a,b\",\"7\"", Some(true)),
            ("W/\"7\"", Some(false)),
            ("\"77\"", Some(false)),
            ("", Some(false)),
            ("7", None),
            ("\"7", None),
            ("\"6\" \"7\"", None),
            ("w/\"7\"", None),
        ];
        for (header, expected) in cases {
            assert_eq!(matches(header, &current), expected, "{header}");
        }
    }
}
