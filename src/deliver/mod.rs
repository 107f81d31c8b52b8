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
use crate::inputs::{Given, Inputs};
use crate::session::{Content, Held, WrittenFile, remove_all};

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
/// More than a file with all three tokens has.
const ROOM: usize = 8 << 10;

impl Delivery {
    /// Reads and checks the inputs that say where the token is to go.
    ///
    /// # Errors
    /// When one is wrong, or what it names can't be written.
    pub fn prepare(inputs: &Inputs, ci: &dyn Ci) -> Result<Self> {
        let format = inputs.word(&FORMAT, &Format::WORDS)?;
        let env_var = inputs.text(&ENV_VAR)?.map(variable).transpose()?;
        if let Some(given) = &env_var {
            ci.check_variable(&given.text).map_err(|error| given.wrong(&error, error.next()))?;
        }
        ci.check()?;
        let files = Self::files_only(inputs)?;
        let env_var = env_var.map(|given| given.text);
        Ok(Self { format: format.or((!ci.is_ci()).then_some(Format::Json)), env_var, ..files })
    }

    /// Reads and checks the inputs that name files.
    ///
    /// # Errors
    /// When one is wrong, or what it names can't be written.
    pub fn files_only(inputs: &Inputs) -> Result<Self> {
        let planned = |option| inputs.text(option)?.as_ref().map(Planned::new).transpose();
        let (output_file, token_file) = (planned(&OUTPUT_FILE)?, planned(&TOKEN_FILE)?);
        if let (Some(output), Some(token)) = (&output_file, &token_file)
            && output.path == token.path
        {
            return Err(Error::input("--token-file and --output-file name the same file", "Give each its own."));
        }
        let refresh_token = inputs.switch(&OUTPUT_REFRESH_TOKEN)?;
        Ok(Self { format: None, output_file, token_file, env_var: None, refresh_token })
    }

    /// The files that will hold a token.
    pub fn files(&self) -> Vec<WrittenFile> {
        let planned = [(&self.output_file, self.env_content()), (&self.token_file, Content::Token)];
        planned.into_iter().filter_map(|(planned, content)| Some(WrittenFile { path: planned.as_ref()?.path.clone(), content })).collect()
    }

    /// The variable for later steps.
    #[must_use]
    pub fn variable(&self) -> Option<&String> {
        self.env_var.as_ref()
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
    pub fn deliver(self, held: &Held, session: Option<&str>, ci: &dyn Ci, print: impl FnOnce() -> Result<()>) -> Result<Vec<Place>> {
        let mut files = Vec::new();
        let places = self.put(held, session, ci, print, &mut files);
        if places.is_err() {
            remove_all(&files);
        }
        places
    }

    fn put(
        self,
        held: &Held,
        session: Option<&str>,
        ci: &dyn Ci,
        print: impl FnOnce() -> Result<()>,
        files: &mut Vec<PathBuf>,
    ) -> Result<Vec<Place>> {
        let Held { grant, .. } = held;
        let token_path = self.token_file.as_ref().map(|planned| planned.path.display().to_string()).unwrap_or_default();
        let (variable, refresh_token) = (self.env_var.clone(), self.refresh_token);
        self.put_files(held, files)?;
        print()?;
        let mut places: Vec<Place> = files.iter().cloned().map(Place::File).collect();
        if ci.set_outputs(&outputs(grant, token_path, session, refresh_token))? {
            places.insert(0, Place::Outputs);
        }
        if let Some(name) = variable {
            ci.set_variable(&name, grant.access_token.expose())?;
            places.insert(0, Place::Variable(name));
        }
        Ok(places)
    }
}

impl Delivery {
    /// Only writes the files.
    ///
    /// # Errors
    /// When one can't be written; then none is left.
    pub fn finish_files(self, held: &Held) -> Result<()> {
        let mut files = Vec::new();
        let put = self.put_files(held, &mut files);
        if put.is_err() {
            remove_all(&files);
        }
        put
    }

    fn put_files(self, held: &Held, files: &mut Vec<PathBuf>) -> Result<()> {
        let env = self.env_content();
        for (planned, content) in [(self.token_file, Content::Token), (self.output_file, env)] {
            if let Some(planned) = planned {
                files.push(planned.finish(&content_of(content, held)?)?);
            }
        }
        Ok(())
    }

    fn env_content(&self) -> Content {
        if self.refresh_token { Content::EnvAndRefreshToken } else { Content::Env }
    }
}

fn content_of(content: Content, held: &Held) -> Result<zeroize::Zeroizing<String>> {
    match content {
        Content::Token => Ok(zeroize::Zeroizing::new(held.grant.access_token.expose().to_owned())),
        Content::Env => format::dotenv(&held.grant, &held.platform, false),
        Content::EnvAndRefreshToken => format::dotenv(&held.grant, &held.platform, true),
    }
}

/// Writes a file again that holds a token of this session, if its content is another.
///
/// # Errors
/// When it can't be written; what was there stays.
pub fn rewrite(file: &WrittenFile, held: &Held) -> Result<()> {
    let content = content_of(file.content, held)?;
    if std::fs::read(&file.path).is_ok_and(|there| *zeroize::Zeroizing::new(there) == *content.as_bytes()) {
        return Ok(());
    }
    Draft::new(&file.path, PREFIX)?.finish(&content).map(drop)
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
        self.draft = Some(Draft::new(&self.path, PREFIX)?.reserve(ROOM)?);
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
fn outputs(grant: &Grant, token_file: String, session: Option<&str>, refresh_token: bool) -> Vec<(&'static str, String)> {
    let text = |value: Option<String>| value.unwrap_or_default();
    let secret = |secret: &Option<redact::Secret>| text(secret.as_ref().map(|secret| secret.expose().to_owned()));
    let mut outputs = vec![
        ("access-token", grant.access_token.expose().to_owned()),
        ("reference-token", secret(&grant.reference_token)),
        ("token-id", grant.token_id.clone()),
        ("username", text(grant.username())),
        ("scope", grant.scope.clone()),
        ("expires-at", text(grant.expires_at().map(rfc3339))),
        ("expires-in", text(grant.expires_in.map(|life| life.to_string()))),
        ("token-file", token_file),
        ("session", session.unwrap_or_default().to_owned()),
    ];
    if refresh_token {
        outputs.push(("refresh-token", secret(&grant.refresh_token)));
    }
    outputs
}

/// The name of a variable.
///
/// # Errors
/// When no shell could read one of that name.
pub fn variable(given: Given) -> Result<Given> {
    let name = given.text.as_str();
    if name.starts_with(|c: char| c.is_ascii_digit()) || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(given.wrong("that can't be the name of a variable", "Use letters, digits and underscores, no digit first."));
    }
    Ok(given)
}
