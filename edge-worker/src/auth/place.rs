//! Where a session is used, in words that its person recognises.

use crate::store::users::Place;
use axum::http::HeaderMap;
use devflow_domain::attempts;

fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Where a request comes from, as Cloudflare says it.
pub(super) fn address(headers: &HeaderMap) -> String {
    header(headers, "cf-connecting-ip")
        .unwrap_or("unknown")
        .to_owned()
}

/// The network that a request comes from: what is counted by its address is counted so, for whoever has an IPv6 address has
/// very many.
pub(crate) fn network(headers: &HeaderMap) -> String {
    attempts::network(&address(headers))
}

/// Browser, system, address and country of a request.
pub(super) fn of(headers: &HeaderMap) -> Place {
    let country = header(headers, "cf-ipcountry").filter(|code| code.len() == 2 && *code != "XX");
    Place {
        device: device_name(headers),
        address: address(headers),
        country: country.map(str::to_owned),
    }
}

/// Browser and system of a request.
pub(crate) fn device_name(headers: &HeaderMap) -> String {
    device(header(headers, "user-agent").unwrap_or_default())
}

/// The first name of a list that a text has. Order matters: Edge also calls itself Chrome, and all call themselves
/// Safari.
fn first_of(text: &str, names: &[(&str, &'static str)]) -> Option<&'static str> {
    names
        .iter()
        .find(|(part, _)| text.contains(part))
        .map(|(_, name)| *name)
}

/// What a `user-agent` header means, as far as a person cares.
fn device(agent: &str) -> String {
    let browser = first_of(
        agent,
        &[
            ("Edg/", "Edge"),
            ("OPR/", "Opera"),
            ("Firefox/", "Firefox"),
            ("Chrome/", "Chrome"),
            ("Safari/", "Safari"),
        ],
    );
    let system = first_of(
        agent,
        &[
            ("Android", "Android"),
            ("iPhone", "iPhone"),
            ("iPad", "iPad"),
            ("Windows", "Windows"),
            ("Mac OS X", "macOS"),
            ("Linux", "Linux"),
        ],
    );
    match (browser, system) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) => "An unknown browser".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn network_is_one_address_or_the_64_bits_that_somebody_has() {
        let from = |address: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("cf-connecting-ip", HeaderValue::from_static(address));
            network(&headers)
        };
        assert_eq!(from("192.0.2.7"), "192.0.2.7");
        assert_eq!(from("2001:db8:0:7::1"), from("2001:db8:0:7:ffff:ffff:ffff:ffff"));
        assert_ne!(from("2001:db8:0:7::1"), from("2001:db8:0:8::1"));
        assert_eq!(network(&HeaderMap::new()), "unknown");
    }

    #[test]
    fn device_names_browser_and_system() {
        let cases = [
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 \
                 Safari/537.36 Edg/140.0.0.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
                 Version/18.5 Mobile/15E148 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0",
                "Firefox on Linux",
            ),
            ("curl/8.14.1", "An unknown browser"),
        ];
        for (agent, expected) in cases {
            assert_eq!(device(agent), expected);
        }
    }
}
