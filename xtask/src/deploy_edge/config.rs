//! The installation's Wrangler configuration: the checkout's `wrangler.toml` with what is particular to it.

use anyhow::{Context, Result, bail};
use devflow_tests::places;
use std::fmt::{Display, Formatter};
use std::fs;
use std::path::Path;
use std::str::FromStr;
use toml::{Table, Value};

/// Where browsers reach the edge: `https`, a host name, nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin(String);

impl Origin {
    pub(super) fn host(&self) -> &str {
        self.0.trim_start_matches("https://")
    }
}

impl Display for Origin {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.0)
    }
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = text
            .trim_end_matches('/')
            .strip_prefix("https://")
            .unwrap_or_default();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label
                    .bytes()
                    .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        if host.len() > 253 || host.split('.').count() < 2 || !host.split('.').all(label) {
            return Err(
                "it has to be https:// and a host name in small letters, like https://devflow.example.com"
                    .into(),
            );
        }
        Ok(Self(format!("https://{host}")))
    }
}

/// The checkout's configuration.
pub(crate) fn template() -> Result<Table> {
    let file = places::workspace().join("wrangler.toml");
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    text.parse()
        .with_context(|| format!("{} is not TOML", file.display()))
}

/// `template` for one installation: its address, the ids of its databases, and paths that hold from any folder.
pub(crate) fn of_installation(
    mut template: Table,
    origin: &Origin,
    databases: &[(String, String)],
) -> Result<String> {
    let root = places::workspace();
    make_absolute(&mut template, "main", &root)?;
    let route = Table::from_iter([
        ("pattern".to_owned(), Value::from(origin.host())),
        ("custom_domain".to_owned(), Value::from(true)),
    ]);
    template.insert("routes".to_owned(), Value::from(vec![Value::from(route)]));
    table(&mut template, "vars")?.insert("PUBLIC_ORIGIN".to_owned(), Value::from(origin.to_string()));
    make_absolute(table(&mut template, "assets")?, "directory", &root)?;
    let Some(Value::Array(bindings)) = template.get_mut("d1_databases") else {
        bail!("wrangler.toml has no d1_databases");
    };
    for binding in bindings {
        let binding = binding
            .as_table_mut()
            .context("d1_databases holds something else than tables")?;
        make_absolute(binding, "migrations_dir", &root)?;
        let name = binding
            .get("database_name")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if let Some((_, id)) = databases.iter().find(|(known, _)| known == name) {
            binding.insert("database_id".to_owned(), Value::from(id.as_str()));
        }
    }
    toml::to_string(&template).context("the configuration cannot be written")
}

fn table<'t>(template: &'t mut Table, name: &str) -> Result<&'t mut Table> {
    template
        .get_mut(name)
        .and_then(Value::as_table_mut)
        .with_context(|| format!("wrangler.toml has no [{name}]"))
}

fn make_absolute(table: &mut Table, key: &str, root: &Path) -> Result<()> {
    let path = table
        .get(key)
        .and_then(Value::as_str)
        .with_context(|| format!("wrangler.toml has no `{key}`"))?;
    let absolute = root
        .join(path)
        .to_str()
        .context("the checkout's path is not UTF-8")?
        .to_owned();
    table.insert(key.to_owned(), Value::from(absolute));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origin_is_https_and_a_host_name() {
        let origin: Origin = "https://devflow.example.com/".parse().expect("an origin");
        assert_eq!(
            (origin.host(), origin.to_string().as_str()),
            ("devflow.example.com", "https://devflow.example.com")
        );
        let bad = [
            "",
            "devflow.example.com",
            "http://devflow.example.com",
            "https://localhost",
            "https://a..b",
            "https://devflow.example.com/path",
            "https://devflow.example.com:8443",
            "https://-a.example.com",
            "https://Devflow.example.com",
            "https://ä.example.com",
        ];
        for text in bad {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }

    #[test]
    fn installation_has_its_address_databases_and_absolute_paths() {
        let origin: Origin = "https://devflow.example.com".parse().expect("an origin");
        let ids = [
            ("devflow-core".to_owned(), "id-1".to_owned()),
            ("devflow-logs".to_owned(), "id-2".to_owned()),
        ];
        let text =
            of_installation(template().expect("the template"), &origin, &ids).expect("a configuration");
        let made: Table = text.parse().expect("TOML");
        assert_eq!(
            made["vars"]["PUBLIC_ORIGIN"].as_str(),
            Some("https://devflow.example.com")
        );
        assert_eq!(made["routes"][0]["pattern"].as_str(), Some("devflow.example.com"));
        assert_eq!(made["d1_databases"][0]["database_id"].as_str(), Some("id-1"));
        assert_eq!(made["d1_databases"][1]["database_id"].as_str(), Some("id-2"));
        for path in [
            &made["main"],
            &made["assets"]["directory"],
            &made["d1_databases"][0]["migrations_dir"],
        ] {
            assert!(Path::new(path.as_str().expect("a path")).is_absolute(), "{path}");
        }
    }
}
