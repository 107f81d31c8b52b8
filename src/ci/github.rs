//! GitHub Actions (docs.github.com, "Workflow commands"), and CIs that follow its protocol.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use redact::Secret;
use reqwest::Url;
use serde_json::Value;

use super::facts::{context, text};
use super::{Ci, Export, IdToken, IdTokenRequest, JobContext, JobHome, Recognise, Support};
use crate::error::{Error, Kind, Result};
use crate::io::{Environment, Level, LogStyle, MaskCommand, random, read_regular_file};

/// Where a job may ask for an identity token, and by which right.
const VARIABLES: [&str; 2] = ["ACTIONS_ID_TOKEN_REQUEST_URL", "ACTIONS_ID_TOKEN_REQUEST_TOKEN"];

/// The longest description of an event that is read, in bytes; GitHub's are shorter.
const LONGEST_EVENT: u64 = 32 << 20;

/// A CI that follows the protocol, and what it does otherwise.
pub struct Dialect {
    /// Its name, for messages.
    pub name: &'static str,
    /// The variable that is `true` in each of its jobs.
    pub sign: &'static str,
    /// Why a job has no identity token, and what to change.
    pub missing: fn(&Environment) -> String,
}

pub static DIALECT: Dialect = Dialect { name: "GitHub Actions", sign: "GITHUB_ACTIONS", missing: why_missing };

/// In docs.github.com, "Workflow commands": "Masking a value in a log", "Stopping and starting workflow commands". A value with `::` in it is
/// one to GitHub's runner, but not to act.
static MASK: MaskCommand = MaskCommand {
    begins: "::add-mask::",
    never_holds: Some("::"),
    suspended_by: Some("stop-commands"),
    step: "GITHUB_ENV",
    has_handler: false,
};

/// Goes before masks. A command counts only at the start of a line, and nothing tells whether another program has left one open: the first mask
/// would then be shown instead of obeyed. This command ends such a line, and where there is none the log does not show it.
const LINE_START: &str = "::debug::jf-token masks its secrets";

struct GitHub {
    dialect: &'static Dialect,
    environment: Environment,
    /// The step's files, or why their variables can't be read.
    files: Result<Files>,
    /// What was appended to which file.
    written: Mutex<Vec<Written>>,
}

/// A file's length before something was appended, and behind that.
struct Written {
    path: String,
    before: u64,
    after: u64,
}

/// The files by which a step hands values to the runner.
struct Files {
    output: Option<String>,
    env: Option<String>,
    path: Option<String>,
    state: Option<String>,
    summary: Option<String>,
}

impl Recognise for Dialect {
    fn detect(&'static self, environment: &Environment) -> Option<Box<dyn Ci>> {
        if !environment.says(self.sign, |value| value == "true") {
            return None;
        }
        let (files, environment) = (Files::new(environment), environment.clone());
        Some(Box::new(GitHub { dialect: self, environment, files, written: Mutex::default() }))
    }
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

    /// Appends, and takes note of it.
    fn append(&self, path: Option<&str>, text: &str) -> Result<Support> {
        let Some(path) = path else { return Ok(Support::Unsupported) };
        let Some(written) = write(path, text)? else { return Ok(Support::Done) };
        self.written.lock().unwrap_or_else(PoisonError::into_inner).push(written);
        Ok(Support::Done)
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
        self.dialect.name
    }

    fn job(&self) -> JobHome {
        let temp = text(&self.environment, "RUNNER_TEMP");
        JobHome { folder: temp.map(|temp| Path::new(temp).join("jf-token")), ..JobHome::default() }
    }

    fn mask(&self, values: &[String], log: &dyn Fn(&str)) -> Result<Support> {
        let lines: Vec<_> = values.iter().map(|value| format!("{}{}", MASK.begins, data(value))).collect();
        log(&format!("{LINE_START}\n{}", lines.join("\n")));
        Ok(Support::Done)
    }

