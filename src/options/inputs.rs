use std::time::Duration;

use super::choices::Format;
use super::table::{self, Opt, Value};
use super::value::{InputValue, Source, near, shown, switch};
use super::{Syntax, span};
use crate::error::Result;
use crate::io::Environment;

/// The flags that were given, each under the name of its option.
pub type Flags = Vec<(&'static str, String)>;

/// Where values come from. A flag beats the action's input, which beats the variable. An empty value counts as unset.
pub struct Inputs<'a> {
    /// The command that is to run. An option that it doesn't know is not checked.
    pub syntax: &'a Syntax,
    /// The flags that were given.
    pub flags: &'a Flags,
    /// The environment variables.
    pub environment: &'a Environment,
    /// Whether `INPUT_…` counts. It does in our own action only: another action that starts this program may have inputs of the same names.
    pub in_action: bool,
}

impl Inputs<'_> {
    /// The option's value, if one was given.
    ///
    /// # Errors
    /// Fails if the variable that decides is not UTF-8.
    pub fn text(&self, option: &Opt) -> Result<Option<InputValue>> {
        if let Some(text) = self.flag(option).filter(|text| !text.is_empty()) {
            let flag = if option.name == table::USERNAME.name { "USERNAME".into() } else { format!("--{}", option.name) };
            return Ok(Some(InputValue { text: text.clone(), source: Source::Flag(flag) }));
        }
        if self.in_action
            && option.in_action
            && let Some(text) = self.environment.get(&option.input_variable())?.map(str::trim).filter(|text| !text.is_empty())
        {
            return Ok(Some(InputValue { text: text.to_owned(), source: Source::Input(option.name.into()) }));
        }
        let text = self.environment.get(option.variable)?;
        Ok(text.map(|text| InputValue { text: text.to_owned(), source: Source::Variable(option.variable.into()) }))
    }

    fn flag(&self, option: &Opt) -> Option<&String> {
        self.flags.iter().find(|(name, _)| *name == option.name).map(|(_, text)| text)
    }

    /// The option's value, if this command knows the option. A value meant for another command need not be valid.
    fn known(&self, option: &Opt) -> Result<Option<InputValue>> {
        if self.syntax.knows(option) { self.text(option) } else { Ok(None) }
    }

    /// Whether the switch is on; off if absent.
    ///
    /// # Errors
    /// Fails if its value is neither true nor false.
    pub fn switch(&self, option: &Opt) -> Result<bool> {
        Ok(self.switch_if_given(option)?.unwrap_or_default())
    }

    /// The switch's value; `None` if it was not given.
    ///
    /// # Errors
    /// Fails if the value is neither true nor false.
    pub fn switch_if_given(&self, option: &Opt) -> Result<Option<bool>> {
        Ok(self.switch_value(option)?.map(|(_, on)| on))
    }

    /// The value that switches the option on; `None` if it is off.
    ///
    /// # Errors
    /// Fails if its value is neither true nor false.
    pub fn switched_on(&self, option: &Opt) -> Result<Option<InputValue>> {
        Ok(self.switch_value(option)?.filter(|(_, on)| *on).map(|(given, _)| given))
    }

    fn switch_value(&self, option: &Opt) -> Result<Option<(InputValue, bool)>> {
        let Some(given) = self.known(option)? else { return Ok(None) };
        let on = switch(&given.text).ok_or_else(|| given.wrong("is neither true nor false", "Use one of true, false, 1, 0, yes, no."))?;
        Ok(Some((given, on)))
    }

    /// The option's value as a span of time.
    ///
    /// # Errors
    /// Fails if it is not one.
    pub fn span(&self, option: &Opt) -> Result<Option<Duration>> {
        self.known(option)?.as_ref().map(span::read).transpose()
    }

    /// The option's value, which must be one of `words`.
    ///
    /// # Errors
    /// Fails if it is another word.
    pub fn word<T: Copy>(&self, option: &Opt, words: &[(&str, T)]) -> Result<Option<T>> {
        self.known(option)?.map(|given| one_of(&given, words)).transpose()
    }

    /// What to print to standard output. A variable with a word that only other commands know was set for those, and is ignored.
    ///
    /// # Errors
    /// Fails if it is another word.
    pub fn format(&self) -> Result<Option<Format>> {
        let Some(given) = self.known(&table::FORMAT)? else { return Ok(None) };
        let named = |wanted: &Format| Format::WORDS.into_iter().find(|(_, format)| format == wanted);
        let words: Vec<_> = self.syntax.formats.iter().filter_map(named).collect();
        let is = |words: &[(&str, Format)]| words.iter().any(|(word, _)| *word == given.text.to_ascii_lowercase());
        if matches!(given.source, Source::Variable(_)) && is(&Format::WORDS) && !is(&words) {
            return Ok(None);
        }
        one_of(&given, &words).map(Some)
    }

    /// Variables that look like ours but are not, each with the name that was probably meant, if there is one.
    #[must_use]
    pub fn unknown_variables(&self) -> Vec<(String, Option<&'static str>)> {
        let known = || table::ALL.iter().map(|option| option.variable).chain([table::HOME]);
        let unknown = self.environment.names("JF_TOKEN_").filter(|name| !known().any(|other| other == *name));
        unknown.map(|name| (shown(name), near(name, known()))).collect()
    }

    /// The first flag that holds a secret, if any: other processes on this machine can read the argument list.
    #[must_use]
    pub fn secret_on_argument_list(&self) -> Option<&'static str> {
        let secrets = table::ALL.iter().filter(|option| matches!(option.value, Value::Secret(_)));
        secrets.filter(|option| self.flag(option).is_some()).map(|option| option.name).next()
    }
}

fn one_of<T: Copy>(given: &InputValue, words: &[(&str, T)]) -> Result<T> {
    let meant = words.iter().find(|(word, _)| *word == given.text.to_ascii_lowercase());
    meant.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let known = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        given.wrong(format!("'{}' is not known", shown(&given.text)), format!("Use one of {known}."))
    })
}
