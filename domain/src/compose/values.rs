//! The small languages inside a compose file: durations, ports, mounts, folders in memory.

use super::Volume;
use devflow_protocol::text::RelPath;

/// Nanoseconds of a duration such as `1m30s`.
pub(super) fn nanoseconds(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 5] = [
        ("us", 1_000),
        ("ms", 1_000_000),
        ("s", 1_000_000_000),
        ("m", 60_000_000_000),
        ("h", 3_600_000_000_000),
    ];
    let mut rest = text;
    let mut whole: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = &rest[digits..];
        let end = unit.find(|c: char| c.is_ascii_digit()).unwrap_or(unit.len());
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == &unit[..end])?;
        whole = whole.checked_add(number.checked_mul(*factor)?)?;
        rest = &unit[end..];
    }
    // A day is more than anything waits for; below a millisecond the engine takes nothing but 0.
    let known = whole == 0 || (1_000_000..=86_400_000_000_000).contains(&whole);
    (!text.is_empty() && known).then_some(whole)
}

/// A text that is not of the language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// The port inside a container that `3000`, `80:3000` or `127.0.0.1:80-81:3000-3001/tcp` names first; None inside where it is
/// none of TCP.
pub(super) fn port(text: &str) -> Result<Option<u16>, Unreadable> {
    let (address, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let inner = address.rsplit(':').next().unwrap_or_default();
    let first = inner.split('-').next().unwrap_or_default();
    let port = first.parse::<u16>().ok().filter(|port| *port > 0);
    match (port, protocol) {
        (Some(port), "tcp") => Ok(Some(port)),
        (Some(_), "udp" | "sctp") => Ok(None),
        _ => Err(Unreadable),
    }
}

/// An absolute path inside a container onto which something may be mounted.
pub(super) fn mount_path(text: &str) -> bool {
    let path = text.strip_prefix('/').unwrap_or_default().trim_end_matches('/');
    let first = path.split('/').next().unwrap_or_default();
    path.parse::<RelPath>().is_ok() && !path.contains([':', ',']) && !matches!(first, "proc" | "sys" | "dev")
}

/// Why `volumes` does not take a mount in its short form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoVolume {
    /// A folder or file of the server or the repository.
    Bind,
    /// No name before the path.
    Nameless,
    /// Anything else.
    Unknown,
}

/// Reads `name:/path` and `name:/path:ro`.
pub(super) fn volume(text: &str) -> Result<Volume, NoVolume> {
    if text.starts_with(['.', '/', '~']) {
        return Err(if text.contains(':') || text.starts_with(['.', '~']) {
            NoVolume::Bind
        } else {
            NoVolume::Nameless
        });
    }
    let mut parts = text.split(':');
    let (name, target, mode) = (parts.next(), parts.next(), parts.next());
    let read_only = match (mode, parts.next()) {
        (None | Some("rw"), None) => false,
        (Some("ro"), None) => true,
        _ => return Err(NoVolume::Unknown),
    };
    let name = name.unwrap_or_default();
    if name.contains('/') {
        return Err(NoVolume::Bind);
    }
    let target = target.filter(|path| mount_path(path)).ok_or(NoVolume::Unknown)?;
    Ok(Volume {
        name: name.parse().map_err(|_| NoVolume::Unknown)?,
        target: target.trim_end_matches('/').to_owned(),
        read_only,
    })
}

/// Reads `/path` and `/path:size=64m,mode=1777` into path and options.
pub(super) fn tmpfs(text: &str) -> Option<(String, String)> {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    let fine = |option: &str| {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        matches!(name, "size" | "mode")
            && (1..=16).contains(&value.len())
            && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'%')
    };
    let options_ok = options.is_empty() || options.split(',').all(fine);
    (mount_path(path) && options_ok).then(|| (path.trim_end_matches('/').to_owned(), options.to_owned()))
}

/// True for a signal's name or number.
pub(super) fn is_signal(text: &str) -> bool {
    let name = text.strip_prefix("SIG").unwrap_or(text);
    (1..=10).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'+' || b == b'-')
}

