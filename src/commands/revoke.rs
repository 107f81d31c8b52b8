//! `revoke`: revokes the session's tokens, and removes what was written for them.

use super::CommandSpec;
use crate::api::Revoked;
use crate::error::Result;
use crate::lifecycle::{Context, end_session};
use crate::options::table::VERBOSE;
use crate::options::{Group, InputValue, Operands, Revoke, Syntax};

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: "revoke",
        aliases: &[],
        usage: "jf-token revoke [OPTIONS]",
        about: "End every token of the session and remove what was written for it",
        operands: Operands::None,
        groups: &[Group::Connection, Group::Session],
        options: &[&VERBOSE],
        formats: &[],
    },
    run,
};

fn run(cx: &Context) -> anyhow::Result<u8> {
    let options = &cx.options.session;
    if let Some(action) = &cx.action {
        if action.saved_session().is_none() && options.name.is_none() {
            // The main step failed early and said why. It left nothing to revoke.
            return Ok(0);
        }
    } else if let Some(id) = &options.token_id {
        one(cx, id)?;
        return Ok(0);
    }
    match end_session(cx, &cx.session()?, options.revoke, false) {
        Err(error) if cx.action.is_some() && options.revoke != Revoke::Strict => {
            cx.console.warn(&format!("{error}\n{}", error.help()));
            Ok(0)
        }
        done => Ok(done.map(|()| 0)?),
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
        let bearer = credential.authenticate().await?;
        cx.with_client(&platform, cx.limits(), async |client| client.revoke(id, &bearer).await).await
    })?;
    cx.console.say(&match revoked {
        Revoked::Done => format!("revoked {id}"),
        Revoked::NotFound => format!("the platform knows no living token {id}"),
        Revoked::NotRevocable => format!("{id} is too short-lived for the platform to revoke; it ends by itself"),
    });
    Ok(())
}
