//! Advice after a refusal that only this machine can give: it knows the credential, and what was asked for under which names.

use super::Context;
use crate::api::Claims;
use crate::api::claims::{claims, user};
use crate::credential::Credential;
use crate::deliver::TOKEN_ID;
use crate::error::Error;
use crate::options::{InputValue, shown};

/// A refusal of a mint, with advice that knows the credential and what was asked for.
pub fn explained(cx: &Context, credential: &Credential, error: Error) -> Error {
    if !matches!(error.refusal().and(error.status()), Some(401 | 403)) {
        return error;
    }
    let (source, claims) = (&credential.source, credential.token().and_then(claims));
    if is_our_own(cx, credential, claims.as_ref()) {
        return error.with_help(&format!(
            "{source} is a token that jf-token itself has issued, as after `. ./jf.env`: it may do less than what it was minted with. Set {source} to that credential again, or use the token as it is."
        ));
    }
    if error.status() == Some(401) && credential.token().is_some() {
        return error.with_advice(&format!("It is from {source}."));
    }
    let asked = asked_of_an_admin(cx, claims.as_ref());
    // What an identity mapping allows has its own advice.
    if error.status() != Some(403) || asked.is_empty() || credential.token().is_none() {
        return error;
    }
    let whose = claims.map(|claims| format!(", and {source} is {}", described(&claims))).unwrap_or_default();
    error.with_help(&format!(
        "Only an admin's access token may ask for {}{whose}. Give an admin's, or leave that out: anyone may ask for a token of their own, with the scope applied-permissions/user.",
        asked.join(" and ")
    ))
}

/// What was asked for that takes an admin's credential, by the names under which it was given.
fn asked_of_an_admin(cx: &Context, claims: Option<&Claims>) -> Vec<String> {
    let options = &cx.options.token;
    let is_an_admins =
        |given: &&InputValue| ["/groups", "/admin"].iter().any(|kind| given.text.contains(&format!("applied-permissions{kind}")));
    let another = options.username.as_ref().filter(|given| claims.and_then(user) != Some(given.text.as_str()));
    let given = [another, options.groups.as_ref(), options.scope.as_ref().filter(is_an_admins)].into_iter().flatten();
    given.map(|given| given.source.to_string()).chain(options.grant_admin.then(|| "--grant-admin".into())).collect()
}

/// A token by what it says of itself.
fn described(claims: &Claims) -> String {
    let whose = user(claims).map(|user| format!(" of '{}'", shown(user))).unwrap_or_default();
    let scope = claims.get("scp").and_then(|scope| scope.as_str()).map(|scope| format!(", with the scope {}", shown(scope)));
    format!("one{whose}{}", scope.unwrap_or_default())
}

/// Whether the credential is a token that was handed over by jf-token: a session holds it, or its id came with it.
fn is_our_own(cx: &Context, credential: &Credential, claims: Option<&Claims>) -> bool {
    let came_with_id = || cx.environment.says(TOKEN_ID, |id| claims.and_then(|claims| claims.get("jti")?.as_str()) == Some(id));
    let is_held = || {
        let sessions = cx.session().and_then(|session| Ok(session.all()?.collect::<Vec<_>>())).unwrap_or_default();
        let states = sessions.iter().filter_map(|session| session.read().ok());
        states.into_iter().any(|state| credential.secrets().into_iter().any(|secret| state.knows(secret)))
    };
    came_with_id() || is_held()
}
