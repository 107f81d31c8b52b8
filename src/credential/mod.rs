//! What proves who the job is. For now an access token, from where the inputs say.

use std::io::Read;

use zeroize::Zeroizing;

use crate::error::{Error, Kind, Result};
use crate::inputs::options::{ACCESS_TOKEN, ACCESS_TOKEN_FILE, ACCESS_TOKEN_STDIN, PASSWORD, USER};
use crate::inputs::{Given, Inputs, Source};
use crate::redact::Secret;

/// More than any token has.
const LONGEST: u64 = 1 << 16;

/// A credential, and where it came from.
#[derive(Clone)]
pub struct Found {
    /// The token.
    pub secret: Secret,
    /// The input it came from.
    pub source: Source,
    /// It came by standard input, which can't be read again.
    pub piped: bool,
}

impl Found {
    /// Whether a flag gave it.
    #[must_use]
    pub fn is_on_argument_list(&self) -> bool {
        self.source == Source::Flag(format!("--{}", ACCESS_TOKEN.name))
    }
}

/// The access token that the inputs give, if they give one.
///
/// # Errors
/// When two inputs of the same kind give one, or what is given can't be a token.
pub fn find(inputs: &Inputs, stdin: &mut dyn Read) -> Result<Option<Found>> {
    let wants_stdin = inputs.switch(&ACCESS_TOKEN_STDIN)?;
    let from_stdin = inputs.text(&ACCESS_TOKEN_STDIN)?.filter(|_| wants_stdin);
    let mut given: Vec<_> =
        [(inputs.text(&ACCESS_TOKEN)?, Way::Value), (inputs.text(&ACCESS_TOKEN_FILE)?, Way::File), (from_stdin, Way::Stdin)]
            .into_iter()
            .filter_map(|(given, way)| given.map(|given| (given, way)))
            .collect();
    given.sort_unstable_by_key(|(given, _)| given.source.rank());
    let Some((first, way)) = given.first() else { return Ok(None) };
    if let Some((second, _)) = given.get(1)
        && second.source.rank() == first.source.rank()
    {
        return Err(first.wrong(format!("{} gives a credential too", second.source), "Give one of them."));
    }
    let text = way.read(first, stdin)?;
    if text.trim_start().starts_with('$') {
        let next = "Is it set for this job, branch and environment?";
        return Err(first.wrong("that is the name of a variable, which nothing has filled in", next));
    }
    let secret =
        Secret::new(&text).map_err(|why| first.wrong(format!("the token {why}"), "Give one whole access token, or reference token."))?;
    if secret.expose().starts_with("AKCp") {
        return Err(first.wrong("that is an API key", "An API key can't create tokens: give an access token."));
    }
    Ok(Some(Found { secret, source: first.source.clone(), piped: matches!(way, Way::Stdin) }))
}

/// There is none: what to do. A user and password are refused with jf's own reason.
///
/// # Errors
/// When an input is not UTF-8.
pub fn missing(inputs: &Inputs) -> Result<Error> {
    let instead = "Give an access token of the platform by JF_ACCESS_TOKEN, the action's input access-token, --access-token-file or --access-token-stdin.";
    match inputs.text(&PASSWORD)?.or(inputs.text(&USER)?) {
        Some(given) => {
            let what = format!("{}: authenticating with access token is currently mandatory for creating access tokens", given.source);
            Ok(Error::new(Kind::NoCredential, what, instead))
        }
        None => Ok(Error::new(Kind::NoCredential, "there is no credential", instead)),
    }
}

#[derive(Clone, Copy)]
enum Way {
    Value,
    File,
    Stdin,
}

impl Way {
    fn read(self, given: &Given, stdin: &mut dyn Read) -> Result<Zeroizing<String>> {
        let mut bytes = Zeroizing::new(Vec::new());
        let read = match self {
            Way::Value => return Ok(Zeroizing::new(given.text.clone())),
            Way::File => std::fs::File::open(&given.text).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes)),
            Way::Stdin => stdin.take(LONGEST).read_to_end(&mut bytes),
        };
        let place = if matches!(self, Way::File) { crate::inputs::shown(&given.text) } else { "standard input".into() };
        read.map_err(|error| {
            given.wrong(format!("can't read {place}: {error}"), "Name a file that holds the access token and nothing else.")
        })?;
        String::from_utf8(std::mem::take(&mut *bytes))
            .map(Zeroizing::new)
            .map_err(|_| given.wrong(format!("{place} holds no text"), "It must hold the access token and nothing else."))
    }
}
