//! Whether a PHP version fits a constraint of Composer
//! (<https://getcomposer.org/doc/articles/versions.md#writing-version-constraints>).

/// Major, minor and patch, and how many of them were written.
type Version = ([u32; 3], usize);

/// True where some release `major.minor.x` of `version` (`major.minor`) fits. What cannot be read fits nothing.
pub(super) fn allows(constraint: &str, version: &str) -> bool {
    let Some(([major, minor, _], 2)) = parse(version) else {
        return false;
    };
    let range = ([major, minor, 0], [major, minor + 1, 0]);
    constraint
        .split('|')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .any(|part| meets(part, range))
}

/// From the first version to the one that is not in it any more.
type Range = ([u32; 3], [u32; 3]);

const NO_END: [u32; 3] = [u32::MAX; 3];

/// Whether all conditions of one alternative leave something of the range.
fn meets(alternative: &str, (mut from, mut to): Range) -> bool {
    if let Some((low, high)) = alternative.split_once(" - ") {
        return meets(&format!(">={} <={}", low.trim(), high.trim()), (from, to));
    }
    for condition in conditions(alternative) {
        let Some((low, high)) = range(&condition) else {
            return false;
        };
        from = from.max(low);
        to = to.min(high);
    }
    from < to
}

/// Conditions are parted by blanks or commas; an operator may stand apart from its version.
fn conditions(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        match found.last_mut() {
            Some(last) if last.bytes().all(|byte| b"<>=!^~".contains(&byte)) => last.push_str(word),
            _ => found.push(word.to_owned()),
        }
    }
    found
}

fn parse(text: &str) -> Option<Version> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text.split(['-', '@', '+']).next()?;
    let mut numbers = [0; 3];
    let mut count = 0;
    for part in text.split('.').take(3) {
        if matches!(part, "*" | "x" | "X") {
            break;
        }
        numbers[count] = part.parse().ok()?;
        count += 1;
    }
    Some((numbers, count))
}

/// The version behind all that begin with the first `count` numbers.
fn behind(numbers: [u32; 3], count: usize) -> [u32; 3] {
    match count {
        0 => NO_END,
        1 => [numbers[0] + 1, 0, 0],
        2 => [numbers[0], numbers[1] + 1, 0],
        _ => [numbers[0], numbers[1], numbers[2] + 1],
    }
}

fn range(condition: &str) -> Option<Range> {
    let at = condition.find(|c: char| !"<>=!^~".contains(c))?;
    let (operator, version) = condition.split_at(at);
    let (numbers, count) = parse(version)?;
    let end = behind(numbers, count);
    Some(match operator {
        "" | "=" | "==" => (numbers, end),
        ">" if count >= 3 => (end, NO_END),
        ">=" | ">" => (numbers, NO_END),
        "<" => ([0; 3], numbers),
        "<=" => ([0; 3], end),
        "^" if numbers[0] == 0 => (numbers, behind(numbers, 2)),
        "^" => (numbers, behind(numbers, 1)),
        "~" => (numbers, behind(numbers, count.saturating_sub(1).max(1))),
        // One release that is left out leaves the others of its minor version.
        "!=" => ([0; 3], NO_END),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_what_composer_allows() {
        let versions = ["7.4", "8.0", "8.1", "8.2", "8.3", "8.4", "8.5"];
        let cases = [
            ("^8.2", "8.2 8.3 8.4 8.5"),
            ("^7.4|^8.0", "7.4 8.0 8.1 8.2 8.3 8.4 8.5"),
            ("^7.4 || ~8.1.0", "7.4 8.1"),
            ("~8.1", "8.1 8.2 8.3 8.4 8.5"),
            ("~8.1.0 || ~8.2.0", "8.1 8.2"),
            (">=8.1 <8.4", "8.1 8.2 8.3"),
            (">= 8.1, < 8.3.5", "8.1 8.2 8.3"),
            (">8.3", "8.3 8.4 8.5"),
            ("<=8.1", "7.4 8.0 8.1"),
            ("8.3.*", "8.3"),
            ("8.*", "8.0 8.1 8.2 8.3 8.4 8.5"),
            ("*", "7.4 8.0 8.1 8.2 8.3 8.4 8.5"),
            ("8.2", "8.2"),
            ("8.2.14", "8.2"),
            ("8.1 - 8.3", "8.1 8.2 8.3"),
            ("^8.4@dev", "8.4 8.5"),
            ("^8.1 !=8.2.1", "8.1 8.2 8.3 8.4 8.5"),
            ("^9.0", ""),
            ("dev-master", ""),
            ("", ""),
        ];
        for (constraint, expected) in cases {
            let fitting: Vec<&str> = versions
                .into_iter()
                .filter(|version| allows(constraint, version))
                .collect();
            assert_eq!(fitting.join(" "), expected, "{constraint}");
        }
    }
}
