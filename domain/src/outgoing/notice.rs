//! How a notice reads in a chat: what a person would say, in one or two lines, with a link. The JSON is that of Slack's
//! incoming webhooks (<https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks>), which Mattermost,
//! Rocket.Chat and Discord (address with `/slack` at its end) take too.

use super::message::{Deployment, Serving};
use super::{Event, one_line};
use devflow_protocol::outcome::cause;
use serde_json::json;

/// Characters of a reason that are told; the page behind the link has all of it.
const REASON_CHARS: usize = 300;
/// Characters of a commit's subject that are told.
const SUBJECT_CHARS: usize = 100;

/// The body that tells of a deployment. `origin` is the address of the dashboard.
pub fn deployment(event: Event, told: &Deployment<'_>, origin: &str) -> String {
    let name = escaped(told.project.name, SUBJECT_CHARS);
    let back = told.kind == "rollback";
    // What serves now is said behind it, in words of its own.
    let reason = told
        .reason
        .map(|reason| sentence(cause(reason)))
        .unwrap_or_default();
    let serves = match told.serving {
        Serving::Before => " The release before serves on.",
        // The reason says on which servers.
        Serving::This => "",
        Serving::Nothing => " Nothing is live yet.",
    };
    let said = match event {
        Event::Failed if back => {
            format!(":x: *{name}* could not go back to an earlier release. {reason}{serves}")
        }
        Event::Failed => format!(":x: *{name}* could not be deployed. {reason}{serves}"),
        Event::RolledBack => {
            format!(
                ":warning: *{name}* went live, turned bad and was taken back. {reason} The release before serves again."
            )
        }
        Event::Recovered if back => {
            format!(":white_check_mark: *{name}* is well again: an earlier release is live.")
        }
        Event::Recovered => format!(":white_check_mark: *{name}* is well again: the new release is live."),
        other => format!("*{name}*: {}.", other.as_str().replace('_', " ")),
    };
    let link = format!("<{origin}/deployments/{}|{}>", told.id, commit(told));
    json!({ "text": format!("{}\n{link}", said.replace("  ", " ")) }).to_string()
}

/// The body of a test.
pub fn test() -> String {
    json!({ "text": ":wave: DevFlow Pro can write here. It does when a deployment fails, and when all is well again." })
        .to_string()
}

/// The commit as people name it: what it says, which it is, whose it is.
fn commit(told: &Deployment<'_>) -> String {
    let sha: Option<String> = told.commit.map(|sha| sha.chars().take(7).collect());
    let by = told.author.filter(|author| !author.is_empty());
    let by = by.map(|author| format!(" by {}", escaped(author, SUBJECT_CHARS)));
    let subject = told.subject.filter(|subject| !subject.is_empty());
    let subject = subject.map(|subject| format!("“{}”", escaped(subject, SUBJECT_CHARS)));
    let words = match (subject, sha) {
        (Some(subject), Some(sha)) => format!("{subject} ({sha})"),
        (Some(words), None) | (None, Some(words)) => words,
        (None, None) => "the deployment".to_owned(),
    };
    words + &by.unwrap_or_default()
}

/// One line that ends with a full stop.
fn sentence(text: &str) -> String {
    let line = escaped(text, REASON_CHARS);
    let line = line.trim_end_matches(['.', ' ']);
    if line.is_empty() || line.ends_with(['!', '?', '…']) {
        return line.to_owned();
    }
    format!("{line}.")
}

/// At most so many characters in one line, with the three characters escaped by which Slack marks links and mentions.
fn escaped(text: &str, chars: usize) -> String {
    let line = one_line(text);
    let mut cut: String = line.chars().take(chars).collect();
    if cut.len() < line.len() {
        cut.push('…');
    }
    cut.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outgoing::message::{Project, sample};

    fn told() -> Deployment<'static> {
        Deployment {
            reason: Some("composer: could not find acme/core in a version that fits ^3.0."),
            ..sample()
        }
    }

    fn text(event: Event, told: &Deployment<'_>) -> String {
        let json: serde_json::Value =
            serde_json::from_str(&deployment(event, told, "https://devflow.test")).expect("JSON");
        json["text"].as_str().expect("a text").to_owned()
    }

    #[test]
    fn notices_say_what_happened_what_serves_and_where_to_look() {
        let link = "<https://devflow.test/deployments/dep_1|“Show the delivery date” (4f2a91c) by Ada>";
        let reason = "composer: could not find acme/core in a version that fits ^3.0.";
        assert_eq!(
            text(Event::Failed, &told()),
            format!(":x: *Shop* could not be deployed. {reason} The release before serves on.\n{link}")
        );
        assert_eq!(
            text(Event::RolledBack, &told()),
            format!(
                ":warning: *Shop* went live, turned bad and was taken back. {reason} The release before serves again.\n{link}"
            )
        );
        assert_eq!(
            text(Event::Recovered, &told()),
            format!(":white_check_mark: *Shop* is well again: the new release is live.\n{link}")
        );
        let whole = "step `ready` failed: it answers 500; the release before it serves on";
        let told_twice = Deployment {
            reason: Some(whole),
            ..told()
        };
        assert_eq!(
            text(Event::Failed, &told_twice),
            format!(
                ":x: *Shop* could not be deployed. step `ready` failed: it answers 500. The release before serves on.\n{link}"
            )
        );
        let first = Deployment {
            serving: Serving::Nothing,
            reason: None,
            ..told()
        };
        assert_eq!(
            text(Event::Failed, &first),
            format!(":x: *Shop* could not be deployed. Nothing is live yet.\n{link}")
        );
        let back = Deployment {
            kind: "rollback",
            ..told()
        };
        assert!(
            text(Event::Failed, &back)
                .starts_with(":x: *Shop* could not go back to an earlier release. composer")
        );
        assert!(text(Event::Recovered, &back).contains("an earlier release is live"));
    }

    #[test]
    fn texts_of_strangers_make_no_link_mention_or_second_line() {
        let hostile = "<!channel> <https://evil.test|click> & co\nmore\u{7}";
        let told = Deployment {
            subject: Some(hostile),
            author: Some(hostile),
            reason: Some(hostile),
            project: Project {
                name: hostile,
                ..told().project
            },
            ..told()
        };
        for event in [Event::Failed, Event::RolledBack, Event::Recovered] {
            let text = text(event, &told);
            assert_eq!(text.matches('<').count(), 1, "{text}");
            assert_eq!(text.matches('>').count(), 1, "{text}");
            assert_eq!(text.lines().count(), 2, "{text}");
            assert!(
                text.contains("&lt;!channel&gt; &lt;https://evil.test|click&gt; &amp; co more"),
                "{text}"
            );
        }
    }

    #[test]
    fn long_texts_are_cut_and_missing_ones_left_out() {
        let long = "x".repeat(5_000);
        let cut = Deployment {
            subject: Some(&long),
            reason: Some(&long),
            ..told()
        };
        assert!(text(Event::Failed, &cut).chars().count() < 700);
        let bare = Deployment {
            commit: None,
            subject: None,
            author: None,
            ..told()
        };
        assert!(
            text(Event::Recovered, &bare)
                .ends_with("<https://devflow.test/deployments/dep_1|the deployment>")
        );
    }
}
