//! Hides secrets in output.

use devflow_protocol::project::Environment;

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

/// Variables whose values are settings that people read in output; hiding them would make it unreadable.
const PLAIN: [&str; 17] = [
    "APP_DEBUG",
    "APP_ENV",
    "APP_LOCALE",
    "APP_NAME",
    "APP_TIMEZONE",
    "APP_URL",
    "BROADCAST_CONNECTION",
    "CACHE_DRIVER",
    "CACHE_STORE",
    "DB_CONNECTION",
    "DB_DATABASE",
    "DB_HOST",
    "FILESYSTEM_DISK",
    "LOG_CHANNEL",
    "LOG_LEVEL",
    "QUEUE_CONNECTION",
    "SESSION_DRIVER",
];

/// The values of `environment` that must not be shown: all but those of well-known settings.
pub(crate) fn secrets(environment: &Environment) -> impl Iterator<Item = &str> {
    environment
        .0
        .iter()
        .filter(|(name, _)| !PLAIN.contains(&name.as_str()))
        .flat_map(|(_, value)| {
            // Laravel prints its key with and without the prefix.
            [Some(value.as_str()), value.strip_prefix("base64:")]
        })
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_leaves_out_well_known_settings() {
        let environment: Environment =
            serde_json::from_str(r#"{"APP_NAME":"Laravel","APP_KEY":"base64:c2VjcmV0"}"#).expect("JSON");
        assert_eq!(
            secrets(&environment).collect::<Vec<_>>(),
            ["base64:c2VjcmV0", "c2VjcmV0"]
        );
    }

    #[test]
    fn apply_hides_whole_values_and_each_line_of_long_ones() {
        let mut mask = Mask::default();
        mask.add(["geheim", "geheimnis-1", "-----BEGIN\n  c2VjcmV0\n-----END", "on"]);
        assert_eq!(mask.apply("a geheimnis-1 b geheim c on"), "a ••• b ••• c on");
        assert_eq!(mask.apply("c2VjcmV0"), "•••");
        assert_eq!(format!("{mask:?}"), "Mask(5 values)");
    }
}
