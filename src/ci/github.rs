//! GitHub Actions (docs.github.com, "Workflow commands"), and CIs that follow its protocol.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use redact::{Secret, masks};
use reqwest::Url;
use serde::Deserialize;

use super::{Ci, Export, IdToken, JobHome, Support};
use crate::error::{Error, Kind, Result};
use crate::io::{Environment, Level, LogStyle, random};

#[derive(Default, Deserialize)]
struct GitHub {
    github_output: Option<String>,
    github_env: Option<String>,
    github_path: Option<String>,
    github_state: Option<String>,
    github_step_summary: Option<String>,
    runner_temp: Option<String>,
    actions_id_token_request_url: Option<String>,
    actions_id_token_request_token: Option<String>,
}

pub fn detect(environment: &Environment) -> Option<Box<dyn Ci>> {
    environment.get("GITHUB_ACTIONS").ok()?.filter(|value| *value == "true")?;
    Some(Box::new(environment.read::<GitHub>()))
}

impl LogStyle for GitHub {
    fn annotation(&self, level: Level, title: &str, text: &str) -> Option<String> {
        let command = if level == Level::Error { "error" } else { "warning" };
        Some(format!("::{command} title={}::{}", property(title), data(text)))
    }
}

impl Ci for GitHub {
    fn name(&self) -> &'static str {
        "GitHub Actions"
    }

    fn job(&self) -> JobHome {
        JobHome { folder: self.runner_temp.as_ref().map(|temp| Path::new(temp).join("jf-token")), ..JobHome::default() }
    }

    fn mask(&self, secrets: &[&Secret], log: &dyn Fn(&str)) -> Result<Support> {
        let lines: Vec<String> =
            secrets.iter().flat_map(|secret| masks(secret)).map(|value| format!("::add-mask::{}", data(&value))).collect();
        log(&lines.join("\n"));
        Ok(Support::Done)
    }

    fn prepare(&self, exports: &[Export]) -> Result<()> {
        exports.iter().try_for_each(|export| match export {
            Export::Variable { name, .. } => {
                check_name(name)?;
                match &self.github_env {
                    Some(path) => open(path).map(drop),
                    None => Err(Error::input("GITHUB_ENV is not set", "Run jf-token in a step of a job.")),
                }
            }
            Export::Outputs(_) => self.github_output.iter().try_for_each(|path| open(path).map(drop)),
            Export::State { .. } => self.github_state.iter().try_for_each(|path| open(path).map(drop)),
            Export::Path(_) | Export::Summary(_) => Ok(()),
        })
    }

    fn export(&self, export: Export) -> Result<Support> {
        match export {
            Export::Variable { name, value } => append(self.github_env.as_deref(), &[(name, value.to_owned())]),
            Export::Outputs(pairs) => append(self.github_output.as_deref(), pairs),
            Export::State { name, value } => append(self.github_state.as_deref(), &[(name, value.to_owned())]),
            Export::Path(folder) => match (&self.github_path, folder.to_str()) {
                (Some(path), Some(folder)) if !folder.contains(['\n', '\r']) => write(path, &format!("{folder}\n")),
                _ => Ok(Support::Unsupported),
            },
            Export::Summary(markdown) => self.github_step_summary.as_ref().map_or(Ok(Support::Unsupported), |path| write(path, markdown)),
        }
    }

    /// See docs.github.com, "OpenID Connect reference". The address may have a query already: Forgejo's does.
    fn id_token(&self, audience: Option<&str>) -> IdToken {
        let (Some(url), Some(bearer)) = (&self.actions_id_token_request_url, &self.actions_id_token_request_token) else {
            return IdToken::Unavailable(
                "the job may not ask for an identity token: give it 'permissions: id-token: write' (a run for a fork never may)".into(),
            );
        };
        let (Ok(mut url), Ok(bearer)) = (Url::parse(url), Secret::new(bearer)) else {
            return IdToken::Unavailable("ACTIONS_ID_TOKEN_REQUEST_URL or _TOKEN can't be read".into());
        };
        if let Some(audience) = audience {
            url.query_pairs_mut().append_pair("audience", audience);
        }
        IdToken::Fetch { url: url.into(), bearer, field: "value" }
    }
}

/// Checks that GitHub lets a step set this variable.
fn check_name(name: &str) -> Result<()> {
    let reserved = name == "CI" || name == "NODE_OPTIONS" || name.starts_with("GITHUB_") || name.starts_with("RUNNER_");
    if reserved {
        return Err(Error::input(format!("GitHub does not let a step set {name}"), "Use another name, such as JF_ACCESS_TOKEN."));
    }
    Ok(())
}

/// Escapes the data of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Appends all pairs, or nothing.
fn append(path: Option<&str>, pairs: &[(&str, String)]) -> Result<Support> {
    let Some(path) = path else { return Ok(Support::Unsupported) };
    let mut text = String::new();
    for (name, value) in pairs {
        // A random delimiter, so that no value can end the block early and set another name.
        let delimiter = format!("jf-token-{:016x}", random::number());
        if value.contains(&delimiter) {
            return Err(Error::new(Kind::Local, format!("the value of {name} can't be handed to GitHub"), ""));
        }
        let _ = writeln!(text, "{name}<<{delimiter}\n{value}\n{delimiter}");
    }
    write(path, &text)
}

fn write(path: &str, text: &str) -> Result<Support> {
    let mut file = open(path)?;
    let before = file.metadata().map(|found| found.len());
    file.write_all(text.as_bytes()).map(|()| Support::Done).map_err(|error| {
        // Remove what was written: half a block would break the step that reads it.
        if let Ok(length) = before {
            let _ = file.set_len(length);
        }
        Error::file("write", path.as_ref(), &error)
    })
}

fn open(path: &str) -> Result<File> {
    OpenOptions::new().append(true).create(true).open(path).map_err(|error| Error::file("write", path.as_ref(), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_token_is_asked_for_where_the_runner_says_with_the_audience_as_one_more_pair() {
        let job = |url: &str| -> IdToken {
            let environment =
                [("GITHUB_ACTIONS", "true"), ("ACTIONS_ID_TOKEN_REQUEST_URL", url), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "bearer")];
            detect(&environment.into_iter().collect()).unwrap().id_token(Some("a&b c"))
        };
        for (url, asked) in [
            ("https://vstoken.example/x?api-version=2.0", "https://vstoken.example/x?api-version=2.0&audience=a%26b+c"),
            ("https://forge.example/id?placeholder=true", "https://forge.example/id?placeholder=true&audience=a%26b+c"),
            ("https://forge.example/id", "https://forge.example/id?audience=a%26b+c"),
        ] {
            let IdToken::Fetch { url, field, .. } = job(url) else { panic!("{url}") };
            assert_eq!((url.as_str(), field), (asked, "value"));
        }
        assert!(matches!(job(""), IdToken::Unavailable(why) if why.contains("id-token: write")));
    }
}
