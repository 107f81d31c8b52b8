//! `create`: issues a token, masks it, remembers it and hands it over, in this order.

use std::time::Duration;

use super::{CommandSpec, print};
use crate::api::TokenRequest;
use crate::ci::{Action, Export, SavedToken};
use crate::deliver::{Destination, Targets, for_people, for_the_step};
use crate::error::{Error, Kind, Result};
use crate::io::clock;
use crate::lifecycle::issue::Rollback;
use crate::lifecycle::{Context, LOCK, Launch, NewToken, issue, rehearse};
use crate::options::table::{ACCESS_TOKEN, HOME, KEEP_FRESH, RENEW_BY, REVOKE, SESSION, UNTIL_PID};
use crate::options::{Format, Group, Operands, Syntax};
use crate::os;
use crate::session::{Session, StoredToken, is_of_exec};

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: "create",
        aliases: &["atc", "access-token-create"],
        usage: "jf-token create [OPTIONS] [USERNAME]",
        about: "Mint an access token, hide it from the log, hand it over, remember it",
        examples: &[
            "jf-token create --groups deployers --expiry 1h --token-file token.txt",
            "eval \"$(jf-token create --scope applied-permissions/user --format shell)\"",
        ],
        operands: Operands::Username,
        groups: &[Group::Connection, Group::Credential, Group::Token, Group::HandOver],
        options: &[&RENEW_BY, &KEEP_FRESH, &UNTIL_PID, &SESSION, &REVOKE, &crate::options::table::DRY_RUN, &crate::options::table::VERBOSE],
        formats: &[
            Format::Json,
            Format::Token,
            Format::Env,
            Format::Shell,
            Format::PowerShell,
            Format::Header,
            Format::Reference,
            Format::Table,
            Format::None,
        ],
    },
    run,
};

fn run(cx: &Context) -> anyhow::Result<i32> {
    let request = cx.token_request(cx.action.as_ref().map(|_| Action::LIFE), is_remembered(cx)?)?;
    if cx.options.diagnostics.dry_run {
        return Ok(rehearse(cx, Some(request)).map(|()| 0)?);
    }
    Ok(create(cx, request).map(|()| 0)?)
}

fn create(cx: &Context, request: TokenRequest) -> Result<()> {
    let mut targets = Targets::new(&cx.options.hand_over, cx.ci.as_ref(), cx.action.as_ref())?;
    let session = is_remembered(cx)?.then(|| cx.session_for_new_token()).transpose()?;
    targets.check_apart(&cx.files_of_credential(), &cx.only_here(session.as_ref()), session.as_ref().map(Session::home), cx.ci.as_ref())?;
    if session.is_none() && targets.goes_nowhere() {
        return Err(Error::input("--format=none: nothing would get the token", "Give --token-file, --output-file or --session too."));
    }
    let keeper = match (cx.options.renewal.keep_fresh, &session) {
        (true, None) => return Err(Error::input("--keep-fresh: nothing remembers the token", "Give it a name with --session.")),
        (true, Some(_)) => {
            let keeper = Launch::new(cx)?;
            Launch::check()?;
            Some(keeper)
        }
        (false, _) => None,
    };
    let new = NewToken::new(cx, request)?;
    if let Some(request) = new.issuing.request() {
        advise(cx, request);
    }

    let mut guard = session.as_ref().map(|session| session.lock(LOCK)).transpose()?;
    if let (Some(guard), Some(_)) = (&guard, &cx.action) {
        Action::save_session(cx.ci.as_ref(), guard.name())?;
    }
    let created = cx.block_on(async {
        let mut rollback = issue(cx, guard.as_mut(), &new, &mut targets).await?;
        let saved = if cx.action.is_some() { save(cx, &rollback.stored) } else { Ok(()) };
        let handed_over =
            saved.and_then(|()| hand_over(cx, targets, &mut rollback, session.as_ref())).and_then(|()| match (keeper, &session) {
                (Some(keeper), Some(session)) => keeper.start(cx, session),
                _ => Ok(()),
            });
        match handed_over {
            Ok(()) => {
                rollback.commit();
                Ok(())
            }
            Err(error) => Err(rollback.undo(error).await),
        }
    });
    if created.is_err() && cx.action.is_some() {
        Action::save_failure(cx.ci.as_ref());
        // A later step may ask `jf-token identity` why.
        if created.as_ref().is_err_and(|error| error.kind() == Kind::Refused) {
            let _ = add_to_path(cx);
        }
    }
    created
}

