//! `env`: names and values of a project's environment. Values are printed by `get` and `export` alone.

use super::Session;
use crate::arguments::Env;
use crate::edge::decode;
use crate::failure::Failure;
use crate::find;
use devflow_domain::{dotenv, env_file};
use devflow_protocol::limits::ENVIRONMENT_BYTES;
use devflow_protocol::project::Environment;
use devflow_protocol::text::EnvName;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::io::{IsTerminal as _, Read as _, stdin};
use std::path::Path;

/// The names of an environment, and its values where they were asked for.
#[derive(Deserialize)]
struct Shown {
    names: Vec<EnvName>,
    #[serde(default)]
    values: Environment,
}

/// Does what is asked with the environment of the named or found project.
pub(super) fn env(session: Session, named: Option<&str>, command: &Env) -> Result<(), Failure> {
    let project = find::project(&session.edge, named)?;
    let place = Place {
        path: format!("/projects/{}/environment", project.id),
        slug: project.slug,
        session,
    };
    match command {
        Env::List => place.list(),
        Env::Get { name } => place.get(name),
        Env::Set { variables } => place.set(variables),
        Env::Unset { names } => place.unset(names),
        Env::Import { file, replace } => place.import(file, *replace),
        Env::Export => place.export(),
    }
}

/// The environment of one project.
struct Place {
    path: String,
    slug: String,
    session: Session,
}

impl Place {
    fn names(&self) -> Result<Shown, Failure> {
        decode(self.session.edge.get(&self.path)?)
    }

    fn reveal(&self) -> Result<Environment, Failure> {
        let shown: Shown = decode(self.session.edge.get(&format!("{}?reveal=true", self.path))?)?;
        Ok(shown.values)
    }

    fn list(mut self) -> Result<(), Failure> {
        if self.session.json {
            let body = self.session.edge.get(&self.path)?;
            return self.session.out.json(&body);
        }
        for name in self.names()?.names {
            self.session.out.line(name.as_str())?;
        }
        Ok(())
    }

    fn get(mut self, name: &EnvName) -> Result<(), Failure> {
        let mut values = self.reveal()?.0;
        let value = values
            .remove(name)
            .ok_or_else(|| Failure::not_found(format!("{} has no variable {name}", self.slug)))?;
        if self.session.json {
            return self.session.out.json(&json!({ "name": name, "value": value }));
        }
        self.session.out.raw(&format!("{value}\n"))
    }

    fn export(mut self) -> Result<(), Failure> {
        let values = self.reveal()?;
        if self.session.json {
            return self.session.out.json(&values);
        }
        let text = env_file::render_dotenv(&values).map_err(|error| Failure::Usage(error.to_string()))?;
        self.session.out.raw(&text)
    }

    fn set(self, variables: &[String]) -> Result<(), Failure> {
        let values = assignments(variables, &mut read_value)?;
        let told = listed(values.keys().map(String::as_str));
        self.change(&values, &format!("set {told}"))
    }

    fn unset(self, names: &[EnvName]) -> Result<(), Failure> {
        let there = self.names()?.names;
        if let Some(name) = names.iter().find(|&name| !there.contains(name)) {
            return Err(Failure::not_found(format!(
                "{} has no variable {name}",
                self.slug
            )));
        }
        let values = names.iter().map(|name| (name.to_string(), Value::Null)).collect();
        let told = listed(names.iter().map(EnvName::as_str));
        self.change(&values, &format!("removed {told}"))
    }

    fn import(self, file: &Path, replace: bool) -> Result<(), Failure> {
        let read = parse(file, &read_file(file)?)?;
        let told = match read.0.len() {
            1 => "1 variable".to_owned(),
            count => format!("{count} variables"),
        };
        if !replace {
            let values = read
                .0
                .iter()
                .map(|(name, value)| (name.to_string(), json!(value)))
                .collect();
            return self.change(&values, &format!("took over {told}"));
        }
        let seen = self.session.edge.fetch(&self.path)?;
        let etag = seen.etag.ok_or_else(|| {
            Failure::Unreachable(
                "the answer has no version, so a change of somebody else could be lost; update the installation".to_owned(),
            )
        })?;
        let body = json!({ "values": read });
        let answer = self.session.edge.replace(&self.path, &etag, &body)?;
        self.done(&answer, &format!("replaced all by {told}"))
    }

