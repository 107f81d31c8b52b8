use serde::Serialize;
use zeroize::Zeroizing;

use crate::access::Grant;
use crate::clock::rfc3339;
use crate::error::{Error, Kind, Result};
use crate::inputs::PlatformUrl;
use crate::redact::Secret;

/// What standard output gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The platform's answer as jf prints it, with `username` and `expires_at`.
    Json,
    /// The bare access token.
    Token,
    /// `NAME=VALUE` lines.
    Env,
    /// `export NAME='VALUE'` lines.
    Shell,
    /// The `Authorization` header.
    Header,
    /// The bare reference token.
    Reference,
    /// Nothing.
    None,
}

impl Format {
    /// Every format and its name.
    pub const WORDS: [(&str, Format); 7] = [
        ("json", Format::Json),
        ("token", Format::Token),
        ("env", Format::Env),
        ("shell", Format::Shell),
        ("header", Format::Header),
        ("reference", Format::Reference),
        ("none", Format::None),
    ];

    /// So many of them print something: all but the last.
    pub const PRINTED: usize = Self::WORDS.len() - 1;

    /// The text for standard output.
    ///
    /// # Errors
    /// As the dotenv form, and when there is no reference token.
    pub fn print(self, grant: &Grant, platform: &PlatformUrl, refresh_token: bool) -> Result<Zeroizing<String>> {
        Ok(match self {
            Format::Json => json(grant),
            Format::Token => line("", &grant.access_token),
            Format::Header => line("Authorization: Bearer ", &grant.access_token),
            Format::Reference => line("", grant.reference_token.as_ref().ok_or_else(no_reference_token)?),
            Format::Env => dotenv(grant, platform, refresh_token)?,
            Format::Shell => shell(grant, platform, refresh_token),
            Format::None => String::new().into(),
        })
    }
}

fn line(before: &str, secret: &Secret) -> Zeroizing<String> {
    format!("{before}{}\n", secret.expose()).into()
}

fn no_reference_token() -> Error {
    Error::new(Kind::Local, "there is no reference token", "Ask for one when the token is minted: --reference.")
}

/// The order of jf's own output.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    access_token: &'a Secret,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a Secret>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference_token: Option<&'a Secret>,
    #[serde(skip_serializing_if = "str::is_empty")]
    token_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    token_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

fn json(grant: &Grant) -> Zeroizing<String> {
    let printed = Printed {
        scope: &grant.scope,
        access_token: &grant.access_token,
        expires_in: grant.expires_in,
        refresh_token: grant.refresh_token.as_ref(),
        reference_token: grant.reference_token.as_ref(),
        token_type: &grant.token_type,
        token_id: &grant.token_id,
        username: grant.username(),
        expires_at: grant.expires_at().map(rfc3339),
    };
    Zeroizing::new(serde_json::to_string_pretty(&printed).unwrap_or_default() + "\n")
}

/// Lines that every reader of such files takes the same way, which rules quotes out: a value that would need them
/// (a user name that is any text) is left out.
///
/// # Errors
/// When the token itself, or the platform's URL, would need quotes.
pub(super) fn dotenv(grant: &Grant, platform: &PlatformUrl, refresh_token: bool) -> Result<Zeroizing<String>> {
    let plain = |value: &str| value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/@+=%,".contains(&b));
    if !plain(grant.access_token.expose()) || !plain(platform.as_str()) {
        let what = "the token or the platform's URL holds a character that NAME=VALUE lines can't";
        return Err(Error::new(Kind::Local, what, "Use --format shell, --format json or --token-file."));
    }
    Ok(lines(grant, platform, refresh_token, |name, value| if plain(value) { format!("{name}={value}\n") } else { String::new() }))
}

fn shell(grant: &Grant, platform: &PlatformUrl, refresh_token: bool) -> Zeroizing<String> {
    lines(grant, platform, refresh_token, |name, value| format!("export {name}='{}'\n", value.replace('\'', r"'\''")))
}

fn lines(grant: &Grant, platform: &PlatformUrl, refresh_token: bool, line: impl Fn(&str, &str) -> String) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    let mut add = |name: &str, value: Option<&str>| {
        text.push_str(&value.filter(|value| !value.is_empty()).map(|value| line(name, value)).unwrap_or_default());
    };
    add("JF_URL", Some(platform.as_str()));
    add("JF_USER", grant.username().as_deref());
    add("JF_ACCESS_TOKEN", Some(grant.access_token.expose()));
    add("JF_ACCESS_TOKEN_ID", Some(&grant.token_id));
    add("JF_ACCESS_TOKEN_EXPIRES_AT", grant.expires_at().map(rfc3339).as_deref());
    add("JF_REFERENCE_TOKEN", grant.reference_token.as_ref().map(Secret::expose));
    add("JF_REFRESH_TOKEN", grant.refresh_token.as_ref().filter(|_| refresh_token).map(Secret::expose));
    text
}
