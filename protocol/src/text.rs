//! Text that was checked once and is trusted from then on: slugs, commits, refs, paths, names of hosts and images.

use std::fmt;

/// Why a text was refused. The message says what is allowed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {expected}")]
pub struct InvalidText {
    expected: &'static str,
    text: String,
}

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident, $expected:literal, $check:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = InvalidText;

            fn from_str(text: &str) -> Result<Self, InvalidText> {
                let check: fn(&str) -> bool = $check;
                if check(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidText { expected: $expected, text: text.chars().take(128).collect() })
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        #[cfg(feature = "schema")]
        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": concat!("Must be ", $expected, ".") })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                <std::borrow::Cow<'de, str>>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    )*};
}

texts! {
    /// Names a project in paths, containers and databases. At most 32 characters: a Unix socket path ends at 107.
    Slug, "a slug of 1 to 32 lower-case letters, digits and inner hyphens", |text| {
        (1..=32).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !text.starts_with('-')
            && !text.ends_with('-')
    };
    /// A whole commit id: 40 (SHA-1) or 64 (SHA-256) lower-case hex digits.
    GitSha, "a whole commit id of 40 or 64 hex digits", |text| {
        matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    /// A full ref, `refs/heads/…` or `refs/tags/…`, by the rules of git-check-ref-format(1).
    RefName, "a full ref such as refs/heads/main", |text| {
        let Some(short) = text.strip_prefix("refs/heads/").or_else(|| text.strip_prefix("refs/tags/")) else {
            return false;
        };
        (1..=200).contains(&short.len())
            && !short.starts_with('-')
            && !short.ends_with('.')
            && !short.contains("..")
            && !short.contains("@{")
            && short.bytes().all(|b| b > b' ' && b != 0x7f && !b"~^:?*[\\".contains(&b))
            && short.split('/').all(|part| {
                !part.is_empty() && !part.starts_with('.') && !part.to_ascii_lowercase().ends_with(".lock")
            })
    };
    /// A relative path inside a release: no empty, `.` or `..` part, no leading slash, no control character.
    RelPath, "a relative path without `..`", |text| {
        (1..=255).contains(&text.len())
            && !text.bytes().any(|b| b < b' ' || b == 0x7f || b == b'\\')
            && text.split('/').all(|part| !part.is_empty() && part != "." && part != "..")
    };
    /// A host name in lower case, with at least one dot, as RFC 1123 allows it.
    Fqdn, "a host name such as shop.example.com", |text| {
        (3..=253).contains(&text.len())
            && text.contains('.')
            && text.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            })
    };
    /// Where a repository is cloned from: `https://…`, `ssh://…`, `user@host:path`, or `file:///…`.
    RepositoryUrl, "a repository address (https://, ssh://, user@host:path or file:///)", |text| {
        let ok_bytes = text.len() <= 512 && text.bytes().all(|b| b > b' ' && b != 0x7f);
        let path_of = |rest: &str| rest.split_once('/').is_some_and(|(host, path)| {
            !host.is_empty() && !host.starts_with('-') && !path.is_empty()
        });
        ok_bytes
            && if let Some(rest) = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")) {
                path_of(rest) && !rest.split('/').next().unwrap_or_default().contains('@')
            } else if let Some(rest) = text.strip_prefix("ssh://") {
                path_of(rest)
            } else if let Some(rest) = text.strip_prefix("file:///") {
                !rest.is_empty()
            } else {
                !text.contains("://") && !text.starts_with('-') && text.split_once(':').is_some_and(|(host, path)| {
                    host.split_once('@').is_some_and(|(user, host)| {
                        !user.is_empty() && !host.is_empty() && !host.starts_with('-')
                    }) && !path.is_empty()
                })
            }
    };
    /// A container image, `name:tag` or `name@sha256:…`.
    ImageRef, "an image such as devflow/php:8.4", |text| {
        (1..=200).contains(&text.len())
            && text.as_bytes()[0].is_ascii_alphanumeric()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/:._-@".contains(&b))
    };
    /// A PHP version as `major.minor`.
    PhpVersion, "a PHP version such as 8.4", |text| {
        text.split_once('.').is_some_and(|(major, minor)| {
            matches!(major, "7" | "8" | "9") && (1..=2).contains(&minor.len()) && minor.bytes().all(|b| b.is_ascii_digit())
        })
    };
    /// A Composer package, `vendor/name`.
    PackageName, "a package such as shopware/core", |text| {
        (3..=128).contains(&text.len())
            && text.split_once('/').is_some_and(|(vendor, name)| !vendor.is_empty() && !name.is_empty())
            && text.matches('/').count() == 1
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"/._-".contains(&b))
    };
    /// A version of a package: one to four numbers with dots between.
    PackageVersion, "a version such as 6.6.6", |text| {
        (1..=4).contains(&text.split('.').count())
            && text.split('.').all(|part| (1..=6).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
    };
    /// A package's name or version as a lock file has it, such as `@vue/compiler-dom` or `v7.1.0`.
    PackageLabel, "1 to 128 visible ASCII characters", |text| {
        (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
    };
    /// Names a step or a process: 1 to 40 lower-case letters, digits, hyphens and colons.
    StepName, "a name of 1 to 40 lower-case letters, digits, hyphens and colons", |text| {
        (1..=40).contains(&text.len())
            && text.as_bytes()[0].is_ascii_lowercase()
            && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b':')
    };
    /// Names a service or a volume of a compose file.
    ComposeName, "a name of 1 to 40 letters, digits, dots, underscores and hyphens that begins with a letter or digit", |text| {
        (1..=40).contains(&text.len())
            && text.as_bytes()[0].is_ascii_alphanumeric()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    /// The name of an environment variable: a letter or underscore, then letters, digits and underscores.
    EnvName, "a variable name of letters, digits and underscores that does not start with a digit", |text| {
        (1..=128).contains(&text.len())
            && !text.as_bytes()[0].is_ascii_digit()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    };
    /// A path of a URL that starts with a slash, such as `/up`.
    UrlPath, "a path such as /up", |text| {
        (1..=255).contains(&text.len())
            && text.starts_with('/')
            && text.bytes().all(|b| b > b' ' && b < 0x7f && b != b'"' && b != b'\\')
    };
}

impl GitSha {
    /// The first 7 digits, as people write commits.
    pub fn short(&self) -> &str {
        &self.0[..7]
    }
}

impl RefName {
    /// The ref without `refs/heads/` or `refs/tags/`.
    pub fn short(&self) -> &str {
        self.0.splitn(3, '/').nth(2).unwrap_or_default()
    }
}

impl RepositoryUrl {
    /// Scheme, host and port of an address over https, such as `https://git.example.com:8443`: where its access token may
    /// go. None for other addresses, and where the host is written with anything but letters, digits, dots, hyphens, and
    /// what an IPv6 address needs.
    pub fn https_origin(&self) -> Option<&str> {
        const SCHEME: &str = "https://";
        let host = self.0.strip_prefix(SCHEME)?.split('/').next()?;
        let plain = host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b));
        plain.then(|| &self.0[..SCHEME.len() + host.len()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_accepts_and_refuses() {
        macro_rules! cases {
            ($kind:ty, $good:expr, $bad:expr) => {
                for text in $good {
                    assert!(
                        text.parse::<$kind>().is_ok(),
                        "{} should take {text:?}",
                        stringify!($kind)
                    );
                }
                for text in $bad {
                    assert!(
                        text.parse::<$kind>().is_err(),
                        "{} should refuse {text:?}",
                        stringify!($kind)
                    );
                }
            };
        }
        cases!(
            Slug,
            ["shop", "a", "shop-2"],
            ["", "-a", "a-", "Shop", "a_b", "a/b", &"a".repeat(33)]
        );
        cases!(
            GitSha,
            [&"a".repeat(40), &"0".repeat(64)],
            ["", "HEAD", &"A".repeat(40), &"a".repeat(39)]
        );
        cases!(
            RefName,
            ["refs/heads/main", "refs/heads/feature/x", "refs/tags/v1.0"],
            [
                "main",
                "refs/heads/",
                "refs/heads/a..b",
                "refs/heads/-x",
                "refs/heads/a b",
                "refs/heads/x.lock",
                "refs/heads//a"
            ]
        );
        cases!(
            RelPath,
            ["public", "storage/app"],
            ["", "/etc", "../x", "a/../b", "a//b", "a/./b", "a\nb"]
        );
        cases!(
            Fqdn,
            ["shop.test", "a.b.example.com"],
            ["localhost", "-a.test", "a..test", "A.test", "a_b.test", "x;.test"]
        );
        cases!(
            RepositoryUrl,
            [
                "https://github.com/acme/shop.git",
                "git@github.com:acme/shop.git",
                "ssh://git@h:22/a/b",
                "file:///srv/git/a.git"
            ],
            [
                "",
                "shop",
                "--upload-pack=x",
                "https://user:pw@h/a",
                "ext::sh -c x",
                "-x@h:a",
                "https://h",
                "git@-oProxy:a",
                "ssh://-oProxyCommand=x/a"
            ]
        );
        cases!(
            ImageRef,
            ["devflow/php:8.4", "a@sha256:00"],
            ["", "-x", "a b", "a$b"]
        );
        cases!(PhpVersion, ["8.4", "8.10"], ["8", "8.", "84", "8.4.1", "x.y"]);
        cases!(
            PackageName,
            ["shopware/core", "a/b_c.d-e"],
            ["", "a", "a/", "/b", "a/b/c", "A/b"]
        );
        cases!(
            PackageVersion,
            ["6", "6.6.10.3"],
            ["", "6.", "v6", "6.6.6.6.6", "6-RC1"]
        );
        cases!(
            PackageLabel,
            ["@vue/compiler-dom", "v7.1.0", "dev-main"],
            ["", "a b", "é", "\n"]
        );
        cases!(EnvName, ["APP_KEY", "_x1"], ["", "1A", "A-B", "A B", "A=B"]);
        cases!(UrlPath, ["/", "/up?x=1"], ["", "up", "/a b", "/\"", "/\n"]);
    }
    #[test]
    fn https_origin_is_scheme_host_and_port_of_a_plain_https_address() {
        let origin = |text: &str| {
            let url: RepositoryUrl = text.parse().expect("an address");
            url.https_origin().map(str::to_owned)
        };
        let cases = [
            ("https://github.com/acme/shop.git", Some("https://github.com")),
            ("https://git.test:8443/a/b", Some("https://git.test:8443")),
            ("https://[::1]:8443/a", Some("https://[::1]:8443")),
            ("https://x.helper=!sh/a", None),
            ("https://x?y/a", None),
            ("http://git.test/a", None),
            ("ssh://git@h/a", None),
            ("git@h:a", None),
            ("file:///srv/a", None),
        ];
        for (text, expected) in cases {
            assert_eq!(origin(text).as_deref(), expected, "{text}");
        }
    }
}
