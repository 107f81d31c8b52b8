use std::time::Duration;

use super::choices::{Format, Revoke};
use super::table::{self, Group, Opt, Value};
use super::value::{InputValue, Source, meant, near, shown, switch};
use super::{Syntax, span};
use crate::error::{Error, Result};
use crate::io::Environment;

/// The flags that were given, each under the name of its option. The argument without a flag is under `OPERAND`.
pub type Flags = Vec<(&'static str, String)>;

/// The user name as an argument without a flag.
pub const OPERAND: &str = "USERNAME";
/// Arguments without a flag, and the options that they are.
pub const OPERANDS: [(&str, &Opt); 3] =
    [(OPERAND, &table::USERNAME), ("PROVIDER", &table::OIDC_PROVIDER), ("TOKEN", &table::OIDC_TOKEN_ID)];

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
    /// Fails if the variable that decides is not UTF-8, or if a flag that limits the token or names the credential is empty.
    pub fn text(&self, option: &Opt) -> Result<Option<InputValue>> {
        if let Some((word, text)) = self.flag(option) {
            let is_operand = OPERANDS.iter().any(|(name, _)| name == word);
            let source = Source::Flag(if is_operand { word.to_string() } else { format!("--{word}") });
            if text.ends_with('\r') {
                let help = "It comes from a script or a file with Windows' line ends: save that with line feeds (LF) only.";
                return Err(source.wrong("ends in a carriage return", help));
            }
            if !text.is_empty() {
                return Ok(Some(InputValue { text: text.clone(), source }));
            }
            // What is to end is ended all the same.
            let only_ends = self.syntax.groups.contains(&Group::Session);
            if option.limits() || option.names_the_credential() && !only_ends {
                let help = "An empty value says nothing: set the variable that it comes from, or leave the option out.";
                return Err(source.wrong("is empty", help));
            }
        }
        // A blank may be a part of a passphrase.
        let value = |name: &str| match self.environment.get(name)? {
            Some(_) if option.name == table::SSH_PASSPHRASE.name => self.environment.whole(name),
            value => Ok(value),
        };
        if self.in_action
            && option.in_action
            && let Some(text) = value(&option.input_variable())?
        {
            return Ok(Some(InputValue { text: text.to_owned(), source: Source::Input(option.name.into()) }));
        }
        Ok(value(option.variable)?.map(|text| InputValue { text: text.to_owned(), source: Source::Variable(option.variable.into()) }))
    }

    fn flag(&self, option: &Opt) -> Option<&(&'static str, String)> {
        self.flags.iter().find(|(name, _)| *name == option.name || is_operand(name, option))
    }

    /// The user that the token is for. As in jf, `--user` beside an access token is that user.
    ///
    /// # Errors
    /// Fails as `text` does.
    pub fn username(&self) -> Result<Option<InputValue>> {
        self.text(&table::USERNAME)?.map_or_else(|| self.text(&table::USER), |name| Ok(Some(name)))
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
        let on = switch(&given.text).ok_or_else(|| given.wrong("is neither true nor false", "Use true or false."))?;
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

    /// What happens when the job ends.
    ///
    /// # Errors
    /// Fails if the word is unknown.
    pub fn revoke(&self) -> Result<Revoke> {
        let Some(given) = self.known(&table::REVOKE)? else { return Ok(Revoke::default()) };
        match switch(&given.text) {
            Some(on) => Ok(if on { Revoke::AtEnd } else { Revoke::Never }),
            None => one_of(&given, &Revoke::WORDS),
        }
    }

    /// The options of a group that were given; a switch, that are on.
    ///
    /// # Errors
    /// Fails if one is wrong.
    pub fn given(&self, group: Group) -> Result<Vec<(&'static Opt, InputValue)>> {
        let mut given = Vec::new();
        for option in table::ALL.iter().copied().filter(|option| option.group == group) {
            let value = if option.value == Value::Switch { self.switched_on(option)? } else { self.text(option)? };
            given.extend(value.map(|value| (option, value)));
        }
        Ok(given)
    }

    /// The first option that is required and was not given, and what requires it.
    ///
    /// # Errors
    /// Fails if a required name is not an option of the token's.
    pub fn missing(&self) -> Result<Option<(Source, &'static Opt)>> {
        let Some(required) = self.known(&table::REQUIRE)? else { return Ok(None) };
        let mut missing = None;
        for name in required.text.split(',').map(str::trim) {
            let option = of_a_token().find(|option| option.name == name).ok_or_else(|| {
                let names = of_a_token().map(|option| option.name);
                let hint = meant(name, names).map_or_else(
                    || "Name options with commas between them, such as expiry,groups.".to_owned(),
                    |option| format!("Did you mean {option}?"),
                );
                required.wrong(format!("'{}' is not an option that says what token is wanted", shown(name)), hint)
            })?;
            if missing.is_none() && !self.is_given(option)? {
                missing = Some((required.source.clone(), option));
            }
        }
        Ok(missing)
    }

    fn is_given(&self, option: &Opt) -> Result<bool> {
        match option.value {
            Value::Switch => self.switch(option),
            _ if option.name == table::USERNAME.name => Ok(self.username()?.is_some()),
            _ => Ok(self.text(option)?.is_some()),
        }
    }

    /// Checks that the action has all inputs that are set. The runner only warns, and a limit with a misspelt name would not limit anything.
    /// A command that asks for no token passes: the post step must revoke whatever is set.
    ///
    /// # Errors
    /// Fails if there is an unknown input that is not empty.
    pub fn check_action(&self) -> Result<()> {
        if !self.in_action || !self.syntax.groups.contains(&Group::Token) {
            return Ok(());
        }
        let known = || table::ALL.iter().filter(|option| option.in_action);
        let is_known = |variable: &str| known().any(|option| option.input_variable() == variable);
        let Some(variable) = self.environment.names(table::INPUT).find(|name| !is_known(name) && !self.environment.is_blank(name)) else {
            return Ok(());
        };
        let name = variable[table::INPUT.len()..].to_lowercase();
        let hint = meant(&name, known().map(|option| option.name)).map(|option| format!("Did you mean {option}? ")).unwrap_or_default();
        let blank = format!("If it came from elsewhere, such as the job's env, blank it in the step: env: {{ {}: '' }}.", shown(variable));
        Err(Error::input(format!("the action has no input '{}'", shown(&name)), hint + &blank))
    }

    /// Variables that look like ours but are not, each with the name that was probably meant, if there is one.
    #[must_use]
    pub fn unknown_variables(&self) -> Vec<(String, Option<&'static str>)> {
        let known = || table::ALL.iter().map(|option| option.variable).chain([table::HOME]);
        let unknown = self.environment.names(table::OURS).filter(|name| !known().any(|other| other == *name));
        let meant = |name: &str| {
            // What all of them begin with makes no two of them near.
            let end = near(&name[table::OURS.len()..], known().filter_map(|known| known.strip_prefix(table::OURS)))?;
            known().find(|known| known.strip_prefix(table::OURS) == Some(end))
        };
        unknown.map(|name| (shown(name), variable_meant(name).or_else(|| meant(name)))).collect()
    }

    /// The flags that hold a secret: other processes on this machine can read the argument list.
    pub fn secrets_on_argument_list(&self) -> impl Iterator<Item = &'static Opt> {
        let secrets = table::ALL.iter().copied().filter(|option| matches!(option.value, Value::Secret(_)));
        secrets.filter(|option| self.flag(option).is_some())
    }
}