/// Whether a session remembers the token. In a CI there always is one; elsewhere only if a name or a folder was given. Else the token is
/// only printed, as jf does.
fn is_remembered(cx: &Context) -> Result<bool> {
    let name = cx.options.session.name.as_ref();
    let named = name.is_some() || cx.environment.get(HOME)?.is_some();
    Ok(cx.ci.is_ci() || (named && !is_of_exec(name)))
}

/// For the post step, in case the session is gone by then.
fn save(cx: &Context, stored: &StoredToken) -> Result<()> {
    let token = SavedToken { id: &stored.token.token_id, url: stored.platform.as_str(), end: &cx.end_of(stored) };
    Action::save_token(cx.ci.as_ref(), &token)
}

fn advise(cx: &Context, request: &TokenRequest) {
    if request.expires_in == Some(Duration::ZERO) && cx.ci.is_ci() {
        let source = cx.options.token.expiry.as_ref().map(|given| given.source.to_string()).unwrap_or_default();
        cx.console.warn(&format!("{source} is 0: the token has no end, and outlives the job if it is not revoked"));
    }
    let is_limited = request.scope.is_some() || cx.options.token.username.is_some();
    let is_replaced = cx.options.hand_over.env_var.as_ref().is_some_and(|given| given.text == ACCESS_TOKEN.variable);
    if cx.action.is_some() && is_limited && !is_replaced && cx.environment.says(ACCESS_TOKEN.variable, |_| true) {
        let name = ACCESS_TOKEN.variable;
        cx.console.warn(&format!("{name} is in the environment: where the job sets it, later steps have that token, not the limited one; env-var: {name} replaces it"));
    }
    if cx.options.credential.password.is_some() {
        cx.console.warn("the password is not used: the access token is the credential");
    }
}

/// Lets the steps after the action find this program.
fn add_to_path(cx: &Context) -> Result<()> {
    if let Some(folder) = os::own_folder().filter(|_| cx.action.is_some()) {
        let _ = cx.ci.export(Export::Path(&folder))?;
    }
    Ok(())
}

fn hand_over(cx: &Context, targets: Targets, rollback: &mut Rollback, session: Option<&Session>) -> Result<()> {
    let (stored, written) = (&rollback.stored, &mut rollback.written);
    let format = targets.format.filter(|format| *format != Format::None);
    if format.is_some_and(Format::holds_a_token) && cx.ci.is_ci() && !cx.has_masked() {
        cx.console.warn(&format!("{} has no masks: whoever reads its log sees the token that is printed there", cx.ci.name()));
    }
    let print = || format.map_or(Ok(()), |format| print(cx, stored, format));
    let mut places = targets.deliver(stored, session.map(Session::name), cx.ci.as_ref(), print, written)?;
    add_to_path(cx)?;
    if format.is_some() && !cx.ci.is_ci() {
        // Nobody reads a summary here, so don't read the file of the time zone for one.
        return Ok(());
    }
    places.extend(session.map(|session| Destination::Session(session.name().to_owned())));
    let (now, zone) = (cx.now(), clock::zone(&cx.environment));
    let used = cx.options.token.of_others();
    if format.is_none() {
        cx.console.say(&for_people(stored, &places, &used, now, &zone));
    }
    // The token is in place: it must not be taken back because a page can't be written.
    if let Err(error) = cx.ci.export(Export::Summary(&for_the_step(stored, &places, &used, now, &zone))) {
        cx.console.warn(&error.to_string());
    }
    Ok(())
}
