//! What token to ask for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::scope::{self, PROJECT_KEY, is_project_key};
use crate::error::{Error, Result};
use crate::io::clock;
use crate::options::{InputValue, OPERAND, PLATFORMS_OWN, Source, TokenOptions, shown, span, switch};

/// In characters.
const LONGEST_SCOPE: usize = 500;

/// The token to ask for. Serialized, it is the body of the request, with the keys of `jf` in the same order and under the same conditions
/// (recorded from the real one). At the end comes `force_revocable`, which jf does not know.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRequest {
    /// What the token allows; absent: what its user may do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// Its life in whole seconds; 0: it never expires; absent: the platform's default.
    #[serde(default, with = "clock::seconds", skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<Duration>,
    /// Whether to ask for a refresh token too.
    pub refreshable: bool,
    /// The services that accept the token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Whether to ask for a reference token too.
    pub include_reference_token: bool,
    /// The user that the token is for; absent: the caller.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The project that the token belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub project_key: Option<String>,
    /// The text for the platform's list of tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it must be revocable even if it is short-lived.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force_revocable: bool,
}

impl TokenRequest {
    /// Reads and checks the options that say what token to ask for. `own_life` is the life to ask for if none was given. What has that, or is
    /// revoked at the end and has a life that was given, is asked for as revocable: by default platforms revoke no token that lives for less than
    /// six hours.
    ///
    /// # Errors
    /// Fails on the first that is wrong.
    pub fn new(options: &TokenOptions, own_life: Option<Duration>, is_revoked: bool) -> Result<Self> {
        if let Some((source, option)) = &options.missing {
            let help = format!("Give it by --{0}, the action's input {0} or {1}.", option.name, option.variable);
            return Err(Error::input(format!("{source}: {} is required, and is not given", option.name), help).of_option(Some(option.name)));
        }
        let scope = scope_of(options)?;
        let expires_in = life(options, own_life)?;
        let is_revoked = is_revoked || options.expiry.is_none();
        Ok(Self {
            scope,
            expires_in,
            refreshable: options.refreshable,
            audience: options.audience.as_ref().map(audience).transpose()?,
            include_reference_token: options.reference,
            username: options.username.as_ref().map(user_name).transpose()?,
            project_key: options.project.as_ref().map(project_key).transpose()?,
            description: options.description.as_ref().map(description).transpose()?,
            force_revocable: options.force_revocable.unwrap_or(is_revoked && expires_in.is_some_and(|life| !life.is_zero())),
        })
    }

    /// Whether the token ends within an hour, so that one that is left behind does little harm.
    #[must_use]
    pub fn ends_within_the_hour(&self) -> bool {
        self.expires_in.is_some_and(|life| (1..=3600).contains(&life.as_secs()))
    }

    /// The entries of the scope that only the platform may know.
    #[must_use]
    pub fn unknown_scopes(&self) -> Vec<&str> {
        self.scope.as_deref().map(scope::unknown).unwrap_or_default()
    }

