use std::fmt::Write;

use redact::{Secret, one_line};
use serde::Serialize;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use crate::api::{IssuedToken, PlatformUrl};
use crate::error::{Error, Kind, Result};
use crate::io::clock::Timestamp;
use crate::io::{harmless_json, without_commands};
use crate::options::Format;

/// The text for standard output.
///
/// # Errors
/// Fails if the token can't be written as `NAME=VALUE` lines, or if there is no reference token to print.
pub fn print(format: Format, token: &IssuedToken, platform: &PlatformUrl, refresh_token: bool) -> Result<Zeroizing<String>> {
    Ok(match format {
        Format::Json => json(token, refresh_token),
        Format::Token => line("", &token.access_token),
        Format::Header => line("Authorization: Bearer ", &token.access_token),
        Format::Reference => line("", token.reference_token.as_ref().ok_or_else(no_reference_token)?),
        Format::Env => dotenv(token, platform, refresh_token)?,
        Format::Shell => shell(token, platform, refresh_token),
        Format::PowerShell => powershell(token, platform, refresh_token),
        Format::Table => table(rows(token)).into(),
        Format::None | Format::Terraform => String::new().into(),
    })
}

fn line(before: &str, secret: &Secret) -> Zeroizing<String> {
    format!("{before}{}\n", secret.expose()).into()
}

fn no_reference_token() -> Error {
    Error::new(Kind::Local, "there is no reference token", "Ask for one when the token is minted: --reference.")
}

/// In the order of jf's own output; the fields that jf does not have come last.
#[derive(Serialize)]
struct Printed<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    access_token: &'a Secret,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_in: Option<u64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    token_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refreshable: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a Secret>,
    #[serde(skip_serializing_if = "str::is_empty")]
    grant_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    audience: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference_token: Option<&'a Secret>,
    #[serde(skip_serializing_if = "str::is_empty")]
    token_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<String>,
}

fn json(token: &IssuedToken, refresh_token: bool) -> Zeroizing<String> {
    let printed = Printed {
        scope: &token.scope,
        access_token: &token.access_token,
        expires_in: token.expires_in.map(|life| life.as_secs()),
        token_type: &token.token_type,
        refreshable: token.refreshable,
        refresh_token: token.refresh_token.as_ref().filter(|_| refresh_token),
        grant_type: &token.grant_type,
        audience: &token.audience,
        reference_token: token.reference_token.as_ref(),
        token_id: &token.token_id,
        username: token.username(),
        expires_at: token.expires_at().and_then(Timestamp::rfc3339),
    };
    Zeroizing::new(pretty(&printed))
}

/// JSON of what others have said, such as the name of a branch: nothing in it is a command to a CI.
#[must_use]
pub fn pretty(value: &impl Serialize) -> String {
    harmless_json(&Zeroizing::new(serde_json::to_string_pretty(value).unwrap_or_default())) + "\n"
}

/// An object with these fields. `json!` takes more of the program, and so does what sorts them first.
#[must_use]
pub fn object(fields: impl IntoIterator<Item = (impl Into<String>, Value)>) -> Value {
    let mut object = Map::new();
    for (name, value) in fields {
        object.insert(name.into(), value);
    }
    object.into()
}

/// Lines with a name and a value, for people. A name without a value is left out.
#[must_use]
pub fn table(rows: Vec<(String, Option<String>)>) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    rows.into_iter()
        .filter_map(|(name, value)| Some(without_commands(&one_line(&format!("{name:<width$}  {}", value?))).into_owned() + "\n"))
        .collect()
}

/// How many characters of a token to show: they are the same for all access tokens.
const SHOWN: usize = 10;

fn rows(token: &IssuedToken) -> Vec<(String, Option<String>)> {
    let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let cut = |secret: &Secret| secret.expose().chars().take(SHOWN).chain(['…']).collect();
    let after = || "after the year 9999".to_owned();
    let end = token.expires_at().map_or_else(|| "never".into(), |end| end.rfc3339().unwrap_or_else(after));
    let rows = [
        ("user", token.username()),
        ("scope", text(&token.scope)),
        ("access token", Some(cut(&token.access_token))),
        ("reference token", token.reference_token.as_ref().map(cut)),
        ("token id", text(&token.token_id)),
        ("ends", Some(end)),
    ];
    rows.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The variable that holds the access token.
pub(super) const TOKEN: &str = "JF_ACCESS_TOKEN";

/// The variable that holds its id.
pub const TOKEN_ID: &str = "JF_ACCESS_TOKEN_ID";

/// The variables of `NAME=VALUE` lines, in their order.
pub(super) const NAMES: [&str; 7] =
    ["JF_URL", "JF_USER", TOKEN, TOKEN_ID, "JF_ACCESS_TOKEN_EXPIRES_AT", "JF_REFERENCE_TOKEN", "JF_REFRESH_TOKEN"];

/// What to print for whatever runs the output if there is no token: it must not go on with another one under the same name.
#[must_use]
pub fn script_of_a_failure(format: Format) -> Option<&'static str> {
    match format {
        Format::Shell => Some("unset JF_ACCESS_TOKEN\nfalse\n"),
        Format::PowerShell => Some("$env:JF_ACCESS_TOKEN = $null\nthrow 'jf-token gave no token'\n"),
        _ => None,
    }
}

