//! What jf writes: its file of servers (as seen in files of jf 2.121), and what `jf c export` prints.

use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::api::claims;
use crate::io::text_of;
use crate::options::shown;

/// Longer than any file of jf's, in bytes.
pub const LONGEST: u64 = 1 << 20;
/// The versions of the file that are known here. Both have the same keys, as far as these are read.
const VERSIONS: [&str; 2] = ["6", "5"];
/// The version of an export that is known here.
const EXPORT_VERSION: &str = "2";

/// A text that is wiped: it may be a secret.
type Text = Zeroizing<String>;

/// A server.
#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Its name.
    #[serde(default)]
    pub server_id: String,
    /// The platform's address.
    #[serde(default, deserialize_with = "filled")]
    pub url: Option<Text>,
    /// The token's user.
    #[serde(default, deserialize_with = "filled")]
    pub user: Option<Text>,
    /// A password.
    #[serde(default, deserialize_with = "filled")]
    pub password: Option<Text>,
    /// The access token.
    pub access_token: Option<Text>,
    /// The refresh token of the access token.
    #[serde(default, deserialize_with = "filled")]
    pub refresh_token: Option<Text>,
    /// The refresh token of an Artifactory token.
    #[serde(default, deserialize_with = "filled")]
    pub artifactory_refresh_token: Option<Text>,
    /// An SSH key.
    #[serde(default, deserialize_with = "filled")]
    pub ssh_key_path: Option<Text>,
    /// A client certificate.
    #[serde(default, deserialize_with = "filled")]
    pub client_cert_path: Option<Text>,
    /// Its key.
    #[serde(default, deserialize_with = "filled")]
    pub client_cert_key_path: Option<Text>,
    /// Whether it is meant where none is named.
    #[serde(default)]
    pub is_default: bool,
}

impl Entry {
    /// The files of a client certificate and its key.
    pub fn client_certificate(&self) -> Option<(PathBuf, PathBuf)> {
        Some((self.client_cert_path.as_deref()?.into(), self.client_cert_key_path.as_deref()?.into()))
    }
}

fn filled<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Text>, D::Error> {
    Ok(Option::<Text>::deserialize(deserializer)?.filter(|text| !text.trim().is_empty()))
}

/// jf's file.
#[derive(Deserialize)]
pub struct File {
    /// The servers.
    pub servers: Option<Vec<Entry>>,
    /// Whether their secrets are encrypted.
    #[serde(default)]
    pub enc: bool,
}

#[derive(Deserialize)]
struct Version {
    #[serde(default)]
    version: Value,
}

fn version_of(text: &str) -> serde_json::Result<String> {
    serde_json::from_str(text).map(|Version { version }| claims::text(&version))
}

/// Reads jf's file. An error is what is wrong, in words that follow the file's name, and what would be right.
pub fn parse_file(bytes: &[u8]) -> Result<File, (String, &'static str)> {
    let repair = "Does jf c show read it? If not, it has to be written anew by jf c add.";
    let text = text_of(bytes).ok_or_else(|| ("holds no text".to_owned(), repair))?;
    let version = version_of(&text).map_err(|error| (broken(&error), repair))?;
    if !VERSIONS.contains(&version.as_str()) {
        let help = "Give the token by JF_ACCESS_TOKEN, or the server by what jf c export prints, in a variable JF_ENV_….";
        return Err((format!("is of version {}, and only 5 and 6 are known here", shown(&version)), help));
    }
    serde_json::from_str(&text).map_err(|error| (broken(&error), repair))
}

/// Reads what `jf c export` printed. An error is what is wrong with it.
pub fn parse_export(text: &str) -> Result<Entry, String> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| "is not base64".to_owned())?);
    let what = |error: serde_json::Error| format!("holds what {}", broken(&error));
    let text = text_of(&bytes).ok_or_else(|| "holds no text".to_owned())?;
    let version = version_of(&text).map_err(what)?;
    if version != EXPORT_VERSION {
        return Err(format!("is an export of version {}, and only {EXPORT_VERSION} is known here", shown(&version)));
    }
    serde_json::from_str(&text).map_err(what)
}

/// Where it is broken. The parser's own words could show a secret.
fn broken(error: &serde_json::Error) -> String {
    let what = if error.is_data() { "is not as jf writes it" } else { "is not valid JSON" };
    format!("{what} (line {}, column {})", error.line(), error.column())
}
