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
    output_file: Option<Draft>,
    token_file: Option<Draft>,
    env_var: Option<String>,
    /// Whether the refresh token is handed over too.
    pub refresh_token: bool,
}

/// What was handed over.
pub struct Delivered {
    /// Where it went, for people.
    pub places: Vec<Place>,
    /// The files that were written.
    pub files: Vec<PathBuf>,
}

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
        let draft = |option| match inputs.text(option)? {
            None => Ok(None),
            Some(given) => Draft::new(Path::new(&given.text), ".jf-token-")
                .map(Some)
                .map_err(|error| Error::input(format!("{}: {error}", given.source), error.next())),
        };
        let (output_file, token_file) = (draft(&OUTPUT_FILE)?, draft(&TOKEN_FILE)?);
        if let (Some(output), Some(token)) = (&output_file, &token_file)
            && output.path() == token.path()
        {
            return Err(Error::input("--token-file and --output-file name the same file", "Give each its own."));
        }
        Ok(Self { format: format.or((!ci.is_ci()).then_some(Format::Json)), output_file, token_file, env_var, refresh_token })
    }

    /// The files that will hold a token.
    pub fn files(&self) -> impl Iterator<Item = PathBuf> {
        [&self.output_file, &self.token_file].into_iter().flatten().map(|draft| draft.path().to_owned())
    }

    /// Whether anything at all would get the token.
    #[must_use]
    pub fn goes_nowhere(&self) -> bool {
        self.format == Some(Format::None) && self.output_file.is_none() && self.token_file.is_none()
    }

    /// Hands the token to all but standard output: files first, then later steps, then outputs.
    ///
    /// # Errors
    /// When one of them can't be written; then none of the files is left.
    pub fn deliver(self, grant: &Grant, platform: &PlatformUrl, ci: &dyn Ci) -> Result<Delivered> {
        let mut files = Vec::new();
        let done = self.put(grant, platform, ci, &mut files);
        match done {
            Ok(places) => Ok(Delivered { places, files }),
            Err(error) => {
                remove_all(&files);
                Err(error)
            }
        }
    }

    fn put(self, grant: &Grant, platform: &PlatformUrl, ci: &dyn Ci, files: &mut Vec<PathBuf>) -> Result<Vec<Place>> {
        let mut token_path = String::new();
        if let Some(draft) = self.token_file {
            token_path = draft.path().display().to_string();
            files.push(draft.finish(grant.access_token.expose())?);
        }
        if let Some(draft) = self.output_file {
            files.push(draft.finish(&format::dotenv(grant, platform, self.refresh_token))?);
        }
        let mut places: Vec<Place> = files.iter().cloned().map(Place::File).collect();
        if let Some(name) = self.env_var {
            ci.set_variable(&name, grant.access_token.expose())?;
            places.push(Place::Variable(name));
        }
        if ci.set_outputs(&outputs(grant, token_path, self.refresh_token))? {
            places.insert(0, Place::Outputs);
        }
        Ok(places)
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
