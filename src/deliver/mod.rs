//! Handing the token over: formats for standard output, files, the CI's outputs.

mod format;
mod summary;

use std::path::{Path, PathBuf};

use crate::access::Grant;
use crate::ci::Ci;
use crate::clock::rfc3339;
use crate::draft::Draft;
use crate::error::{Error, Result};
use crate::inputs::options::{ENV_VAR, FORMAT, OUTPUT_FILE, OUTPUT_REFRESH_TOKEN, TOKEN_FILE};
use crate::inputs::{Given, Inputs, PlatformUrl};
use crate::session::remove_all;

pub use format::Format;
pub use summary::{Place, for_people, for_the_step};

/// Where the token is to go; checked, and its files begun, before there is a token.
pub struct Delivery {
    /// What standard output gets.
    pub format: Option<Format>,
    output_file: Option<Planned>,
    token_file: Option<Planned>,
    env_var: Option<String>,
    /// Whether the refresh token is handed over too.
    pub refresh_token: bool,
}

/// How a file's name begins until it is whole.
const PREFIX: &str = ".jf-token-";

impl Delivery {
    /// Reads and checks the inputs that say where the token is to go.
    ///
    /// # Errors
    /// When one is wrong, or what it names can't be written.
    pub fn prepare(inputs: &Inputs, ci: &dyn Ci) -> Result<Self> {
        let format = inputs.word(&FORMAT, &Format::WORDS)?;
        let env_var = inputs.text(&ENV_VAR)?.map(|given| variable(given, ci)).transpose()?;
        let refresh_token = inputs.switch(&OUTPUT_REFRESH_TOKEN)?;
        ci.check()?;
        let planned = |option| inputs.text(option)?.as_ref().map(Planned::new).transpose();
        let (output_file, token_file) = (planned(&OUTPUT_FILE)?, planned(&TOKEN_FILE)?);
        if let (Some(output), Some(token)) = (&output_file, &token_file)
            && output.path == token.path
        {
            return Err(Error::input("--token-file and --output-file name the same file", "Give each its own."));
        }
        Ok(Self { format: format.or((!ci.is_ci()).then_some(Format::Json)), output_file, token_file, env_var, refresh_token })
    }

    /// The files that will hold a token.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        [&self.output_file, &self.token_file].into_iter().flatten().map(|planned| planned.path.clone())
    }

    /// Begins the files: from here on what could go wrong with them has done so.
    ///
    /// # Errors
    /// When one can't be written.
    pub fn begin(&mut self) -> Result<()> {
        [&mut self.output_file, &mut self.token_file].into_iter().flatten().try_for_each(Planned::begin)
    }

    /// Whether anything at all would get the token.
    #[must_use]
    pub fn goes_nowhere(&self) -> bool {
        self.format == Some(Format::None) && self.output_file.is_none() && self.token_file.is_none()
    }

    /// Hands the token over: files, standard output, outputs, a variable for later steps. Returns where it went, for people.
    ///
    /// # Errors
    /// When one of them can't be written; then none of the files is left.
    pub fn deliver(self, grant: &Grant, platform: &PlatformUrl, ci: &dyn Ci, print: impl FnOnce() -> Result<()>) -> Result<Vec<Place>> {
        let mut files = Vec::new();
        let places = self.put(grant, platform, ci, print, &mut files);
        if places.is_err() {
            remove_all(&files);
        }
        places
    }

    fn put(
        self,
        grant: &Grant,
        platform: &PlatformUrl,
        ci: &dyn Ci,
        print: impl FnOnce() -> Result<()>,
        files: &mut Vec<PathBuf>,
    ) -> Result<Vec<Place>> {
        let mut token_path = String::new();
        if let Some(planned) = self.token_file {
            token_path = planned.path.display().to_string();
            files.push(planned.finish(grant.access_token.expose())?);
        }
        if let Some(planned) = self.output_file {
            files.push(planned.finish(&format::dotenv(grant, platform, self.refresh_token)?)?);
        }
        print()?;
        let mut places: Vec<Place> = files.iter().cloned().map(Place::File).collect();
        if ci.set_outputs(&outputs(grant, token_path, self.refresh_token))? {
            places.insert(0, Place::Outputs);
        }
        if let Some(name) = self.env_var {
            ci.set_variable(&name, grant.access_token.expose())?;
            places.insert(0, Place::Variable(name));
        }
        Ok(places)
    }
}

/// A file that is wanted.
struct Planned {
    path: PathBuf,
    draft: Option<Draft>,
}

impl Planned {
    /// Checks that it could be written, and leaves nothing yet: there may be long to wait before it is.
    fn new(given: &Given) -> Result<Self> {
        let wrong = |error: Error| Error::input(format!("{}: {error}", given.source), error.next());
        let path = Draft::new(Path::new(&given.text), PREFIX).map_err(wrong)?.path().to_owned();
        Ok(Self { path, draft: None })
    }

    fn begin(&mut self) -> Result<()> {
        self.draft = Some(Draft::new(&self.path, PREFIX)?);
        Ok(())
    }

    fn finish(self, content: &str) -> Result<PathBuf> {
        match self.draft {
            Some(draft) => draft.finish(content),
            None => Draft::new(&self.path, PREFIX)?.finish(content),
        }
    }
}

/// The outputs of the GitHub Action.
fn outputs(grant: &Grant, token_file: String, refresh_token: bool) -> Vec<(&'static str, String)> {
    let text = |value: Option<String>| value.unwrap_or_default();
    let secret = |secret: &Option<crate::redact::Secret>| text(secret.as_ref().map(|secret| secret.expose().to_owned()));
    let mut outputs = vec![
        ("access-token", grant.access_token.expose().to_owned()),
        ("reference-token", secret(&grant.reference_token)),
        ("token-id", grant.token_id.clone()),
        ("username", text(grant.username())),
        ("scope", grant.scope.clone()),
        ("expires-at", text(grant.expires_at().map(rfc3339))),
        ("expires-in", text(grant.expires_in.map(|life| life.to_string()))),
        ("token-file", token_file),
    ];
    if refresh_token {
        outputs.push(("refresh-token", secret(&grant.refresh_token)));
    }
    outputs
}

fn variable(given: Given, ci: &dyn Ci) -> Result<String> {
    let name = given.text.as_str();
    if name.starts_with(|c: char| c.is_ascii_digit()) || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(given.wrong("that can't be the name of a variable", "Use letters, digits and underscores, no digit first."));
    }
    ci.check_variable(name).map_err(|error| given.wrong(&error, error.next()))?;
    Ok(given.text)
}
