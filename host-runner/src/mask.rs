//! Hides secrets in output.

/// What stands where a secret was.
pub(crate) const MASK: &str = "•••";
/// Shorter values are not masked: they would tear ordinary words apart and are no secrets worth the name.
const SHORTEST: usize = 6;

/// Values that must not be shown.
#[derive(Clone, Default)]
pub(crate) struct Mask {
    /// Longest first, so that a value that contains another is replaced whole.
    values: Vec<String>,
}

impl std::fmt::Debug for Mask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mask({} values)", self.values.len())
    }
}

impl Mask {
    /// Adds values; of one with several lines each line counts, because output comes by lines.
    pub(crate) fn add<'v>(&mut self, values: impl IntoIterator<Item = &'v str>) {
        for value in values {
            for line in value.lines().map(str::trim) {
                if line.len() >= SHORTEST && !self.values.iter().any(|known| known == line) {
                    self.values.push(line.to_owned());
                }
            }
        }
        self.values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    }

    /// `text` with every known value replaced.
    pub(crate) fn apply(&self, text: &str) -> String {
        let mut masked = text.to_owned();
        for value in &self.values {
            if masked.contains(value.as_str()) {
                masked = masked.replace(value.as_str(), MASK);
            }
        }
        masked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apply_hides_whole_values_and_each_line_of_long_ones() {
        let mut mask = Mask::default();
        mask.add(["geheim", "geheimnis-1", "-----BEGIN\n  c2VjcmV0\n-----END", "on"]);
        assert_eq!(mask.apply("a geheimnis-1 b geheim c on"), "a ••• b ••• c on");
        assert_eq!(mask.apply("c2VjcmV0"), "•••");
        assert_eq!(format!("{mask:?}"), "Mask(5 values)");
    }
}
