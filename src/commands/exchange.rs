//! `exchange-oidc-token`: exchanges an identity token as jf does, and prints what jf prints.

use serde::Serialize;
use zeroize::Zeroizing;

use super::CommandSpec;
use crate::api::TokenRequest;
use crate::deliver::{Targets, pretty};
use crate::error::Error;
use crate::lifecycle::{Context, LOCK, NewToken, issue, rehearse};
use crate::options::table::{DRY_RUN, OIDC_PROVIDER, PROJECT, REVOKE, SESSION, VERBOSE};
use crate::options::{Group, Operands, Syntax};
use crate::session::StoredToken;

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: "exchange-oidc-token",
        aliases: &["eot"],
        usage: "jf-token exchange-oidc-token [OPTIONS] PROVIDER [TOKEN]",
        about: "Exchange an identity token for an access token, and print it with its user as jf does",
        examples: &["jf-token exchange-oidc-token github"],
        operands: Operands::Exchange,
        groups: &[Group::Connection, Group::Credential],
        options: &[&PROJECT, &SESSION, &REVOKE, &DRY_RUN, &VERBOSE],
        formats: &[],
    },
    run,
};

/// jf's output (seen in jf 2.121).
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Printed<'a> {
    access_token: &'a str,
    username: String,
}

fn run(cx: &Context) -> anyhow::Result<i32> {
    if cx.options.credential.get(&OIDC_PROVIDER).is_none() {
        let help = "Name the platform's OIDC provider: jf-token exchange-oidc-token PROVIDER [TOKEN].";
        return Err(Error::input("there is no provider", help).into());
    }
    if cx.options.diagnostics.dry_run {
        return Ok(rehearse(cx, None).map(|()| 0)?);
    }
    let mut targets = Targets::default();
    // In a CI the job's end ends it too, if it still lives then.
    let session = if cx.ci.is_ci() || cx.options.session.name.is_some() { Some(cx.session_for_new_token()?) } else { None };
    let mut new = NewToken::new(cx, TokenRequest::default())?;
    new.issuing = new.issuing.exchange_alone();
    let mut guard = session.as_ref().map(|session| session.lock(LOCK)).transpose()?;
    cx.block_on(async {
        let rollback = issue(cx, guard.as_mut(), &new, &mut targets).await?;
        match cx.token_data(&printed(&rollback.stored)) {
            Ok(()) => {
                rollback.commit();
                Ok(())
            }
            Err(error) => Err(rollback.undo(error).await),
        }
    })?;
    Ok(0)
}

fn printed(stored: &StoredToken) -> Zeroizing<String> {
    let username = stored.token.username().unwrap_or_default();
    Zeroizing::new(pretty(&Printed { access_token: stored.token.access_token.expose(), username }))
}
