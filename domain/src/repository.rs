//! Whether two addresses name the same repository, however they are written, and whose name goes with a token for one.

use crate::webhook::Provider;

/// What is the same in all addresses of a repository: host (in lower case) and path. User, scheme and port are
/// how to get there; `.git` and slashes at the end mean nothing. A path on this machine has an empty host.
pub fn place(address: &str) -> Option<(String, String)> {
    let address = address.trim();
    let (host, path) = if let Some((scheme, rest)) = address.split_once("://") {
        if scheme == "file" {
            (String::new(), rest)
        } else {
            let (authority, path) = rest.split_once('/')?;
            (host(authority), path)
        }
    } else if address.starts_with('/') {
        (String::new(), address)
    } else {
        // As scp writes it: [user@]host:path.
        let (authority, path) = address.split_once(':')?;
        (host(authority), path)
    };
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path).trim_end_matches('/');
    (!path.is_empty()).then(|| (host, path.to_owned()))
}

/// The user's name that a provider takes with its access tokens, as their documentation has it; None where it is the name of
/// the token's owner.
pub fn token_user(provider: Provider) -> Option<&'static str> {
    match provider {
        Provider::Github => Some("x-access-token"),
        Provider::Gitlab => Some("oauth2"),
        Provider::Bitbucket => Some("x-token-auth"),
        Provider::Gitea | Provider::Generic => None,
    }
}

fn host(authority: &str) -> String {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    host.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn place_is_the_same_for_all_ways_to_write_an_address() {
        let same = [
            "https://github.com/acme/shop",
            "https://github.com/acme/shop.git",
            "https://token@GitHub.com/acme/shop/",
            "http://github.com:8080/acme/shop",
            "ssh://git@github.com:22/acme/shop.git",
            "git@github.com:acme/shop.git",
            "github.com:acme/shop\n",
        ];
        for address in same {
            let expected = ("github.com".to_owned(), "acme/shop".to_owned());
            assert_eq!(place(address), Some(expected), "{address}");
        }
    }

    #[test]
    fn place_differs_by_host_and_path() {
        let cases = [
            ("git@gitlab.com:acme/shop", Some(("gitlab.com", "acme/shop"))),
            ("https://github.com/acme/Shop", Some(("github.com", "acme/Shop"))),
            ("file:///srv/git/shop.git", Some(("", "srv/git/shop"))),
            ("/srv/git/shop", Some(("", "srv/git/shop"))),
            ("https://github.com/", None),
            ("https://github.com", None),
            ("shop", None),
            ("", None),
        ];
        for (address, expected) in cases {
            let found = place(address);
            let found = found.as_ref().map(|(host, path)| (host.as_str(), path.as_str()));
            assert_eq!(found, expected, "{address}");
        }
    }
}
