//! The environment variables of the process, passed in as a value.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::sync::OnceLock;

use serde::de::DeserializeOwned;
use tz::TimeZone;

use crate::error::{Error, Result};
use crate::os;

/// The variable that names jf's folder.
pub const HOME_OF_JF: &str = "JFROG_CLI_HOME_DIR";

/// A value without what came along with it: blanks, the line break of a YAML block, the carriage return of a script from Windows, a byte
/// order mark.
#[must_use]
pub fn trimmed(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}')
}

/// Environment variables. An empty one counts as unset, because GitHub sets every absent input to the empty string.
#[derive(Clone, Default)]
pub struct Environment {
    variables: Vec<Variable>,
    /// The time zone, once it is read.
    zone: OnceLock<TimeZone>,
}

#[derive(Clone)]
struct Variable {
    /// The name as the system compares it.
    key: OsString,
    name: OsString,
    value: OsString,
}

impl Environment {
    /// The variable's value without what is around it; `None` if it is unset or blank.
    ///
    /// # Errors
    /// Fails if the value is not UTF-8, or if the variable is set twice: other programs may use either value.
    pub fn get(&self, name: &str) -> Result<Option<&str>> {
        Ok(self.whole(name)?.map(trimmed).filter(|text| !text.is_empty()))
    }

    /// The variable's value with the blanks around it, which may be a part of it; `None` if it is unset or empty.
    ///
    /// # Errors
    /// As `get`.
    pub fn whole(&self, name: &str) -> Result<Option<&str>> {
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
        let key = os::variable_key(name.as_ref());
        self.variables.iter().filter(|variable| variable.key == *key).map(|variable| &variable.value).collect()
    }

    /// Removes a variable. Returns whether it was set.
    pub fn remove(&mut self, name: &str) -> bool {
        let (key, before) = (os::variable_key(name.as_ref()), self.variables.len());
        self.variables.retain(|variable| variable.key != *key);
        self.variables.len() < before
    }

    /// Sets these variables.
    pub fn set(&mut self, variables: impl IntoIterator<Item = (String, String)>) {
        let new = variables.into_iter().collect::<Self>().variables;
        self.variables.retain(|old| new.iter().all(|variable| variable.key != old.key));
        self.variables.extend(new);
    }

    /// The variable's value as it is, even if it is empty or not UTF-8.
    #[must_use]
    pub fn os(&self, name: &str) -> Option<OsString> {
        self.values(name).first().map(|value| (*value).clone())
    }

    /// Whether the variable is set, even if it is empty.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        !self.values(name).is_empty()
    }

    /// Whether the variable is absent, or has nothing but what `trimmed` takes away.
    #[must_use]
    pub fn is_blank(&self, name: &str) -> bool {
        self.os(name).is_none_or(|value| value.to_str().is_some_and(|text| trimmed(text).is_empty()))
    }

    /// The time zone, read once.
    pub fn zone(&self, read: impl FnOnce() -> TimeZone) -> TimeZone {
        self.zone.get_or_init(read).clone()
    }

    /// jf's folder; `None` if the environment does not tell.
    #[must_use]
    pub fn folder_of_jf(&self) -> Option<PathBuf> {
        let folder = |name| self.os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        folder(HOME_OF_JF).or_else(|| Some(folder(os::HOME)?.join(".jfrog")))
    }

    /// The variables with their values, as they are, without those that are to be hidden. `is_hidden` gets a name as the system compares
    /// it, and the value.
    pub fn without(&self, is_hidden: impl Fn(&OsStr, &OsStr) -> bool) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        let passed = self.variables.iter().filter(move |variable| !is_hidden(&variable.key, &variable.value));
        passed.map(|variable| (variable.name.as_os_str(), variable.value.as_os_str()))
    }

    /// The names of all variables that start with `prefix`.
    pub fn names<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.variables.iter().filter_map(|variable| variable.key.to_str()).filter(move |name| name.starts_with(prefix))
    }
}

impl Environment {
    /// Fills a struct of optional strings, whose field names are the names of the variables in lower case. A variable that is empty, not
    /// UTF-8 or set twice leaves its field `None`.
    pub fn read<T: DeserializeOwned + Default>(&self) -> T {
        // Upper case only: envy ignores case, and fails if a name occurs in both.
        let upper = self.names("").filter(|name| !name.bytes().any(|byte| byte.is_ascii_lowercase()));
        let texts = upper.filter_map(|name| Some((name.to_owned(), self.get(name).ok()??.to_owned())));
        // Optional strings can't fail. If they did, envy's error would show values, so it is dropped.
        envy::from_iter(texts).unwrap_or_default()
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let of = |(name, value): (K, V)| {
            let name = name.into();
            Variable { key: os::variable_key(&name).into_owned(), name, value: value.into() }
        };
        Self { variables: variables.into_iter().map(of).collect(), zone: OnceLock::new() }
    }
}
