//! `revoke`: revokes the session's tokens, and removes what was written for them.

use super::CommandSpec;
use crate::api::Revoked;
use crate::ci::{Action, SavedToken};
use crate::error::{Error, Kind, Result};
use crate::lifecycle::{Context, EndHow, both, counted, end_others, end_session, how_to_end, rehearse_end, release};
use crate::options::table::{DRY_RUN, VERBOSE};
use crate::options::{Group, InputValue, Operands, Revoke, SessionOptions, Syntax};

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: "revoke",
        aliases: &[],
        usage: "jf-token revoke [OPTIONS]",
        about: "End every token of the session and remove what was written for it",
        examples: &["jf-token revoke", "jf-token revoke --all"],
        operands: Operands::None,
        groups: &[Group::Connection, Group::Credential, Group::Session],
        options: &[&DRY_RUN, &VERBOSE],
        formats: &[],
    },
    run,
};

fn run(cx: &Context) -> anyhow::Result<i32> {
    let options = &cx.options.session;
    if cx.action.as_ref().is_some_and(|action| action.saved_session().is_none()) && options.name.is_none() {
        // The main step failed early and said why. It left nothing to revoke.
        return Ok(0);
    }
    let all = cx.action.is_none() && means_all(options)?;
    if cx.options.diagnostics.dry_run {
        return Ok(rehearse_end(cx, all).map(|()| 0)?);
    }
    if all {
        return Ok(cx.block_on(end_all(cx)).map(|()| 0)?);
    }
    if let Some(id) = options.token_id.as_ref().filter(|_| cx.action.is_none()) {
        one(cx, id)?;
        return Ok(0);
    }
    match cx.block_on(end(cx)) {
        Err(error) if cx.action.is_some() && options.revoke != Revoke::Strict => {
            cx.console.warn(&format!("{error}\n{}", error.help()));
            Ok(0)
        }
        done => Ok(done.map(|()| 0)?),
    }
}

/// Whether every session of the place is meant. What names less wins if it was said more closely.
fn means_all(options: &SessionOptions) -> Result<bool> {
    let Some(all) = &options.all else { return Ok(false) };
    for less in [&options.name, &options.token_id].into_iter().flatten() {
        if less.source.rank() < all.source.rank() {
            return Ok(false);
        }
        if less.source.rank() == all.source.rank() {
            return Err(less.wrong(format!("{} means more than this", all.source), "Give one of them."));
        }
    }
    Ok(true)
}

/// Ends every session of the place.
async fn end_all(cx: &Context) -> Result<()> {
    let (session, how) = (cx.session()?, EndHow::new(cx.options.session.revoke, false));
    let mut own = Ok(0);
    if session.was_begun() {
        cx.console.say(&format!("the session '{}':", session.name()));
        own = end_session(cx, &session, how).await.map(|()| 1);
    }
    let ended = both(cx, own, end_others(cx, &session, how, true).await)?;
    cx.console.say(&match ended {
        0 => format!("nothing to revoke: there is no session in {}", session.home().display()),
        _ => format!("ended {}", counted(ended, "session")),
    });
    Ok(())
}

/// Ends the session that is meant, and those that nobody else will end.
async fn end(cx: &Context) -> Result<()> {
    let how = EndHow::new(cx.options.session.revoke, false);
    let saved = cx.action.as_ref().and_then(Action::saved_token);
    let session = match (cx.session(), &saved) {
        (Ok(session), _) => session,
        (Err(error), Some(saved)) => return end_saved(cx, saved, error).await,
        (Err(error), None) => return Err(error),
    };
    let ended = match &saved {
        Some(saved) if !session.exists() => {
            let what = format!("the session '{}' is gone from {}", session.name(), session.home().display());
            end_saved(cx, saved, Error::new(Kind::Local, what, "")).await
        }
        None if cx.action.as_ref().is_some_and(Action::was_cut_short) && !session.was_begun() => {
            let folder = session.home().display();
            cx.console.warn(&format!("the main step was killed, and its session is gone from {folder}: a token may be alive that is not remembered here; look for it in the platform's list of tokens"));
            Ok(())
        }
        _ => end_session(cx, &session, how).await,
    };
    both(cx, ended.map(|()| 1), end_others(cx, &session, how, false).await).map(drop)
}

/// The session is out of reach: the token that the main step saved is ended by the credential, or named.
async fn end_saved(cx: &Context, saved: &SavedToken<'_>, why: Error) -> Result<()> {
    if cx.options.session.revoke == Revoke::Never {
        return Ok(());
    }
    // What can't be found out counts as another platform.
    let _ = cx.locate().await;
    let state = |what: &str| format!("The token {} at {} {what}, and {}.", saved.id, saved.url, saved.end);
    let advice = |what: &str| format!("{} {}", state(what), how_to_end(saved.url, saved.id));
    let (Some(credential), Some(platform)) = (cx.credential()?, cx.platform()?.filter(|platform| platform.as_str() == saved.url)) else {
        return Err(why.with_advice(&advice("may be alive")));
    };
    let auth = cx.authenticate(credential, &platform, cx.limits()).await?;
    let revoked = cx.with_client(&platform, cx.limits(), async |client| client.revoke(saved.id, &auth).await).await;
    release(cx, credential, &platform).await;
    match revoked {
        // It was revoked before, with the session.
        Ok(Revoked::NotFound) => Ok(()),
        Ok(Revoked::Done) => {
            cx.console.warn(&format!("{why}; revoked its token, {}, by the credential", saved.id));
            Ok(())
        }
        Ok(Revoked::NotRevocable) => Err(why.with_advice(&state("is too short-lived to be revoked"))),
        Err(error) => Err(why.with_advice(&advice(&format!("could not be revoked ({error})")))),
    }
}

/// Revokes a token of which only the id is known.
fn one(cx: &Context, id: &InputValue) -> Result<()> {
    if id.text == "me" {
        return Err(id.wrong("'me' would end the credential itself", "Give the id of the token to revoke."));
    }
    let id = id.text.as_str();
    let platform = cx.platform_or_fail()?;
    let credential = cx.credential_or_fail()?;
    let revoked = cx.block_on(async {
        let auth = cx.authenticate(credential, &platform, cx.limits()).await?;
        let revoked = cx.with_client(&platform, cx.limits(), async |client| client.revoke(id, &auth).await).await;
        release(cx, credential, &platform).await;
        revoked
    })?;
    cx.console.say(&match revoked {
        Revoked::Done => format!("revoked {id}"),
        Revoked::NotFound => format!("the platform knows no living token {id}"),
        Revoked::NotRevocable => format!("{id} is too short-lived for the platform to revoke; it ends by itself"),
    });
    Ok(())
}
