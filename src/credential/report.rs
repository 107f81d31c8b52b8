//! What was looked for, in which order and where, for whoever has no credential or too many. Names and places, never values.

use std::fmt::Write as _;

use super::{CredentialPlace, KINDS, jf_configuration};
use crate::ci::IdToken;
use crate::error::{Error, Kind};
use crate::options::table::{ACCESS_TOKEN, INPUT, Opt};
use crate::options::{CredentialOptions, Group, Source, set_instead};

/// The error for a missing credential. A user and a password are refused with jf's own reason.
pub fn none(place: &CredentialPlace) -> Error {
    let options = &place.options.credential;
    let instead = set_instead(place.environment, &ACCESS_TOKEN);
    let given = options.password.as_ref().or(options.user.as_ref());
    let (what, why) = match (given, empty(place)) {
        (Some(given), _) => {
            (format!("{}: authenticating with access token is currently mandatory for creating access tokens", given.source), "")
        }
        (None, None) => ("there is no credential".into(), ""),
        (None, Some(name)) => (format!("there is no credential: {name} is empty"), if place.in_job { place.ci.why_empty() } else { "" }),
    };
    let why = if why.is_empty() { String::new() } else { format!("{why}\n") };
    Error::new(Kind::NoCredential, what, format!("{why}{instead}{}\nEasiest here: {}", looked_for(place), easiest(place)))
}

/// The variable or input for a credential that was given, but is empty, as a secret that the job does not get. An input that was left out is
/// empty too, so only the one that is meant for a secret is told of.
fn empty(place: &CredentialPlace) -> Option<String> {
    let variable = named().map(|option| option.variable).find(|name| is_empty(place, name)).map(str::to_owned);
    variable.or_else(|| {
        (place.in_action && is_empty(place, &ACCESS_TOKEN.input_variable())).then(|| format!("the input {}", ACCESS_TOKEN.name))
    })
}

/// Whether this variable is there, but has no value.
fn is_empty(place: &CredentialPlace, name: &str) -> bool {
    place.environment.has(name) && place.environment.is_blank(name)
}

/// The options that name a credential. (The URL does so only if it is that of an SSH server.)
fn named() -> impl Iterator<Item = &'static Opt> {
    KINDS.into_iter().flat_map(|kind| kind.named_by).copied().filter(|option| option.group == Group::Credential)
}

/// Each place in its order, with what was found there.
pub fn looked_for(place: &CredentialPlace) -> String {
    let options = &place.options.credential;
    let list = |name: &dyn Fn(&Opt) -> Option<String>| named().filter_map(name).collect::<Vec<_>>().join(", ");
    let flags = list(&|option| Some(marked(format!("--{}", option.name), options, option, |source| matches!(source, Source::Flag(_)))));
    let inputs =
        list(&|option| option.in_action.then(|| marked(option.name.into(), options, option, |source| matches!(source, Source::Input(_)))));
    let variables = list(&|option| {
        let name = marked(option.variable.into(), options, option, |source| matches!(source, Source::Variable(_)));
        Some(if is_empty(place, option.variable) { format!("{name} (set, but empty)") } else { name })
    });
    let has_inputs = place.environment.names(INPUT).next().is_some() && place.in_action;
    let mut text = "Looked for, in this order:".to_owned();
    let rows = [
        Some(("flags", flags)),
        has_inputs.then_some(("inputs of the action", inputs)),
        Some(("variables", variables)),
        Some(("exported servers of jf", jf_configuration::exports_looked_for(place.environment))),
        Some(("jf's default server", jf_configuration::looked_for(place))),
    ];
    for (number, (kind, found)) in rows.into_iter().flatten().enumerate() {
        let _ = write!(text, "\n{}. {kind}: {found}", number + 1);
    }
    text
}

fn marked(name: String, options: &CredentialOptions, option: &Opt, is_there: impl Fn(&Source) -> bool) -> String {
    if options.get(option).is_some_and(|given| is_there(&given.source)) { format!("{name} (given)") } else { name }
}

/// The way that asks least of whoever wrote the job.
fn easiest(place: &CredentialPlace) -> String {
    let provider = "--oidc-provider (input oidc-provider, JF_TOKEN_OIDC_PROVIDER), the name of an OIDC provider of the platform";
    match place.ci.id_token(None) {
        IdToken::Unavailable(why) if place.in_job => {
            format!("an identity token of the job, and {provider}. {}. Or an access token in JF_ACCESS_TOKEN.", why.trim_end_matches('.'))
        }
        IdToken::Unavailable(_) => "an access token of the platform in JF_ACCESS_TOKEN, or --server-id after jf login.".into(),
        _ => format!("the job has an identity token, so no secret need be stored: give {provider}."),
    }
}
