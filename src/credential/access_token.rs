//! An access token or a reference token as the credential: given as a value, in a file, or on standard input.

use std::io::Read;
use std::pin::Pin;

use redact::Secret;
use zeroize::Zeroizing;

use super::{Credential, CredentialSource, Issuing};
use crate::api::TokenRequest;
use crate::error::Result;
use crate::options::{CredentialOptions, InputValue, shown};

/// Longer than any token, in bytes.
const LONGEST: u64 = 1 << 16;

struct AccessToken(Secret);

impl CredentialSource for AccessToken {
    fn secret(&self) -> &Secret {
        &self.0
    }

    fn authenticate(&self) -> Pin<Box<dyn Future<Output = Result<Secret>> + '_>> {
        Box::pin(std::future::ready(Ok(self.0.clone())))
    }

    fn issuing(&self, wanted: TokenRequest) -> Issuing {
        Issuing::Mint(wanted)
    }
}

/// Finds the token that the options give, if any.
///
/// # Errors
/// Fails if two sources of the same precedence give one, if it can't be read, or if it can't be a token.
pub fn find(options: &CredentialOptions, stdin: &mut dyn Read) -> Result<Option<Credential>> {
    let mut given: Vec<_> =
        [(&options.access_token, Place::Value), (&options.access_token_file, Place::File), (&options.access_token_stdin, Place::Stdin)]
            .into_iter()
            .filter_map(|(given, place)| given.as_ref().map(|given| (given, place)))
            .collect();
    given.sort_by_key(|(given, _)| given.source.rank());
    let Some((first, place)) = given.first() else { return Ok(None) };
    if let Some((second, _)) = given.get(1)
        && second.source.rank() == first.source.rank()
    {
        return Err(first.wrong(format!("{} gives a credential too", second.source), "Give one of them."));
    }
    let text = place.read(first, stdin)?;
    if text.trim_start().starts_with('$') {
        let help = "Is it set for this job, branch and environment?";
        return Err(first.wrong("this is the name of a variable that was not replaced by its value", help));
    }
    let secret =
        Secret::new(&text).map_err(|why| first.wrong(format!("the token {why}"), "Give one whole access token, or reference token."))?;
    if secret.expose().starts_with("AKCp") {
        return Err(first.wrong("that is an API key", "An API key can't create tokens: give an access token."));
    }
    Ok(Some(Credential { from: Box::new(AccessToken(secret)), source: first.source.clone() }))
}

/// Where a token is.
#[derive(Clone, Copy)]
enum Place {
    Value,
    File,
    Stdin,
}

impl Place {
    fn read(self, given: &InputValue, stdin: &mut dyn Read) -> Result<Zeroizing<String>> {
        let mut bytes = Zeroizing::new(Vec::new());
        let read = match self {
            Place::Value => return Ok(Zeroizing::new(given.text.clone())),
            Place::File => std::fs::File::open(&given.text).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes)),
            Place::Stdin => stdin.take(LONGEST).read_to_end(&mut bytes),
        };
        let place = if matches!(self, Place::File) { shown(&given.text) } else { "standard input".into() };
        read.map_err(|error| {
            given.wrong(format!("can't read {place}: {error}"), "Name a file that holds the access token and nothing else.")
        })?;
        String::from_utf8(std::mem::take(&mut *bytes))
            .map(Zeroizing::new)
            .map_err(|_| given.wrong(format!("{place} holds no text"), "It must hold the access token and nothing else."))
    }
}
