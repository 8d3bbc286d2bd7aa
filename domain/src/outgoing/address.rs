//! Where a message may be sent. Whoever may add an endpoint could otherwise have the edge ask addresses that only the
//! edge, or a machine near it, can reach. Not in scope: what a name resolves to, which a Worker cannot see; Cloudflare's
//! network leads to no private one.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use url::{Host, Url};

/// Longest address, in bytes.
const ADDRESS_BYTES: usize = 2_000;

/// Names that lead to no public host: of this machine, of local networks, and those that RFC 2606, 6761, 6762 and 8375
/// set aside.
const LOCAL_NAMES: [&str; 12] = [
    "localhost",
    "localdomain",
    "local",
    "internal",
    "intranet",
    "lan",
    "home",
    "corp",
    "home.arpa",
    "test",
    "invalid",
    "onion",
];

/// Where messages go: checked, without user and fragment.
#[derive(Clone, PartialEq, Eq)]
pub struct Address(Url);

/// Why nothing is sent to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No address at all.
    #[error("an address such as https://example.com/hooks, of at most 2000 characters")]
    Unreadable,
    /// Could be read on the way.
    #[error("has to begin with https://")]
    NotHttps,
    /// Would be shown and logged.
    #[error("must not hold a user name or password; the signature proves who sends")]
    Credentials,
    /// Would reach what is not public.
    #[error("has to be a public host; this one is private")]
    Private,
}

impl Address {
    /// Checks an address. `local` is true in local development, where the edge itself is on this machine without TLS:
    /// then plain http and loopback addresses are allowed.
    pub fn parse(text: &str, local: bool) -> Result<Self, Refused> {
        let text = text.trim();
        if text.len() > ADDRESS_BYTES {
            return Err(Refused::Unreadable);
        }
        let mut url = Url::parse(text).map_err(|_| Refused::Unreadable)?;
        let here = local && url.host().is_some_and(|host| is_this_machine(&host));
        if url.scheme() != "https" && !(here && url.scheme() == "http") {
            return Err(Refused::NotHttps);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refused::Credentials);
        }
        let public = match url.host().ok_or(Refused::Unreadable)? {
            Host::Domain(name) => is_public_name(name),
            Host::Ipv4(ip) => is_public_v4(ip),
            Host::Ipv6(ip) => is_public_v6(ip),
        };
        if !public && !here {
            return Err(Refused::Private);
        }
        url.set_fragment(None);
        Ok(Self(url))
    }

    /// As it is sent to.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The host alone, for addresses that are a secret as a whole.
    pub fn host_shown(&self) -> String {
        format!("{}/…", self.0.origin().ascii_serialization())
    }

    /// What of it is shown: without the query, which often holds a token.
    pub fn shown(&self) -> String {
        let mut url = self.0.clone();
        url.set_query(None);
        let hidden = if self.0.query().is_some() { "?…" } else { "" };
        format!("{url}{hidden}")
    }
}

/// For logs: no more than is shown.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown())
    }
}

/// True where the installation is a development one on this machine.
pub fn is_local(public_origin: &str) -> bool {
    Url::parse(public_origin)
        .is_ok_and(|url| url.scheme() == "http" && url.host().is_some_and(|host| is_this_machine(&host)))
}

fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
    }
}

fn is_public_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.contains('.')
        && !LOCAL_NAMES.iter().any(|local| {
            name.strip_suffix(local)
                .is_some_and(|before| before.is_empty() || before.ends_with('.'))
        })
}

/// Globally reachable by IANA's registry of special addresses.
fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_private()
        || ip.is_loopback()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !special
}

/// Global unicast, without what documentation and transition mechanisms have of it: those hold an IPv4 address.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    let [a, b, ..] = ip.segments();
    let special = (a == 0x2001 && (b < 0x0200 || b == 0x0db8)) || a == 0x2002 || a == 0x3fff;
    a & 0xe000 == 0x2000 && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn public_https_addresses_are_taken() {
        for text in [
            "https://example.com/hooks",
            "https://example.com:8443/a?b=c",
            " https://sub.example.co.uk ",
            "https://8.8.8.8/",
            "https://[2606:4700::1111]/",
            "https://internal.example.com/",
            "https://mylocal.example/",
        ] {
            assert!(Address::parse(text, false).is_ok(), "{text}");
        }
    }

    #[test]
    fn addresses_that_are_not_public_are_refused_however_they_are_written() {
        for host in [
            "localhost",
            "localhost.",
            "LOCALHOST",
            "api.localhost",
            "intranet",
            "printer.local",
            "metadata.google.internal",
            "router.home.arpa",
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f.0.0.1",
            "0177.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:10.0.0.1]",
            "[::ffff:a9fe:a9fe]",
            "[fe80::1]",
            "[fd00::1]",
            "[ff02::1]",
            "[64:ff9b::a00:1]",
            "[2002:7f00:1::]",
            "[2001:db8::1]",
            "[2001::1]",
            "１２７.0.0.1",
        ] {
            let text = format!("https://{host}/x");
            assert_eq!(Address::parse(&text, false), Err(Refused::Private), "{text}");
        }
    }

    #[test]
    fn what_could_be_read_on_the_way_or_holds_a_password_is_refused() {
        for (text, expected) in [
            ("http://example.com/", Refused::NotHttps),
            ("ftp://example.com/", Refused::NotHttps),
            ("file:///etc/passwd", Refused::NotHttps),
            ("https://user@example.com/", Refused::Credentials),
            ("https://user:secret@example.com/", Refused::Credentials),
            ("https://:secret@example.com/", Refused::Credentials),
            ("example.com/hooks", Refused::Unreadable),
            ("https://", Refused::Unreadable),
            ("https://exa mple.com", Refused::Unreadable),
            ("", Refused::Unreadable),
        ] {
            assert_eq!(Address::parse(text, false), Err(expected), "{text}");
        }
        let long = format!("https://example.com/{}", "a".repeat(ADDRESS_BYTES));
        assert_eq!(Address::parse(&long, false), Err(Refused::Unreadable));
    }

    #[test]
    fn local_development_reaches_this_machine_and_nothing_else_that_is_private() {
        assert!(is_local("http://127.0.0.1:8787") && is_local("http://localhost:8787"));
        for origin in [
            "https://127.0.0.1",
            "http://devflow.example.com",
            "https://devflow.example.com",
        ] {
            assert!(!is_local(origin), "{origin}");
        }
        assert!(Address::parse("http://127.0.0.1:4000/hooks", true).is_ok());
        assert!(Address::parse("http://[::1]:4000/", true).is_ok());
        assert_eq!(Address::parse("https://10.0.0.1/", true), Err(Refused::Private));
        assert_eq!(Address::parse("http://10.0.0.1/", true), Err(Refused::NotHttps));
        assert_eq!(
            Address::parse("http://example.com/", true),
            Err(Refused::NotHttps)
        );
    }

    #[test]
    fn shown_leaves_the_query_out_and_nothing_keeps_the_fragment() {
        let address = Address::parse("https://example.com/a?token=secret#part", false).expect("an address");
        assert_eq!(address.as_str(), "https://example.com/a?token=secret");
        assert_eq!(address.shown(), "https://example.com/a?…");
        assert_eq!(address.host_shown(), "https://example.com/…");
        assert_eq!(format!("{address:?}"), "https://example.com/a?…");
    }
}
