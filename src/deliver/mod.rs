//! Hands the token over: formats for standard output, files, and the CI's outputs.

mod files;
mod format;
mod merged;
mod summary;
mod variable;

use std::path::{Path, PathBuf};

use redact::Secret;

use crate::api::{IssuedToken, PlatformUrl};
use crate::ci::{Action, Ci, Export, Support};
use crate::error::{Error, Kind, Result};
use crate::io::clock::Timestamp;
use crate::options::{Format, HandOver, InputValue};
use crate::os;
use crate::session::{Content, StoredToken, WrittenFile};
use files::{Occupied, Planned, are_one};

pub use files::{Rewrites, Rewritten, take_away, write};
pub use format::{TOKEN_ID, left_out, object, pretty, print, script_of_a_failure, table};
pub use summary::{Destination, for_people, for_the_step};
pub use variable::variable;

/// Where the token goes; by default nowhere. All of it is checked, and the files are begun, before there is a token.
#[derive(Default)]
pub struct Targets {
    /// What to print to standard output.
    pub format: Option<Format>,
    output_file: Option<Planned>,
    token_file: Option<Planned>,
    env_var: Option<String>,
    /// Whether to hand over the refresh token too.
    refresh_token: bool,
}

impl Targets {
    /// Checks what was asked for, and that the CI can pass it on.
    ///
    /// # Errors
    /// Fails if an input is wrong, or what it names can't be written.
    pub fn new(options: &HandOver, ci: &dyn Ci, action: Option<&Action>) -> Result<Self> {
        let env_var = options.env_var.as_ref().map(variable).transpose()?;
        if let (Some(name), Some(given)) = (env_var, &options.env_var) {
            ci.prepare(&[Export::Variable { name, value: "" }]).map_err(|error| match error.kind() {
                Kind::Input => given.wrong(&error, error.help()),
                _ => error,
            })?;
        }
        ci.prepare(&[Export::Outputs(&[])])?;
        if action.is_some() {
            ci.prepare(&[Export::State { name: "", value: "" }])?;
            if let Some(folder) = os::own_folder() {
                ci.prepare(&[Export::Path(&folder)])?;
            }
        }
        let env_var = env_var.map(str::to_owned);
        Ok(Self { format: options.format.or((!ci.is_ci()).then_some(Format::Json)), env_var, ..Self::files_only(options)? })
    }

    /// Checks only the files that were asked for.
    ///
    /// # Errors
    /// Fails if an input is wrong, or what it names can't be written.
    pub fn files_only(options: &HandOver) -> Result<Self> {
        let occupied = occupied(options)?;
        let planned = |given: &Option<InputValue>| given.as_ref().map(|given| Planned::new(given, occupied)).transpose();
        let (output_file, token_file) = (planned(&options.output_file)?, planned(&options.token_file)?);
        if let (Some(output), Some(token)) = (&output_file, &token_file)
            && are_one(&output.path, &token.path)?
        {
            return Err(Error::input("--token-file and --output-file name the same file", "Give each its own."));
        }
        Ok(Self { format: None, output_file, token_file, env_var: None, refresh_token: options.refresh_token })
    }

    /// Checks that no file is one that holds something else: the credential, a session, what belongs to the CI.
    ///
    /// # Errors
    /// Fails if one is.
    pub fn check_apart(&self, credential: &[PathBuf], secrets: &[&Secret], home: Option<&Path>, ci: &dyn Ci) -> Result<()> {
        let same = |path: &Path, other: &Path| {
            path == other || dunce::canonicalize(path).is_ok_and(|path| dunce::canonicalize(other).is_ok_and(|other| path == other))
        };
        for planned in [&self.output_file, &self.token_file].into_iter().flatten() {
            let Planned { path, source, .. } = planned;
            let refuse = |what: &str, help: &str| Err(source.wrong(format!("{} {what}", path.display()), help));
            if credential.iter().any(|file| same(path, file)) {
                return refuse("is a file of the credential", "Name another file: this one would be overwritten, and removed at the end.");
            }
            if home.is_some_and(|home| path.starts_with(home) || path.parent().is_some_and(|folder| same(folder, home))) {
                return refuse("is in the folder of the sessions", "Name a file in another folder.");
            }
            if ci.files().iter().any(|file| same(path, Path::new(file))) {
                return refuse("is a file of the CI's own", "Use --env-var for a variable; outputs are set anyway.");
            }
            if planned.file(Content::Env).merged && ci.is_report(path) {
                return refuse("is a dotenv report of this job, which can't hold the comments of --merge", "Name another file.");
            }
            planned.check(secrets)?;
        }
        Ok(())
    }

    /// The files that will hold a token.
    pub fn files(&self) -> Vec<WrittenFile> {
        let planned = [(&self.output_file, self.env_content()), (&self.token_file, Content::Token)];
        planned.into_iter().filter_map(|(planned, content)| Some(planned.as_ref()?.file(content))).collect()
    }

    /// The variable for later steps.
    #[must_use]
    pub fn variable(&self) -> Option<&String> {
        self.env_var.as_ref()
    }