    fn change(self, values: &Map<String, Value>, told: &str) -> Result<(), Failure> {
        let answer = self
            .session
            .edge
            .patch(&self.path, &json!({ "values": values }))?;
        self.done(&answer, told)
    }

    fn done(mut self, answer: &Value, told: &str) -> Result<(), Failure> {
        if self.session.json {
            return self.session.out.json(answer);
        }
        let slug = &self.slug;
        let version = answer["version"].as_u64().unwrap_or_default();
        self.session.out.line(&format!(
            "{slug}: {told}; version {version} takes effect with the next deployment"
        ))
    }
}

fn listed<'n>(names: impl Iterator<Item = &'n str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// Reads `NAME=VALUE`, or one `NAME` alone whose value comes from elsewhere.
fn assignments(
    variables: &[String],
    read: &mut dyn FnMut(&EnvName) -> Result<String, Failure>,
) -> Result<Map<String, Value>, Failure> {
    let name_of = |text: &str| {
        text.parse::<EnvName>()
            .map_err(|error| Failure::Usage(error.to_string()))
    };
    let mut values = Map::new();
    for variable in variables {
        let (name, value) = match variable.split_once('=') {
            Some((name, value)) => (name_of(name)?, value.to_owned()),
            None if variables.len() == 1 => {
                let name = name_of(variable)?;
                let value = read(&name)?;
                (name, value)
            }
            None => {
                return Err(Failure::Usage(format!(
                    "`{}` has no value; write NAME=VALUE, or set it alone to be asked for the value",
                    crate::out::safe(variable, false)
                )));
            }
        };
        values.insert(name.to_string(), value.into());
    }
    Ok(values)
}

/// A value that is not to stand in the shell's history.
fn read_value(name: &EnvName) -> Result<String, Failure> {
    let failed = |error: std::io::Error| Failure::Usage(format!("cannot read the value of {name}: {error}"));
    if stdin().is_terminal() {
        return rpassword::prompt_password(format!("{name}: ")).map_err(failed);
    }
    let text = read_stdin().map_err(failed)?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

fn read_stdin() -> std::io::Result<String> {
    let mut text = String::new();
    let limit = u64::try_from(ENVIRONMENT_BYTES)
        .unwrap_or(u64::MAX)
        .saturating_mul(2);
    stdin().take(limit).read_to_string(&mut text)?;
    Ok(text)
}

fn read_file(file: &Path) -> Result<String, Failure> {
    let text = if file == Path::new("-") {
        read_stdin()
    } else {
        std::fs::read_to_string(file)
    };
    text.map_err(|error| Failure::Usage(format!("cannot read {}: {error}", file.display())))
}

fn parse(file: &Path, text: &str) -> Result<Environment, Failure> {
    dotenv::parse(text).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::Usage(format!(
            "{} cannot be read:\n  {}",
            file.display(),
            lines.join("\n  ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(variables: &[&str]) -> Result<Value, String> {
        let variables: Vec<String> = variables.iter().map(|&text| text.to_owned()).collect();
        let mut read = |name: &EnvName| Ok(format!("value of {name}"));
        assignments(&variables, &mut read)
            .map(Value::Object)
            .map_err(|failure| failure.to_string())
    }

    #[test]
    fn assignments_take_values_or_ask_for_the_one_that_is_missing() {
        assert_eq!(
            assigned(&["A=1", "B=x=y", "C="]),
            Ok(json!({"A": "1", "B": "x=y", "C": ""}))
        );
        assert_eq!(assigned(&["A"]), Ok(json!({"A": "value of A"})));
        assert_eq!(
            assigned(&["A=1", "B"]),
            Err("`B` has no value; write NAME=VALUE, or set it alone to be asked for the value".to_owned())
        );
        assert!(assigned(&["2A=1"]).is_err());
    }

    #[test]
    fn parse_tells_every_line_that_it_cannot_read() {
        let failure = parse(Path::new(".env"), "A=1\nnonsense\nB='open").unwrap_err();
        assert_eq!(
            failure.to_string(),
            ".env cannot be read:\n  line 2: `nonsense` has no `=` after it; write NAME=value\n  line 3: the value's ' \
             is never closed"
        );
    }
}