    fn mask_command(&self) -> Option<&'static MaskCommand> {
        Some(&MASK)
    }

    fn prepare(&self, exports: &[Export]) -> Result<()> {
        let files = self.files()?;
        exports.iter().try_for_each(|export| match export {
            Export::Variable { .. } => match &files.env {
                Some(path) => check(path),
                None => Err(Error::input("GITHUB_ENV is not set", "Run jf-token in a step of a job.")),
            },
            Export::Outputs(_) => files.output.iter().try_for_each(|path| check(path)),
            Export::State { .. } => files.state.iter().try_for_each(|path| check(path)),
            Export::Path(_) => files.path.iter().try_for_each(|path| check(path)),
            Export::Summary(_) => Ok(()),
        })
    }

    fn files(&self) -> Vec<&str> {
        let Ok(Files { output, env, path, state, summary }) = &self.files else { return Vec::new() };
        [output, env, path, state, summary].into_iter().filter_map(Option::as_deref).collect()
    }

    fn retract(&self) -> Vec<String> {
        let written = std::mem::take(&mut *self.written.lock().unwrap_or_else(PoisonError::into_inner));
        written.into_iter().rev().filter(|written| written.take_back().is_err()).map(|written| written.path).collect()
    }

    fn export(&self, export: Export) -> Result<Support> {
        let files = self.files()?;
        match export {
            Export::Variable { name, value } => self.append(files.env.as_deref(), &block(name, value)?),
            Export::Outputs(pairs) => self.append(files.output.as_deref(), &blocks(pairs, random::number)?),
            Export::State { name, value } => append(files.state.as_deref(), &block(name, value)?),
            Export::Path(folder) => match folder.to_str() {
                Some(folder) if !folder.contains(['\n', '\r']) => self.append(files.path.as_deref(), &format!("{folder}\n")),
                _ => Ok(Support::Unsupported),
            },
            Export::Summary(markdown) => append(files.summary.as_deref(), markdown),
        }
    }

    /// See docs.github.com, "OpenID Connect reference". The address may have a query already: Forgejo's does.
    fn id_token(&self, audience: Option<&str>) -> IdToken {
        let [Some(url), Some(bearer)] = VARIABLES.map(|name| text(&self.environment, name)) else {
            return IdToken::Unavailable((self.dialect.missing)(&self.environment));
        };
        let (Ok(mut url), Ok(bearer)) = (Url::parse(url), Secret::new(bearer)) else {
            return IdToken::Unavailable(format!(
                "{} is no URL, or {} no token: the CI itself sets them, so let nothing change them",
                VARIABLES[0], VARIABLES[1]
            ));
        };
        if let Some(audience) = audience {
            let before = url.query().map(|query| format!("{query}&")).unwrap_or_default();
            url.set_query(Some(&format!("{before}audience={}", percent_encoded(audience))));
        }
        IdToken::Fetch(IdTokenRequest { url: url.into(), posts: false, bearer, bare: false, variables: &VARIABLES, field: "value" })
    }

    fn claims(&self) -> &'static [&'static str] {
        &[
            "repository",
            "repository_owner",
            "repository_id",
            "repository_owner_id",
            "ref",
            "environment",
            "event_name",
            "job_workflow_ref",
            "workflow_ref",
            "actor",
        ]
    }

    fn why_empty(&self) -> &'static str {
        if is_for_a_fork(&self.environment) {
            "Secrets are not given to workflows from forks: run this step only where github.event.pull_request.head.repo.full_name == github.repository."
        } else if is_by_dependabot(&self.environment) {
            "Dependabot started this run, and the secrets of Actions are not given to such runs: add this one to Dependabot's secrets, or skip the step where github.actor is dependabot[bot]."
        } else {
            "A secret is empty where none of that name is set for this repository, organization or the job's environment; secrets are not given to workflows from forks, nor to reusable workflows without secrets: inherit."
        }
    }

    /// As JFrog's own action has it (setup-jfrog-cli, `src/utils.ts`): its job is the workflow.
    fn job_context(&self) -> JobContext {
        let context =
            context(&self.environment, ["GITHUB_WORKFLOW", "GITHUB_RUN_ID", "GITHUB_SERVER_URL", "GITHUB_SHA", "GITHUB_REF_NAME"]);
        let repository = text(&self.environment, "GITHUB_REPOSITORY");
        JobContext { repository: context.repository.zip(repository).map(|(server, name)| format!("{server}/{name}")), ..context }
    }
}

/// By Dependabot, whose runs get as little as those of a fork.
fn is_by_dependabot(environment: &Environment) -> bool {
    environment.says("GITHUB_ACTOR", |actor| actor == "dependabot[bot]")
}

fn why_missing(environment: &Environment) -> String {
    let why = if is_for_a_fork(environment) {
        "This run is for a pull request from a fork, and gets none, whatever its permissions: run this step only where \
         github.event.pull_request.head.repo.full_name == github.repository"
    } else if is_by_dependabot(environment) {
        // Reports differ on whether `permissions` helps; a run that a person starts again has one.
        "Dependabot started this run, and as for a pull request from a fork it gets none: run this step only where github.actor is another"
    } else {
        "The job may not ask for one: give it permissions: { id-token: write }, and contents: read if it checks out, for what is not named \
         there is taken away. A reusable workflow needs it in the job that calls it too"
    };
    why.into()
}