/// `NAME=VALUE` lines without quotes, because not all readers of such files treat quotes alike. An optional value that would need them,
/// such as a user name with a space, is left out.
///
/// # Errors
/// Fails if the token or the platform's URL would need quotes.
pub(super) fn dotenv(token: &IssuedToken, platform: &PlatformUrl, refresh_token: bool) -> Result<Zeroizing<String>> {
    if !plain(token.access_token.expose()) || !plain(platform.as_str()) {
        let what = "the token or the platform's URL holds a character that NAME=VALUE lines can't";
        return Err(Error::new(Kind::Local, what, "Use --format=shell, --format=json or --token-file."));
    }
    Ok(lines(token, platform, refresh_token, |name, value| if plain(value) { format!("{name}={value}\n") } else { String::new() }))
}

/// What to say of variables that `NAME=VALUE` lines leave out, because their values would need quotes.
#[must_use]
pub fn left_out(token: &IssuedToken, platform: &PlatformUrl, refresh_token: bool) -> Option<String> {
    let lines = lines(token, platform, refresh_token, |name, value| if plain(value) { String::new() } else { format!("{name}\n") });
    let names: Vec<_> = lines.lines().collect();
    (!names.is_empty()).then(|| format!("{} would need quotes, and is left out of the NAME=VALUE lines", names.join(", ")))
}

/// Whether every reader of such files takes it as it is. zsh reads `=ls`, at the start or behind a colon, as the path of `ls`.
pub(super) fn plain(value: &str) -> bool {
    let is_path = value.starts_with('=') || value.contains(":=");
    !is_path && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:/@+=%,".contains(&b))
}

fn shell(token: &IssuedToken, platform: &PlatformUrl, refresh_token: bool) -> Zeroizing<String> {
    lines(token, platform, refresh_token, |name, value| format!("export {name}='{}'\n", in_shell(value)))
}

/// What is between single quotes. A runner would take `##[…]` for a command anywhere in a line, and `::` where one begins.
fn in_shell(value: &str) -> String {
    value.chars().fold(String::new(), |text, c| match c {
        '\'' => text + r"'\''",
        '#' if text.ends_with('#') => text + "''#",
        '\n' => text + "\n''",
        c => text + c.encode_utf8(&mut [0; 4]),
    })
}

fn powershell(token: &IssuedToken, platform: &PlatformUrl, refresh_token: bool) -> Zeroizing<String> {
    lines(token, platform, refresh_token, |name, value| format!("$env:{name} = {}\n", in_powershell(value)))
}

/// A string of PowerShell. It must be ASCII: PowerShell reads the output in the code page of the console, where some other letter's byte is
/// U+2018 or U+2019. To PowerShell these are apostrophes too, and would end the string.
fn in_powershell(value: &str) -> String {
    let mut text = String::from("'");
    for unit in value.encode_utf16() {
        match u8::try_from(unit) {
            Ok(b'\'') => text.push_str("''"),
            Ok(b'#') if text.ends_with('#') => text.push_str("'+'#"),
            Ok(byte @ b' '..=b'~') => text.push(byte.into()),
            _ => {
                let _ = write!(text, "'+[char]{unit}+'");
            }
        }
    }
    text + "'"
}

fn lines(token: &IssuedToken, platform: &PlatformUrl, refresh_token: bool, line: impl Fn(&str, &str) -> String) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::new());
    let mut add = |name: &str, value: Option<&str>| {
        text.push_str(&value.filter(|value| !value.is_empty()).map(|value| line(name, value)).unwrap_or_default());
    };
    let [url, user, access_token, id, end, reference_token, refreshing] = NAMES;
    add(url, Some(platform.as_str()));
    add(user, token.username().as_deref());
    add(access_token, Some(token.access_token.expose()));
    add(id, Some(&token.token_id));
    add(end, token.expires_at().and_then(Timestamp::rfc3339).as_deref());
    add(reference_token, token.reference_token.as_ref().map(Secret::expose));
    add(refreshing, token.refresh_token.as_ref().filter(|_| refresh_token).map(Secret::expose));
    text
}
