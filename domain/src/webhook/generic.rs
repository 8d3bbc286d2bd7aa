//! The generic body, for CI systems and scripts: `{"ref": "refs/heads/main", "sha": "…"}`.

use super::push::{RawPush, cut, is_zero};
use super::{Delivery, Event};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    #[serde(rename = "ref")]
    ref_name: String,
    sha: String,
    #[serde(default)]
    message: String,
    #[serde(default)]
    author: String,
    files: Option<Vec<String>>,
}

pub(super) fn read(delivery: Delivery<'_>) -> Result<Event, String> {
    let name = (delivery.header)("x-devflow-event").unwrap_or_else(|| "push".to_owned());
    match name.as_str() {
        "ping" => return Ok(Event::Ping),
        "push" => {}
        _ => {
            return Ok(Event::Other {
                name: cut(&name, 100),
            });
        }
    }
    let body: Body = serde_json::from_slice(delivery.body).map_err(|error| error.to_string())?;
    if is_zero(&body.sha) {
        return Ok(Event::Deleted {
            ref_name: cut(&body.ref_name, 250),
        });
    }
    RawPush {
        ref_name: body.ref_name,
        after: body.sha,
        message: body.message,
        author: body.author,
        files: body.files,
    }
    .into_event()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::webhook::Provider;

    #[test]
    fn unknown_fields_are_refused_and_known_ones_are_read() {
        let header = |_: &str| None;
        let event = |body: &str| {
            read(Delivery {
                provider: Provider::Generic,
                header: &header,
                body: body.as_bytes(),
            })
        };
        let sha = "a".repeat(40);
        assert!(matches!(
            event(&format!(r#"{{"ref":"refs/tags/v1","sha":"{sha}"}}"#)),
            Ok(Event::Push(_))
        ));
        assert!(event(&format!(r#"{{"ref":"refs/tags/v1","sha":"{sha}","branch":"x"}}"#)).is_err());
        assert!(event(r#"{"ref":"refs/heads/main","sha":"HEAD"}"#).is_err());
    }
}