/// Whether the run is for a pull request from another repository. One for `pull_request_target` runs in this one.
fn is_for_a_fork(environment: &Environment) -> bool {
    let event = || -> Option<Value> {
        let is_pull_request = |event: &str| event.starts_with("pull_request") && event != "pull_request_target";
        text(environment, "GITHUB_EVENT_NAME").filter(|event| is_pull_request(event))?;
        let path = text(environment, "GITHUB_EVENT_PATH")?;
        serde_json::from_slice(&read_regular_file(path.as_ref(), LONGEST_EVENT).ok()?).ok()
    };
    event().is_some_and(|event| {
        // A fork that was deleted is null.
        let id = |side: &str| event["pull_request"][side]["repo"]["id"].as_u64();
        id("base").is_some() && id("head") != id("base")
    })
}

/// As JavaScript's `encodeURIComponent`, which GitHub's own client uses (`getIDToken` in @actions/core). A server that knows only that may
/// take a `+` for itself, not for a space.
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.!~*'()".contains(&byte) {
            encoded.push(byte.into());
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// Escapes the data of a workflow command.
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Escapes a property of a workflow command.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

impl Written {
    fn take_back(&self) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&self.path)?;
        // Behind what somebody else has appended since it can't be cut out.
        if file.metadata()?.len() != self.after {
            return Err(io::Error::other("it has grown"));
        }
        file.set_len(self.before)
    }
}

/// Appends, for good.
fn append(path: Option<&str>, text: &str) -> Result<Support> {
    let Some(path) = path else { return Ok(Support::Unsupported) };
    write(path, text).map(|_| Support::Done)
}

// A random delimiter, so that no value can end the block early and set another name.
fn block(name: &str, value: &str) -> Result<String> {
    blocks(&[(name, value.to_owned())], random::number)
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

/// More than what is ever appended at once.
const ROOM: usize = 16 << 10;

/// Checks that something can be appended, and that there is room for it.
fn check(path: &str) -> Result<()> {
    let Some(written) = write(path, &"\n".repeat(ROOM))? else { return Ok(()) };
    written.take_back().map_err(|error| Error::file("write", path.as_ref(), &error))
}

/// Appends all or nothing. `None`: it is not a regular file, so nothing can be taken back.
fn write(path: &str, text: &str) -> Result<Option<Written>> {
    let mut file = open(path)?;
    let found = file.metadata().map_err(|error| Error::file("write", path.as_ref(), &error))?;
    let before = found.len();
    let text = if is_cut(path)? { format!("\n{text}") } else { text.to_owned() };
    if let Err(error) = file.write_all(text.as_bytes()) {
        // Remove what was written: half a block would break the step that reads it.
        let _ = file.set_len(before);
        return Err(Error::file("write", path.as_ref(), &error));
    }
    let written = Written { path: path.to_owned(), before, after: before + text.len() as u64 };
    Ok(found.is_file().then_some(written))
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
            DIALECT.detect(&environment.into_iter().collect()).unwrap().id_token(Some("a&b c"))
        };
        for (url, asked) in [
            ("https://vstoken.example/x?api-version=2.0", "https://vstoken.example/x?api-version=2.0&audience=a%26b%20c"),
            ("https://forge.example/id?placeholder=true", "https://forge.example/id?placeholder=true&audience=a%26b%20c"),
            ("https://forge.example/id", "https://forge.example/id?audience=a%26b%20c"),
        ] {
            let IdToken::Fetch(IdTokenRequest { url, field, .. }) = job(url) else { panic!("{url}") };
            assert_eq!((url.as_str(), field), (asked, "value"));
        }
        assert!(matches!(job(""), IdToken::Unavailable(why) if why.contains("id-token: write")));
    }

    #[test]
    fn the_platform_s_records_have_what_jfrog_s_own_action_sends() {
        let environment = [
            ("GITHUB_ACTIONS", "true"),
            ("GITHUB_WORKFLOW", "build"),
            ("GITHUB_JOB", "test"),
            ("GITHUB_RUN_ID", "12"),
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "o/r"),
            ("GITHUB_SHA", "ab12"),
            ("GITHUB_REF_NAME", "main"),
        ];
        let context = DIALECT.detect(&environment.into_iter().collect()).unwrap().job_context();
        let JobContext { job, run, repository, revision, branch } = context;
        let all = [job, run, repository, revision, branch].map(Option::unwrap);
        assert_eq!(all, ["build", "12", "https://github.com/o/r", "ab12", "main"]);
    }
}
