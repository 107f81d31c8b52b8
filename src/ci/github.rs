//! GitHub Actions (docs.github.com, "Workflow commands"), and what follows its protocol.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Ci, Level};
use crate::environment::Environment;
use crate::error::{Error, Kind, Result};

#[derive(Default, Deserialize)]
struct GitHub {
    github_output: Option<String>,
    github_env: Option<String>,
    github_path: Option<String>,
    github_state: Option<String>,
    github_step_summary: Option<String>,
    runner_temp: Option<String>,
    /// What `save_state("SESSION", …)` becomes in the post step.
    state_session: Option<String>,
    #[serde(skip)]
    action: bool,
}

pub fn detect(environment: &Environment) -> Option<Box<dyn Ci>> {
    environment.get("GITHUB_ACTIONS").ok()?.filter(|value| *value == "true")?;
    // A runner sets every declared input, if only to the empty string; in a run: step there are none.
    let action = environment.has(&crate::inputs::options::FORCE_REVOCABLE.input_variable());
    Some(Box::new(GitHub { action, ..environment.read() }))
}

impl Ci for GitHub {
    fn name(&self) -> &'static str {
        "GitHub Actions"
    }

    fn is_action(&self) -> bool {
        self.action
    }

    fn home(&self) -> Option<PathBuf> {
        self.runner_temp.as_ref().map(|temp| Path::new(temp).join("jf-token"))
    }

    fn saved_session(&self) -> Option<String> {
        self.state_session.clone().filter(|_| self.action)
    }

    fn mask(&self, value: &str) -> Option<String> {
        Some(format!("::add-mask::{}", data(value)))
    }

    fn annotation(&self, level: Level, title: &str, text: &str) -> Option<String> {
        let command = if level == Level::Error { "error" } else { "warning" };
        Some(format!("::{command} title={}::{}", property(title), data(text)))
    }

    fn check(&self) -> Result<()> {
        [&self.github_output, &self.github_env, &self.github_state].into_iter().flatten().try_for_each(|path| open(path).map(drop))
    }

    fn save_state(&self, name: &str, value: &str) -> Result<()> {
        append(self.github_state.as_deref().filter(|_| self.action), &[(name, value.to_owned())]).map(drop)
    }

    fn set_outputs(&self, pairs: &[(&str, String)]) -> Result<bool> {
        append(self.github_output.as_deref(), pairs)
    }

    fn check_variable(&self, name: &str) -> Result<()> {
        let reserved = name == "CI" || name == "NODE_OPTIONS" || name.starts_with("GITHUB_") || name.starts_with("RUNNER_");
        if reserved {
            return Err(Error::input(format!("GitHub does not let a step set {name}"), "Use another name, such as JF_ACCESS_TOKEN."));
        }
        if self.github_env.is_none() {
            return Err(Error::input("GITHUB_ENV is not set", "Run jf-token in a step of a job."));
        }
        Ok(())
    }

    fn set_variable(&self, name: &str, value: &str) -> Result<()> {
        append(self.github_env.as_deref(), &[(name, value.to_owned())]).map(drop)
    }

    fn add_to_path(&self, folder: &Path) -> Result<()> {
        match (&self.github_path, folder.to_str()) {
            (Some(path), Some(folder)) if !folder.contains(['\n', '\r']) => write(path, &format!("{folder}\n")),
            _ => Ok(()),
        }
    }

    fn summarize(&self, markdown: &str) -> Result<()> {
        let Some(path) = &self.github_step_summary else { return Ok(()) };
        write(path, markdown)
    }
}

/// A command's data.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A command's property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// Appends all pairs, or nothing. False: there is no such file here.
fn append(path: Option<&str>, pairs: &[(&str, String)]) -> Result<bool> {
    let Some(path) = path else { return Ok(false) };
    let mut text = String::new();
    for (name, value) in pairs {
        // Random, so that no value can end the block early and set a name of its own.
        let delimiter = format!("jf-token-{:016x}", crate::random::number());
        if value.contains(&delimiter) {
            return Err(Error::new(Kind::Local, format!("the value of {name} can't be handed to GitHub"), ""));
        }
        let _ = writeln!(text, "{name}<<{delimiter}\n{value}\n{delimiter}");
    }
    write(path, &text).map(|()| true)
}

fn write(path: &str, text: &str) -> Result<()> {
    let mut file = open(path)?;
    let before = file.metadata().map(|found| found.len());
    file.write_all(text.as_bytes()).map_err(|error| {
        // Half a block would break the step that reads it.
        if let Ok(length) = before {
            let _ = file.set_len(length);
        }
        Error::file("write", path.as_ref(), &error)
    })
}

fn open(path: &str) -> Result<File> {
    OpenOptions::new().append(true).create(true).open(path).map_err(|error| Error::file("write", path.as_ref(), &error))
}