    /// Checks that every format that contains the platform's URL can hold it.
    ///
    /// # Errors
    /// Fails if one can't, and names those that can.
    pub fn check(&self, platform: &PlatformUrl) -> Result<()> {
        let lines = self.format == Some(Format::Env) || self.output_file.is_some();
        if lines && !format::plain(platform.as_str()) {
            let what = format!("the platform's URL holds a character that NAME=VALUE lines can't: {}", platform.as_str());
            return Err(Error::input(what, "Use --format=shell, --format=json or --token-file."));
        }
        Ok(())
    }

    /// Begins the files: what could go wrong with them does so now.
    ///
    /// # Errors
    /// Fails if one can't be written.
    pub fn begin(&mut self) -> Result<()> {
        [&mut self.output_file, &mut self.token_file].into_iter().flatten().try_for_each(Planned::begin)
    }

    /// Whether neither standard output nor a file gets the token.
    #[must_use]
    pub fn goes_nowhere(&self) -> bool {
        self.format == Some(Format::None) && self.output_file.is_none() && self.token_file.is_none()
    }

    /// Hands the token over: to files, standard output, outputs, and a variable for later steps. Returns where it went, for people.
    /// `written` gets the files, even those written before something failed.
    ///
    /// # Errors
    /// Fails if one of them can't be written.
    pub fn deliver(
        self,
        stored: &StoredToken,
        session: Option<&str>,
        ci: &dyn Ci,
        print: impl FnOnce() -> Result<()>,
        written: &mut Vec<WrittenFile>,
    ) -> Result<Vec<Destination>> {
        let token = &stored.token;
        let token_path = self.token_file.as_ref().map(|planned| planned.path.display().to_string()).unwrap_or_default();
        let (variable, refresh_token) = (self.env_var.clone(), self.refresh_token);
        self.write_files(stored, written)?;
        print()?;
        let mut places: Vec<Destination> = written.iter().map(|file| Destination::File(file.path.clone())).collect();
        if ci.export(Export::Outputs(&outputs(token, token_path, session, refresh_token)))? == Support::Done {
            places.insert(0, Destination::Outputs);
        }
        if let Some(name) = variable {
            let _ = ci.export(Export::Variable { name: &name, value: token.access_token.expose() })?;
            places.insert(0, Destination::Variable(name));
        }
        Ok(places)
    }

    /// Writes the files only. `written` gets them.
    ///
    /// # Errors
    /// Fails if one can't be written.
    pub fn write_files(self, stored: &StoredToken, written: &mut Vec<WrittenFile>) -> Result<()> {
        let env = self.env_content();
        for (planned, content) in [(self.token_file, Content::Token), (self.output_file, env)] {
            if let Some(planned) = planned {
                written.push(planned.finish(content, stored)?);
            }
        }
        Ok(())
    }

    /// What to say of variables that the file of lines leaves out.
    #[must_use]
    pub fn left_out(&self, stored: &StoredToken) -> Option<String> {
        self.output_file.as_ref()?;
        left_out(&stored.token, &stored.platform, self.refresh_token)
    }

    fn env_content(&self) -> Content {
        if self.refresh_token { Content::EnvAndRefreshToken } else { Content::Env }
    }
}

/// The outputs of the GitHub Action.
fn outputs(token: &IssuedToken, token_file: String, session: Option<&str>, refresh_token: bool) -> Vec<(&'static str, String)> {
    let text = |value: Option<String>| value.unwrap_or_default();
    let secret = |secret: &Option<Secret>| text(secret.as_ref().map(|secret| secret.expose().to_owned()));
    let mut outputs = vec![
        ("access-token", token.access_token.expose().to_owned()),
        ("reference-token", secret(&token.reference_token)),
        ("token-id", token.token_id.clone()),
        ("username", text(token.username())),
        ("scope", token.scope.clone()),
        ("expires-at", text(token.expires_at().and_then(Timestamp::rfc3339))),
        ("expires-in", text(token.expires_in.map(|life| life.as_secs().to_string()))),
        ("token-file", token_file),
        ("session", session.unwrap_or_default().to_owned()),
    ];
    if refresh_token {
        outputs.push(("refresh-token", secret(&token.refresh_token)));
    }
    outputs
}

/// What was asked for where a file is there that holds something else.
fn occupied(options: &HandOver) -> Result<Occupied> {
    match (&options.overwrite, &options.merge, &options.token_file) {
        (Some(overwrite), Some(merge), _) => Err(overwrite.wrong(format!("excludes {}", merge.source), "Give one of them.")),
        (_, Some(merge), Some(token_file)) => Err(merge.wrong(
            format!("a bare token can't stand among other lines, as {} wants it", token_file.source),
            "Use --output-file, or a token file of its own without --merge.",
        )),
        (Some(_), ..) => Ok(Occupied::Overwrite),
        (_, Some(_), _) => Ok(Occupied::Merge),
        _ => Ok(Occupied::Refuse),
    }
}