/// Whether this argument without a flag is the option's value.
pub fn is_operand(name: &str, option: &Opt) -> bool {
    OPERANDS.iter().any(|(operand, own)| *operand == name && own.name == option.name)
}

/// For an option that is missing: the variable that was set in place of ours, as a sentence of advice; else nothing.
#[must_use]
pub fn set_instead(environment: &Environment, option: &Opt) -> String {
    let is_known = |name: &str| table::ALL.iter().any(|known| known.variable == name);
    let is_near = |name: &str| name.starts_with("JF_") && near(name, [option.variable].into_iter()).is_some();
    let mut names = environment.names("").filter(|name| !is_known(name) && !environment.is_blank(name));
    let set = names.find(|name| {
        let name = name.to_ascii_uppercase();
        table::is_meant_for(&name, option) || is_near(&name)
    });
    set.map(|name| format!("You set {}; jf-token reads {}. ", shown(name), option.variable)).unwrap_or_default()
}

/// The options that say what token is wanted.
fn of_a_token() -> impl Iterator<Item = &'static Opt> {
    table::ALL.iter().copied().filter(|option| option.group == Group::Token && option.name != table::REQUIRE.name)
}

/// The variable that was probably meant by one with a synonym in its name.
fn variable_meant(name: &str) -> Option<&'static str> {
    let word = name.strip_prefix(table::OURS)?.to_lowercase().replace('_', "-");
    let (_, option) = table::SYNONYMS.iter().find(|(synonym, _)| *synonym == word)?;
    table::ALL.iter().find(|known| known.name == *option).map(|option| option.variable)
}

fn one_of<T: Copy>(given: &InputValue, words: &[(&str, T)]) -> Result<T> {
    let meant = words.iter().find(|(word, _)| *word == given.text.to_ascii_lowercase());
    meant.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let known = words.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ");
        given.wrong(format!("'{}' is not known", shown(&given.text)), format!("Use one of {known}."))
    })
}
