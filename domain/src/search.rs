//! What a project is found by. A search is one prefix of one phrase, so that the database answers it with one range of
//! an index and never reads all projects. Not in scope: ranking, spelling mistakes, text inside a word.

use std::collections::BTreeSet;

/// Characters of a phrase that are kept; more than a name, and most of a host name.
const PHRASE_CHARS: usize = 80;

/// The phrases of a text: from the beginning of each of its words to its end, in small letters.
fn add_phrases(text: &str, phrases: &mut BTreeSet<String>) {
    let text = plain(text);
    let mut inside = false;
    for (index, c) in text.char_indices() {
        if c.is_alphanumeric() && !inside {
            phrases.insert(text[index..].chars().take(PHRASE_CHARS).collect());
        }
        inside = c.is_alphanumeric();
    }
}

/// Small letters, and one space where there was any white space.
fn plain(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").to_lowercase()
}

/// Everything that a project is found by.
pub fn phrases<'a>(texts: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    let mut phrases = BTreeSet::new();
    for text in texts {
        add_phrases(text, &mut phrases);
    }
    phrases
}

/// The phrase that stands for a tag; no search can ask for one that begins so.
pub fn tag_phrase(tag: &str) -> String {
    format!("#{tag}")
}

/// The tag that a phrase stands for.
pub fn tag_of(phrase: &str) -> Option<&str> {
    phrase.strip_prefix('#')
}

/// The prefix that a typed search asks for; empty where nothing was typed.
pub fn prefix(typed: &str) -> String {
    let plain = plain(typed);
    let from_word = plain.trim_start_matches(|c: char| !c.is_alphanumeric());
    from_word.chars().take(PHRASE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(typed: &str, texts: &[&str]) -> bool {
        let (prefix, phrases) = (prefix(typed), phrases(texts.iter().copied()));
        phrases.iter().any(|phrase| phrase.starts_with(&prefix))
    }

    #[test]
    fn tag_is_no_beginning_that_anybody_can_search_for() {
        assert_eq!(tag_of(&tag_phrase("acme")), Some("acme"));
        assert_eq!(tag_of("acme"), None);
        assert!(!prefix("#acme").starts_with('#'));
    }

    #[test]
    fn project_is_found_by_the_beginning_of_any_word_of_its_texts() {
        let texts = [
            "Blumen  Müller",
            "blumen-mueller",
            "www.blumen-mueller.example.com",
        ];
        let cases = [
            ("blu", true),
            ("MÜL", true),
            ("blumen mü", true),
            ("blumen-mue", true),
            ("example.com", true),
            ("www.blumen-mueller.example.com", true),
            (" .example", true),
            ("lumen", false),
            ("müller blumen", false),
            ("%", true),
            ("shop", false),
        ];
        for (typed, expected) in cases {
            assert_eq!(found(typed, &texts), expected, "{typed}");
        }
    }

    #[test]
    fn phrases_are_cut_to_what_an_index_should_hold() {
        let long = "a".repeat(200);
        let phrases = phrases([long.as_str(), "- -", ""]);
        assert_eq!(phrases.into_iter().collect::<Vec<_>>(), ["a".repeat(80)]);
        assert_eq!(prefix(&long).chars().count(), 80);
        assert_eq!(prefix("  %_ "), "");
    }
}
