//! What would be done, where nothing is to be sent and nothing changed: `--dry-run`.

use std::fmt::Write;
use std::time::Duration;

use redact::one_line;

use super::Context;
use super::end::is_forgotten;
use crate::api::TokenRequest;
use crate::api::claims::{claims, user};
use crate::credential::{Credential, Issuing};
use crate::error::Result;
use crate::io::{clock, harmless_json};
use crate::options::{Revoke, shown};
use crate::session::{AtEnd, Session, State};

/// Prints the bodies of the requests for a token, and says who would be asked, by which credential and why, for whom, for how long and with
/// what rights. Without a `request` it is what an exchange alone gives.
///
/// # Errors
/// Fails if something that was given is wrong.
pub fn rehearse(cx: &Context, request: Option<TokenRequest>) -> Result<()> {
    let (platform, credential) = (cx.platform()?, cx.credential()?);
    let issuing = match (credential, request) {
        (Some(credential), Some(request)) => credential.issuing(request),
        (None, Some(request)) => Issuing::Mint(request),
        (_, None) => cx.credential_or_fail()?.issuing(TokenRequest::default()).exchange_alone(),
    };
    cx.console.data(&(harmless_json(&issuing.bodies().join("\n")) + "\n"))?;
    let whom = match (platform, &cx.options.connection.url) {
        (Some(platform), _) => platform.as_str().to_owned(),
        (None, Some(url)) => format!("the platform that {} leads to", url.source),
        (None, None) => "no platform, for no URL is given".into(),
    };
    let by = credential.map_or_else(|| "no credential, for none is given".into(), |credential| credential.because(&cx.options.credential));
    let mut text = format!("would ask {whom}, by {by}");
    for (name, value) in facts(cx, &issuing, credential) {
        let _ = write!(text, "\n  {name:<5} {}", one_line(&value));
    }
    cx.console.say(&text);
    Ok(())
}

fn facts(cx: &Context, issuing: &Issuing, credential: Option<&Credential>) -> [(&'static str, String); 3] {
    let Some(request) = issuing.request() else {
        return ["user", "life", "scope"].map(|name| (name, "as the identity mapping says".to_owned()));
    };
    let own = credential.and_then(Credential::token).and_then(|token| Some(shown(user(&claims(token)?)?)));
    let own = match (issuing.exchange(), own) {
        (Some(_), _) => "the user of the identity mapping".to_owned(),
        (None, Some(name)) => format!("{name}, the credential's own user"),
        (None, None) => "the credential's own user".to_owned(),
    };
    let user = request.username.as_deref().map_or(own, shown);
    let scope = request.scope.clone().unwrap_or_else(|| "everything that this user may".to_owned());
    [("user", user), ("life", life(cx, request)), ("scope", scope)]
}

fn life(cx: &Context, request: &TokenRequest) -> String {
    let life = match request.expires_in {
        None => "the platform's default".to_owned(),
        Some(Duration::ZERO) => "for ever".to_owned(),
        Some(life) => {
            let (now, zone) = (cx.now(), clock::zone(&cx.environment));
            format!("{} s, until {}", life.as_secs(), clock::local_and_relative(now.after(life), now, &zone))
        }
    };
    if request.force_revocable { life + ", revocable" } else { life }
}

/// Says which sessions would be ended: all of the place, or the one that is meant and those that nobody else will end.
///
/// # Errors
/// Fails if something that was given is wrong.
pub fn rehearse_end(cx: &Context, all: bool) -> Result<()> {
    if let Some(id) = cx.options.session.token_id.as_ref().filter(|_| !all) {
        let platform = cx.platform_or_fail()?;
        let by = cx.credential_or_fail()?.because(&cx.options.credential);
        cx.console.say(&format!("would ask {} to revoke {}, by {by}", platform.as_str(), shown(&id.text)));
        return Ok(());
    }
    let own = cx.session()?;
    let is_post = cx.action.is_some() && own.is_of_one_job();
    let mut told = Vec::new();
    for session in std::iter::once(own.clone()).chain(own.others_and_coming()?).filter(Session::was_begun) {
        let is_meant = all || session.name() == own.name();
        let state = match session.read() {
            Err(_) if !is_meant => continue,
            read => read?,
        };
        if is_meant || is_forgotten(&session, state.owner, is_post) {
            told.push(end_in_words(cx, &session, &state));
        }
    }
    if told.is_empty() {
        cx.console.say(&format!("nothing to revoke: there is no session of that kind in {}", own.home().display()));
    }
    for text in &told {
        cx.console.say(text);
    }
    Ok(())
}

fn end_in_words(cx: &Context, session: &Session, state: &State) -> String {
    let mut text = format!("would end the session '{}'", session.name());
    for stored in state.tokens() {
        let revokes = cx.options.session.revoke != Revoke::Never && stored.at_end == AtEnd::Revoke;
        let whose = stored.token.username().map(|name| format!(" of {}", shown(&name))).unwrap_or_default();
        let (name, platform) = (stored.token.name(), stored.platform.as_str());
        let _ = write!(
            text,
            "\n  {} {name}{whose} at {platform}; by itself it {}",
            if revokes { "revoke" } else { "leave " },
            cx.end_of(stored)
        );
    }
    state.files().for_each(|file| {
        let _ = write!(text, "\n  remove {}", one_line(&file.path.display().to_string()));
    });
    text
}
