//! An access token or a reference token as the credential: given as a value, in a file, or on standard input.

use redact::Secret;

use super::reading::{read_file, read_stdin, token};
use super::{Asked, Asking, Credential, CredentialPlace, CredentialSource, KindOfCredential};
use crate::api::{Auth, PlatformUrl};
use crate::error::Result;
use crate::options::table::{ACCESS_TOKEN, ACCESS_TOKEN_FILE, ACCESS_TOKEN_STDIN, OURS};
use crate::options::{InputValue, Source};

pub const KIND: KindOfCredential = KindOfCredential {
    name: "an access token",
    named_by: &[&ACCESS_TOKEN, &ACCESS_TOKEN_FILE, &ACCESS_TOKEN_STDIN],
    details: &[],
    unnamed: super::never,
    brings_platform: false,
    find,
};

struct AccessToken(Secret);

impl CredentialSource for AccessToken {
    fn secrets(&self) -> Vec<&Secret> {
        vec![&self.0]
    }

    fn token(&self) -> Option<&Secret> {
        Some(&self.0)
    }

    fn authenticate<'a>(&'a self, _platform: &'a PlatformUrl, _asking: &'a Asking<'a>) -> Asked<'a, Auth> {
        Box::pin(std::future::ready(Ok(Auth::Bearer(self.0.clone()))))
    }

    fn for_keeper(&self) -> Option<(&'static str, &str)> {
        Some(("--access-token-stdin", self.0.expose()))
    }
}

/// Reads the token.
///
/// # Errors
/// Fails if two sources of the same precedence give one, if it can't be read, or if it can't be a token.
fn find(place: &mut CredentialPlace) -> Result<Credential> {
    let options = &place.options.credential;
    let given = || KIND.named_by.iter().filter_map(|option| Some((options.get(option)?, *option)));
    // Among variables, ours was meant for us.
    let is_foreign = |given: &InputValue| matches!(&given.source, Source::Variable(name) if !name.starts_with(OURS));
    let rank = |given: &InputValue| (given.source.rank(), is_foreign(given));
    let Some((first, option)) = given().min_by_key(|(given, _)| rank(given)) else { return Err(super::report::none(place)) };
    if let Some((second, _)) = given().find(|(second, other)| other.name != option.name && rank(second) == rank(first)) {
        return Err(first.wrong(format!("{} gives a credential too", second.source), "Give one of them."));
    }
    let text = match option.name {
        name if name == ACCESS_TOKEN_FILE.name => read_file(first, "access token")?,
        name if name == ACCESS_TOKEN_STDIN.name => read_stdin(first, place.stdin, "access token")?,
        _ => first.text.clone().into(),
    };
    let secret = token(first, &text, "the token", "Give one whole access token, or reference token.")?;
    if secret.expose().starts_with("AKCp") {
        return Err(first.wrong("that is an API key", "An API key can't create tokens: give an access token."));
    }
    Ok(Credential { from: Box::new(AccessToken(secret)), kind: &KIND, source: first.source.clone() })
}