/// A path of the repository, with or without `./` before it; None inside for the whole of it.
pub(super) fn repository_path(text: &str) -> Result<Option<RelPath>, Unreadable> {
    let mut path = text.trim_end_matches('/');
    while let Some(rest) = path.strip_prefix("./") {
        path = rest.trim_start_matches('/');
    }
    if matches!(path, "" | ".") && !text.starts_with('/') && !text.is_empty() {
        return Ok(None);
    }
    path.parse().map(Some).map_err(|_| Unreadable)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_the_specification_writes_them() {
        for (text, expected) in [
            ("2.5s", None),
            ("10s", Some(10_000_000_000)),
            ("1m30s", Some(90_000_000_000)),
            ("2h32m", Some(9_120_000_000_000)),
            ("300ms", Some(300_000_000)),
            ("1000us", Some(1_000_000)),
            ("0s", Some(0)),
            ("1us", None),
            ("25h", None),
            ("", None),
            ("10", None),
            ("s", None),
            ("1d", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(nanoseconds(text), expected, "{text}");
        }
    }

    #[test]
    fn ports_are_those_inside_the_container() {
        for (text, expected) in [
            ("3000", Ok(Some(3000))),
            ("3000-3005", Ok(Some(3000))),
            ("8000:80", Ok(Some(80))),
            ("127.0.0.1:5000-5010:5001-5011/tcp", Ok(Some(5001))),
            ("unknown:80", Ok(Some(80))),
            ("6060:6060/udp", Ok(None)),
            ("0", Err(Unreadable)),
            ("70000", Err(Unreadable)),
            ("80/http", Err(Unreadable)),
            ("", Err(Unreadable)),
        ] {
            assert_eq!(port(text), expected, "{text}");
        }
    }

    #[test]
    fn volumes_are_named_and_nothing_of_the_server() {
        let read = |text| volume(text).map(|it| format!("{} {} {}", it.name, it.target, it.read_only));
        assert_eq!(read("data:/var/lib/db"), Ok("data /var/lib/db false".to_owned()));
        assert_eq!(
            read("data:/var/lib/db/:ro"),
            Ok("data /var/lib/db true".to_owned())
        );
        for (text, expected) in [
            ("./code:/app", NoVolume::Bind),
            ("../x:/app", NoVolume::Bind),
            ("~/x:/app", NoVolume::Bind),
            ("/var/run/docker.sock:/var/run/docker.sock", NoVolume::Bind),
            ("a/b:/app", NoVolume::Bind),
            ("/data", NoVolume::Nameless),
            ("data", NoVolume::Unknown),
            ("data:/app:z", NoVolume::Unknown),
            ("data:/app:ro:x", NoVolume::Unknown),
            ("data:app", NoVolume::Unknown),
            ("data:/a/../../etc", NoVolume::Unknown),
            ("data:/", NoVolume::Unknown),
            ("data:/proc/x", NoVolume::Unknown),
            ("C:\\x:/app", NoVolume::Unknown),
            ("", NoVolume::Unknown),
        ] {
            assert_eq!(volume(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn paths_stay_in_the_repository() {
        let read = |text| repository_path(text).map(|path| path.map(|path| path.to_string()));
        for (text, expected) in [
            (".", Ok(None)),
            ("./", Ok(None)),
            ("./app/", Ok(Some("app".to_owned()))),
            ("docker/web", Ok(Some("docker/web".to_owned()))),
            ("..", Err(Unreadable)),
            ("./../x", Err(Unreadable)),
            ("/", Err(Unreadable)),
            ("/etc", Err(Unreadable)),
            ("", Err(Unreadable)),
            ("https://github.com/acme/shop.git", Err(Unreadable)),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
        assert_eq!(
            tmpfs("/tmp:size=64m,mode=1777"),
            Some(("/tmp".into(), "size=64m,mode=1777".into()))
        );
        assert_eq!(tmpfs("/tmp:exec"), None);
        assert!(is_signal("SIGQUIT") && is_signal("RTMIN+3") && !is_signal("kill -9") && !is_signal(""));
    }
}
