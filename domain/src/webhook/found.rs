//! Pushes that no webhook told of: a runner finds them where it asks its projects' repositories.

use super::Event;
use super::push::RawPush;
use devflow_protocol::runner_api::HeadFound;
use devflow_protocol::text::{GitSha, RefName};

/// What is known of a project where a head is reported.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The ref that it deploys.
    pub ref_name: &'a RefName,
    /// The commit that the last push brought, whatever became of it.
    pub last_head: Option<&'a GitSha>,
    /// The commit of its newest deployment, which a person may have started.
    pub newest: Option<&'a GitSha>,
}

/// The push that a reported head tells of; None where it is no news. Which files it changed is not known, so a path
/// filter lets it through.
pub fn found(head: &HeadFound, known: Known<'_>) -> Option<Event> {
    let is_news = *known.ref_name == head.ref_name
        && known.last_head != Some(&head.commit)
        && known.newest != Some(&head.commit);
    let push = RawPush {
        ref_name: head.ref_name.as_str().to_owned(),
        after: head.commit.as_str().to_owned(),
        message: head.message.clone(),
        author: head.author.clone(),
        files: None,
    };
    is_news.then(|| push.into_event().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::Push;

    fn sha(digit: char) -> GitSha {
        digit.to_string().repeat(40).parse().expect("a commit")
    }

    #[test]
    fn found_is_news_only_where_neither_a_push_nor_a_deployment_brought_the_commit() {
        let main: RefName = "refs/heads/main".parse().expect("a ref");
        let other: RefName = "refs/heads/other".parse().expect("a ref");
        let head = HeadFound {
            slug: "shop".parse().expect("a slug"),
            ref_name: main.clone(),
            commit: sha('b'),
            message: "Fix\n\n[skip ci]".into(),
            author: "Ann".into(),
        };
        let is_news = |ref_name: &RefName, last_head: Option<char>, newest: Option<char>| {
            let (last_head, newest) = (last_head.map(sha), newest.map(sha));
            let known = Known {
                ref_name,
                last_head: last_head.as_ref(),
                newest: newest.as_ref(),
            };
            found(&head, known).is_some()
        };
        for (ref_name, last_head, newest, expected) in [
            (&main, None, None, true),
            (&main, Some('a'), Some('a'), true),
            // Forced back to a commit that was deployed before what is newest.
            (&main, Some('c'), Some('c'), true),
            (&main, Some('b'), Some('a'), false),
            // By hand, and perhaps gone back from since.
            (&main, Some('a'), Some('b'), false),
            (&other, Some('a'), Some('a'), false),
        ] {
            assert_eq!(
                is_news(ref_name, last_head, newest),
                expected,
                "{last_head:?} {newest:?}"
            );
        }
        let known = Known {
            ref_name: &main,
            last_head: None,
            newest: None,
        };
        let expected = Push {
            ref_name: main.clone(),
            after: sha('b'),
            subject: "Fix".into(),
            author: "Ann".into(),
            skip_marker: Some("[skip ci]".into()),
            files: None,
        };
        assert_eq!(found(&head, known), Some(Event::Push(expected)));
    }
}
