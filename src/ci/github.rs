//! GitHub Actions (docs.github.com, "Workflow commands"), and CIs that follow its protocol.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use redact::{Secret, masks};
use reqwest::Url;

use super::{Ci, Export, IdToken, JobHome, Support};
use crate::error::{Error, Kind, Result};
use crate::io::{Environment, Level, LogStyle, random};

struct GitHub {
    /// The step's files, or why their variables can't be read.
    files: Result<Files>,
    runner_temp: Option<String>,
    id_token_url: Option<String>,
    id_token_bearer: Option<String>,
}

/// The files by which a step hands values to the runner.
struct Files {
    output: Option<String>,
    env: Option<String>,
    path: Option<String>,
    state: Option<String>,
    summary: Option<String>,
}

pub fn detect(environment: &Environment) -> Option<Box<dyn Ci>> {
    if !environment.says("GITHUB_ACTIONS", |value| value == "true") {
        return None;
    }
    let value = |name| environment.get(name).ok().flatten().map(str::to_owned);
    Some(Box::new(GitHub {
        files: Files::new(environment),
        runner_temp: value("RUNNER_TEMP"),
        id_token_url: value("ACTIONS_ID_TOKEN_REQUEST_URL"),
        id_token_bearer: value("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
    }))
}

impl Files {
    fn new(environment: &Environment) -> Result<Self> {
        let file = |name| Ok(environment.get(name)?.map(str::to_owned));
        Ok(Self {
            output: file("GITHUB_OUTPUT")?,
            env: file("GITHUB_ENV")?,
            path: file("GITHUB_PATH")?,
            state: file("GITHUB_STATE")?,
            summary: file("GITHUB_STEP_SUMMARY")?,
        })
    }
}

impl GitHub {
    fn files(&self) -> Result<&Files> {
        self.files.as_ref().map_err(Clone::clone)
    }
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
        let files = self.files()?;
        exports.iter().try_for_each(|export| match export {
            Export::Variable { name, .. } => {
                check_name(name)?;
                match &files.env {
                    Some(path) => check(path),
                    None => Err(Error::input("GITHUB_ENV is not set", "Run jf-token in a step of a job.")),
                }
            }
            Export::Outputs(_) => files.output.iter().try_for_each(|path| check(path)),
            Export::State { .. } => files.state.iter().try_for_each(|path| check(path)),
            Export::Path(_) | Export::Summary(_) => Ok(()),
        })
    }

    fn export(&self, export: Export) -> Result<Support> {
        let files = self.files()?;
        match export {
            Export::Variable { name, value } => append(files.env.as_deref(), &[(name, value.to_owned())]),
            Export::Outputs(pairs) => append(files.output.as_deref(), pairs),
            Export::State { name, value } => append(files.state.as_deref(), &[(name, value.to_owned())]),
            Export::Path(folder) => match (&files.path, folder.to_str()) {
                (Some(path), Some(folder)) if !folder.contains(['\n', '\r']) => write(path, &format!("{folder}\n")),
                _ => Ok(Support::Unsupported),
            },
            Export::Summary(markdown) => files.summary.as_ref().map_or(Ok(Support::Unsupported), |path| write(path, markdown)),
        }
    }

    /// See docs.github.com, "OpenID Connect reference". The address may have a query already: Forgejo's does.
    fn id_token(&self, audience: Option<&str>) -> IdToken {
        let (Some(url), Some(bearer)) = (&self.id_token_url, &self.id_token_bearer) else {
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
    // A random delimiter, so that no value can end the block early and set another name.
    write(path, &blocks(pairs, random::number)?)
}

/// Names and values in the form that the runner reads from its files.
///
/// # Errors
/// Fails if a value contains its delimiter.
pub fn blocks(pairs: &[(&str, String)], number: impl Fn() -> u64) -> Result<String> {
    let mut text = String::new();
    for (name, value) in pairs {
        let delimiter = format!("jf-token-{:016x}", number());
        if value.contains(&delimiter) {
            return Err(Error::new(Kind::Local, format!("the value of {name} can't be handed to GitHub"), ""));
        }
        let _ = writeln!(text, "{name}<<{delimiter}\n{value}\n{delimiter}");
    }
    Ok(text)
}

/// Checks that something can be appended.
fn check(path: &str) -> Result<()> {
    open(path)?;
    is_cut(path).map(drop)
}

fn write(path: &str, text: &str) -> Result<Support> {
    let mut file = open(path)?;
    let before = file.metadata().map(|found| found.len());
    let text = if is_cut(path)? { format!("\n{text}") } else { text.to_owned() };
    file.write_all(text.as_bytes()).map(|()| Support::Done).map_err(|error| {
        // Remove what was written: half a block would break the step that reads it.
        if let Ok(length) = before {
            let _ = file.set_len(length);
        }
        Error::file("write", path.as_ref(), &error)
    })
}

/// Whether the last line has no line break: what is appended would become a part of it.
fn is_cut(path: &str) -> Result<bool> {
    let last_byte = || {
        let found = fs::metadata(path)?;
        if !found.is_file() || found.len() == 0 {
            return Ok(None);
        }
        let mut last = [0];
        let mut file = File::open(path)?;
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last).map(|()| Some(last))
    };
    let last = last_byte().map_err(|error: io::Error| Error::file("read", path.as_ref(), &error))?;
    Ok(last.is_some_and(|last| last != *b"\n"))
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
