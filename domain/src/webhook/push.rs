//! The normalised event: what all providers' bodies are read into, and what a delivery row keeps.

use devflow_protocol::limits::DELIVERY_EVENT_BYTES;
use devflow_protocol::text::{GitSha, RefName};
use serde::{Deserialize, Serialize};

/// A head commit's message is kept to this many characters; skip markers are looked for before it is cut.
const SUBJECT_CHARS: usize = 200;
/// So many refs are named of a push that moves several.
const REFS_NAMED: usize = 5;
/// A list of files is kept up to this size as JSON, which leaves room for the other fields.
const FILES_BYTES: usize = DELIVERY_EVENT_BYTES / 2;

/// What a delivery says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "DeliveryEvent")
)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The provider tries the hook out.
    Ping,
    /// A ref moved.
    Push(Push),
    /// A ref was deleted.
    Deleted {
        /// The ref as the provider wrote it.
        ref_name: String,
    },
    /// Several refs changed, and none of them is one that a project follows.
    Several {
        /// The first of them.
        refs: Vec<String>,
        /// How many more there are.
        more: usize,
    },
    /// Anything else: named, and ignored.
    Other {
        /// The provider's name of the event.
        name: String,
    },
}

impl Event {
    /// The ref that it tells of, if it is about one.
    fn ref_name(&self) -> Option<&str> {
        match self {
            Self::Push(push) => Some(push.ref_name.as_str()),
            Self::Deleted { ref_name } => Some(ref_name),
            Self::Ping | Self::Several { .. } | Self::Other { .. } => None,
        }
    }
}

/// Of all that one delivery tells, what is about `ref_name`; all of it in short where nothing is. A ref that changed
/// twice is where it was last.
pub fn concerning(mut events: Vec<Event>, ref_name: &RefName) -> Event {
    let about = events
        .iter()
        .rposition(|event| event.ref_name() == Some(ref_name.as_str()));
    match (about, events.len()) {
        (Some(at), _) => events.swap_remove(at),
        (None, 1) => events.swap_remove(0),
        (None, 0) => Event::Other {
            name: "push of nothing".to_owned(),
        },
        (None, all) => {
            let names = events.iter().filter_map(Event::ref_name);
            let refs: Vec<String> = names.take(REFS_NAMED).map(|name| cut(name, 100)).collect();
            let more = all - refs.len();
            Event::Several { refs, more }
        }
    }
}

/// A ref that moved to a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Push {
    /// The ref, whole.
    pub ref_name: RefName,
    /// The commit it points to now.
    pub after: GitSha,
    /// The head commit's subject line.
    pub subject: String,
    /// Who made the head commit.
    pub author: String,
    /// The marker in the head commit that asks for no deployment, if any.
    pub skip_marker: Option<String>,
    /// Paths that the push changed; None where the provider's list cannot be trusted to be whole.
    pub files: Option<Vec<String>>,
}

/// The part of a provider's body that makes a [`Push`].
pub(super) struct RawPush {
    pub(super) ref_name: String,
    pub(super) after: String,
    pub(super) message: String,
    pub(super) author: String,
    /// None where the list is known to be cut, the branch is new or the push was forced.
    pub(super) files: Option<Vec<String>>,
}

impl RawPush {
    /// Checks the texts of a push. A ref that is neither branch nor tag is no push.
    pub(super) fn into_event(self) -> Result<Event, String> {
        if !self.ref_name.starts_with("refs/heads/") && !self.ref_name.starts_with("refs/tags/") {
            return Ok(Event::Other {
                name: format!("push to {}", cut(&self.ref_name, 100)),
            });
        }
        let mut files = self.files;
        if let Some(list) = &mut files {
            list.sort_unstable();
            list.dedup();
        }
        // What is kept of an event is bounded; a list that does not fit is no list to rely on.
        let files =
            files.filter(|list| serde_json::to_string(list).is_ok_and(|json| json.len() <= FILES_BYTES));
        Ok(Event::Push(Push {
            ref_name: self.ref_name.parse().map_err(|error| format!("{error}"))?,
            after: self.after.parse().map_err(|error| format!("{error}"))?,
            skip_marker: skip_marker(&self.message),
            subject: cut(self.message.lines().next().unwrap_or_default(), SUBJECT_CHARS),
            author: cut(&self.author, 100),
            files,
        }))
    }
}

pub(super) fn cut(text: &str, chars: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(chars).collect()
}

/// True for the id that providers send where there is no commit.
pub(super) fn is_zero(sha: &str) -> bool {
    !sha.is_empty() && sha.bytes().all(|byte| byte == b'0')
}

fn skip_marker(message: &str) -> Option<String> {
    const MARKERS: [&str; 7] = [
        "[skip ci]",
        "[ci skip]",
        "[no ci]",
        "[skip actions]",
        "[actions skip]",
        "[skip cd]",
        "[skip deploy]",
    ];
    let lower = message.to_ascii_lowercase();
    let bracketed = MARKERS
        .into_iter()
        .find(|marker| lower.contains(marker))
        .map(str::to_owned);
    bracketed.or_else(|| {
        lower
            .lines()
            .skip(1)
            .any(|line| {
                line.split_once(':')
                    .is_some_and(|(k, v)| k.trim() == "skip-checks" && v.trim() == "true")
            })
            .then(|| "skip-checks: true".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skip_marker_is_found_in_brackets_and_as_a_trailer_only() {
        for message in ["Fix [skip ci]", "x\n\n[Skip Deploy]", "x\n\nSkip-Checks: TRUE"] {
            assert!(skip_marker(message).is_some(), "{message}");
        }
        for message in [
            "skip ci",
            "skip-checks: true",
            "x\n\nskip-checks: false",
            "[skip]",
        ] {
            assert_eq!(skip_marker(message), None, "{message}");
        }
    }

    #[test]
    fn concerning_picks_the_followed_ref_or_tells_all_in_short() {
        let main: RefName = "refs/heads/main".parse().expect("a ref");
        let deleted = |name: &str| Event::Deleted {
            ref_name: name.to_owned(),
        };
        let one = deleted("refs/heads/x");
        assert_eq!(concerning(vec![one.clone()], &main), one);
        let about = deleted("refs/heads/main");
        assert_eq!(
            concerning(vec![one.clone(), about.clone(), one.clone()], &main),
            about
        );
        let names: Vec<String> = (0..7).map(|n| format!("refs/tags/v{n}")).collect();
        assert_eq!(
            concerning(names.iter().map(|name| deleted(name)).collect(), &main),
            Event::Several {
                refs: names[..5].to_vec(),
                more: 2
            }
        );
        let nothing = Event::Other {
            name: "push of nothing".into(),
        };
        assert_eq!(concerning(vec![], &main), nothing);
    }

    #[test]
    fn into_event_drops_a_file_list_that_is_too_long_to_keep() {
        let push = |files| RawPush {
            ref_name: "refs/heads/main".into(),
            after: "a".repeat(40),
            message: "One\nTwo".into(),
            author: "Ann".into(),
            files: Some(files),
        };
        let Ok(Event::Push(short)) = push(vec!["b".into(), "a".into(), "b".into()]).into_event() else {
            panic!("a push");
        };
        assert_eq!(short.files, Some(vec!["a".into(), "b".into()]));
        assert_eq!(short.subject, "One");
        let Ok(Event::Push(long)) =
            push((0..2000).map(|n| format!("src/file{n}.php")).collect()).into_event()
        else {
            panic!("a push");
        };
        assert_eq!(long.files, None);
    }
}
