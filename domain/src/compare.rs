//! What is different between two deployments, as far as it is known of both.

use crate::repository::place;
use crate::webhook::Provider;
use devflow_protocol::text::GitSha;
use std::collections::BTreeMap;
use std::fmt::Display;

/// One thing that is not the same; what is absent was not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What it is called.
    pub name: String,
    /// As it was.
    pub before: Option<String>,
    /// As it is.
    pub after: Option<String>,
}

/// What differs between two lists of names with a value each, in the order of names.
pub fn values<K: Ord + Display, V: PartialEq + Display>(
    before: &BTreeMap<K, V>,
    after: &BTreeMap<K, V>,
) -> Vec<Difference> {
    let mut names: Vec<&K> = before.keys().chain(after.keys()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .into_iter()
        .map(|name| (name, before.get(name), after.get(name)))
        .filter(|(_, before, after)| before != after)
        .map(|(name, before, after)| Difference {
            name: name.to_string(),
            before: before.map(ToString::to_string),
            after: after.map(ToString::to_string),
        })
        .collect()
}

/// Those of `after` that are not in `before`, in their order.
pub fn new_names<'a>(before: &[String], after: &'a [String]) -> Vec<&'a str> {
    let new = after.iter().filter(|name| !before.contains(name));
    new.map(String::as_str).collect()
}

/// The page of a provider that shows the commits between two; None where it has none, or the repository's address names no
/// host.
pub fn commits_page(provider: Provider, repository: &str, before: &GitSha, after: &GitSha) -> Option<String> {
    let (host, path) = place(repository)?;
    // A port of HTTPS is the pages' own, one of SSH is not.
    let web = repository
        .trim()
        .strip_prefix("https://")
        .and_then(|rest| rest.split('/').next());
    let port = web.and_then(|authority| authority.rsplit_once(':')?.1.parse::<u16>().ok());
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    if host.is_empty()
        || !path
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"\"<>?#\\".contains(&b))
    {
        return None;
    }
    let page = match provider {
        Provider::Github | Provider::Gitea => format!("compare/{before}...{after}"),
        Provider::Gitlab => format!("-/compare/{before}...{after}"),
        Provider::Bitbucket => format!("branches/compare/{after}%0D{before}"),
        Provider::Generic => return None,
    };
    Some(format!("https://{host}{port}/{path}/{page}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn values_tells_what_came_went_and_changed() {
        let before = map(&[("a", "1"), ("b", "1"), ("c", "1")]);
        let after = map(&[("a", "1"), ("b", "2"), ("d", "1")]);
        let found: Vec<_> = values(&before, &after)
            .into_iter()
            .map(|one| (one.name, one.before, one.after))
            .collect();
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(
            found,
            [
                ("b".to_owned(), some("1"), some("2")),
                ("c".to_owned(), some("1"), None),
                ("d".to_owned(), None, some("1")),
            ]
        );
        assert!(values(&after, &after).is_empty());
    }

    #[test]
    fn commits_page_is_where_each_provider_has_it() {
        let sha = |digit: &str| digit.repeat(40).parse::<GitSha>().expect("a commit");
        let (a, b) = (sha("a"), sha("b"));
        let page = |provider, repository| commits_page(provider, repository, &a, &b);
        let of = |start: &str, between: &str| Some(format!("{start}{a}{between}{b}"));
        assert_eq!(
            page(Provider::Github, "git@github.com:acme/shop.git"),
            of("https://github.com/acme/shop/compare/", "...")
        );
        assert_eq!(
            page(
                Provider::Gitlab,
                "https://token@git.acme.test:8443/group/sub/shop"
            ),
            of("https://git.acme.test:8443/group/sub/shop/-/compare/", "...")
        );
        assert_eq!(
            page(Provider::Gitea, "ssh://git@code.acme.test:22/acme/shop.git"),
            of("https://code.acme.test/acme/shop/compare/", "...")
        );
        assert_eq!(
            page(Provider::Bitbucket, "git@bitbucket.org:acme/shop.git"),
            Some(format!(
                "https://bitbucket.org/acme/shop/branches/compare/{b}%0D{a}"
            ))
        );
        for (provider, repository) in [
            (Provider::Generic, "https://git.acme.test/shop"),
            (Provider::Github, "file:///srv/git/shop.git"),
            (Provider::Github, "shop"),
            (Provider::Github, "git@github.com:acme/\"><script>"),
        ] {
            assert_eq!(page(provider, repository), None, "{repository}");
        }
    }
}