    /// The body of the request.
    #[must_use]
    pub fn body(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn life(options: &TokenOptions, own: Option<Duration>) -> Result<Option<Duration>> {
    let most = max_life(options)?;
    let Some(given) = &options.expiry else { return Ok(own.map(|own| most.map_or(own, |most| own.min(most)))) };
    if given.text.eq_ignore_ascii_case(PLATFORMS_OWN) {
        return Ok(None);
    }
    let life = span::read(given)?;
    if let Some((max_life, most)) = options.max_life.as_ref().zip(most)
        && (life.is_zero() || life > most)
    {
        let asked = if life.is_zero() { "for ever".to_owned() } else { format!("{} s", life.as_secs()) };
        let what = format!("{asked} is more than the {} s that {} allows", most.as_secs(), max_life.source);
        return Err(given.wrong(what, "Ask for a shorter life, or allow a longer one."));
    }
    Ok(Some(life))
}

/// The longest life to accept.
///
/// # Errors
/// Fails if it is not a span of time, or is 0.
pub fn max_life(options: &TokenOptions) -> Result<Option<Duration>> {
    let Some(given) = &options.max_life else { return Ok(None) };
    match span::read(given)? {
        Duration::ZERO => Err(given.wrong("0 allows no token at all", "Give the longest life to accept, such as 1h.")),
        most => Ok(Some(most)),
    }
}

fn scope_of(options: &TokenOptions) -> Result<Option<String>> {
    let (admin, groups) = (options.grant_admin, &options.groups);
    if let Some(given) = &options.scope {
        if admin || groups.is_some() {
            let other = groups.as_ref().map_or_else(|| "--grant-admin".to_owned(), |groups| groups.source.to_string());
            return Err(
                given.wrong(format!("excludes {other}"), "Give the whole scope by one of them: --scope, or --groups and --grant-admin.")
            );
        }
        limited(given, &given.text, LONGEST_SCOPE)?;
        scope::check(given)?;
        return Ok(Some(given.text.clone()));
    }
    let names = groups.as_ref().map(group_names).transpose()?;
    let parts = names.map(|names| scope::groups(&names)).into_iter().chain(admin.then(|| "applied-permissions/admin".to_owned()));
    let scope = parts.collect::<Vec<_>>().join(" ");
    match groups {
        Some(given) if scope.chars().count() > LONGEST_SCOPE => {
            Err(given.wrong(format!("is longer than the {LONGEST_SCOPE} characters of a scope"), "Name fewer groups."))
        }
        _ => Ok(Some(scope).filter(|scope| !scope.is_empty())),
    }
}

fn group_names(given: &InputValue) -> Result<Vec<String>> {
    let right = "List the names with commas between them; put a name that holds a comma into double quotes.";
    let parts = scope::parts(&given.text).ok_or_else(|| given.wrong("a quote is not closed", right))?;
    parts
        .into_iter()
        .map(|part| match scope::unquoted(part.trim()) {
            None => Err(given.wrong("a quote inside a name", "Put the double quotes around the whole name.")),
            Some("") => Err(given.wrong("a group has no name", right)),
            Some(name) if name.contains(char::is_control) => {
                Err(given.wrong(format!("'{}' holds a control character", shown(name)), right))
            }
            Some(name) => Ok(name.to_owned()),
        })
        .collect()
}

/// Checks a text as it is to be sent.
fn limited(given: &InputValue, text: &str, most: usize) -> Result<()> {
    let length = text.chars().count();
    if length > most {
        return Err(given.wrong(format!("has {length} characters"), format!("The platform takes at most {most}.")));
    }
    if text.contains(char::is_control) {
        return Err(given.wrong("holds a control character", "Use plain text."));
    }
    Ok(())
}

fn description(given: &InputValue) -> Result<String> {
    // The description is the only text that may have several lines.
    limited(given, &given.text.replace(['\n', '\t', '\r'], " "), 1024)?;
    Ok(given.text.clone())
}

fn user_name(given: &InputValue) -> Result<String> {
    if switch(&given.text).is_some() && given.source == Source::Flag(OPERAND.into()) {
        return Err(given.wrong(
            format!("'{}' is a switch's word", given.text),
            format!(
                "A switch takes its value with an equals sign: --refreshable=false. For a user of that name write --username {}.",
                given.text
            ),
        ));
    }
    if given.text.contains(char::is_whitespace) {
        return Err(given.wrong("holds a space or a line break", "A user name has none."));
    }
    let name = given.text.to_lowercase();
    limited(given, &name, 255)?;
    Ok(name)
}

fn audience(given: &InputValue) -> Result<String> {
    let entry_is_right = |entry: &str| {
        entry.split_once('@').is_some_and(|(kind, id)| {
            !id.is_empty() && (kind == "*" || (kind.starts_with("jf") && kind.bytes().all(|b| b.is_ascii_lowercase())))
        })
    };
    let audience = given.text.trim_matches(' ');
    if audience != "*" && !audience.split(' ').all(entry_is_right) {
        let right = "Write service@id or service@* with a space between entries, such as 'jfrt@* jfxr@*'.";
        return Err(given.wrong(format!("'{}' is not an audience", shown(&given.text)), right));
    }
    limited(given, audience, 255)?;
    Ok(audience.to_owned())
}

/// The key of a project.
///
/// # Errors
/// Fails if it can't be one.
pub fn project_key(given: &InputValue) -> Result<String> {
    if is_project_key(&given.text) {
        return Ok(given.text.clone());
    }
    Err(given.wrong(format!("'{}' is not a project key", shown(&given.text)), PROJECT_KEY))
}
