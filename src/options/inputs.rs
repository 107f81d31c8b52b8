use std::time::Duration;

use super::choices::Format;
use super::table::{self, Opt, Value};
use super::value::{InputValue, Source, near, shown, switch};
use super::{Syntax, span};
use crate::error::Result;
use crate::io::Environment;

/// The flags that were given, by the names of their options.
pub type Flags = Vec<(&'static str, String)>;

/// Where values come from: a flag beats an action's input beats a variable; empty is unset.
pub struct Inputs<'a> {
    /// The command that is to run: what it does not know is not checked for it.
    pub syntax: &'a Syntax,
    /// The flags that were given.
    pub flags: &'a Flags,
    /// The environment that was handed in.
    pub environment: &'a Environment,
    /// `INPUT_…` counts in our own action only: another one that starts this program has inputs of the same names.
    pub in_action: bool,
}

impl Inputs<'_> {
    /// The option's value, if it was given.
    ///
    /// # Errors
    /// When the variable that decides is not UTF-8.
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

    /// The value of an option that this command knows: of another's it need not be right.
    fn known(&self, option: &Opt) -> Result<Option<InputValue>> {
        if self.syntax.knows(option) { self.text(option) } else { Ok(None) }
    }

    /// The switch's value; absent is false.
    ///
    /// # Errors
    /// When it is neither true nor false.
    pub fn switch(&self, option: &Opt) -> Result<bool> {
        Ok(self.switched_on(option)?.is_some())
    }

    /// What switches the option on, if something does.
    ///
    /// # Errors
    /// When it is neither true nor false.
    pub fn switched_on(&self, option: &Opt) -> Result<Option<InputValue>> {
        let Some(given) = self.known(option)? else { return Ok(None) };
        let on = switch(&given.text).ok_or_else(|| given.wrong("is neither true nor false", "Use one of true, false, 1, 0, yes, no."))?;
        Ok(Some(given).filter(|_| on))
    }

    /// The option's span of time.
    ///
    /// # Errors
    /// When it is none.
    pub fn span(&self, option: &Opt) -> Result<Option<Duration>> {
        self.known(option)?.as_ref().map(span::read).transpose()
    }

    /// The option's value where only these words are right.
    ///
    /// # Errors
    /// When it is another word.
    pub fn word<T: Copy>(&self, option: &Opt, words: &[(&str, T)]) -> Result<Option<T>> {
        self.known(option)?.map(|given| one_of(&given, words)).transpose()
    }

    /// What to print. A variable that holds another command's word was set for that, and says nothing of this.
    ///
    /// # Errors
    /// When it is another word.
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

    /// Variables that look like ours and are not, each with the name that was probably meant.
    #[must_use]
    pub fn unknown_variables(&self) -> Vec<(String, Option<&'static str>)> {
        let known = || table::ALL.iter().map(|option| option.variable).chain([table::HOME]);
        let unknown = self.environment.names("JF_TOKEN_").filter(|name| !known().any(|other| other == *name));
        unknown.map(|name| (shown(name), near(name, known()))).collect()
    }

    /// Whether some flag holds a secret: other processes of the machine can read it.
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
