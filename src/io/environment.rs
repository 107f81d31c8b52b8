//! The environment variables of the process, passed in as a value.

use std::ffi::{OsStr, OsString};

use serde::de::DeserializeOwned;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::os;

/// The variable that names jf's folder.
pub const HOME_OF_JF: &str = "JFROG_CLI_HOME_DIR";

/// Environment variables. An empty one counts as unset, because GitHub sets every absent input to the empty string.
#[derive(Clone, Default)]
pub struct Environment(Vec<(OsString, OsString)>);

impl Environment {
    /// The variable's value; `None` if it is unset or empty.
    ///
    /// # Errors
    /// Fails if the value is not UTF-8, or if the variable is set twice: other programs may use either value.
    pub fn get(&self, name: &str) -> Result<Option<&str>> {
        let value = match self.values(name)[..] {
            [] => return Ok(None),
            [value] => value,
            _ => return Err(Error::input(format!("{name} is set twice in the environment"), "Set it once.")),
        };
        match value.to_str() {
            Some(text) => Ok(Some(text).filter(|text| !text.is_empty())),
            None => Err(Error::input(format!("{name} is not UTF-8 text"), "Set it to plain text, or unset it.")),
        }
    }

    /// Whether any value of the variable is such a text, even if it is set twice.
    pub fn says(&self, name: &str, such: impl Fn(&str) -> bool) -> bool {
        self.values(name).iter().any(|value| !value.is_empty() && such(&value.to_string_lossy()))
    }

    fn values(&self, name: &str) -> Vec<&OsString> {
        self.0.iter().filter(|(other, _)| other == OsStr::new(name)).map(|(_, value)| value).collect()
    }

    /// The variable's value as it is, even if it is empty or not UTF-8.
    #[must_use]
    pub fn os(&self, name: &str) -> Option<OsString> {
        self.0.iter().find(|(other, _)| other == OsStr::new(name)).map(|(_, value)| value.clone())
    }

    /// Whether the variable is set, even if it is empty.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(other, _)| other == OsStr::new(name))
    }

    /// Whether the variable is absent, empty or has only whitespace.
    #[must_use]
    pub fn is_blank(&self, name: &str) -> bool {
        self.os(name).is_none_or(|value| value.to_str().is_some_and(|text| text.trim().is_empty()))
    }

    /// jf's folder; `None` if the environment does not tell.
    #[must_use]
    pub fn folder_of_jf(&self) -> Option<PathBuf> {
        let folder = |name| self.os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        folder(HOME_OF_JF).or_else(|| Some(folder(os::HOME)?.join(".jfrog")))
    }

    /// All variables with their values, as they are.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The names of all variables that start with `prefix`.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter_map(|(name, _)| name.to_str()).filter(move |name| name.starts_with(prefix))
    }
}

impl Environment {
    /// Fills a struct of optional strings, whose field names are the names of the variables in lower case. A variable that is empty, not
    /// UTF-8 or set twice leaves its field `None`.
    pub fn read<T: DeserializeOwned + Default>(&self) -> T {
        // Upper case only: envy ignores case, and fails if a name occurs in both.
        let upper = self.0.iter().filter(|(name, _)| !name.as_encoded_bytes().iter().any(u8::is_ascii_lowercase));
        let texts = upper.filter_map(|(name, _)| Some((name.to_str()?.to_owned(), self.get(name.to_str()?).ok()??.to_owned())));
        // Optional strings can't fail. If they did, envy's error would show values, so it is dropped.
        envy::from_iter(texts).unwrap_or_default()
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}
