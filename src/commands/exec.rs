//! `exec`: runs a program with a fresh token, and hides every secret in what it prints.

use std::fs::File;
use std::time::Duration;

use super::CommandSpec;
use crate::api::max_life;
use crate::deliver::{Targets, variable};
use crate::error::{Error, Kind, Result};
use crate::lifecycle::{Context, LOCK, NewToken, Program, Start, TokenSource, add_files, issue, rehearse};
use crate::options::table::{
    ACCESS_TOKEN, DRY_RUN, ENV_VAR, MERGE, OUTPUT_FILE, OUTPUT_REFRESH_TOKEN, OVERWRITE, RENEW_BY, REVOKE, SESSION, TOKEN_FILE, VERBOSE,
};
use crate::options::{Group, Operands, Revoke, Syntax, table};
use crate::os;
use crate::session::{OF_EXEC, Owner, Session, StoredToken};

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: "exec",
        aliases: &[],
        usage: "jf-token exec [OPTIONS] -- PROGRAM [ARGUMENTS]",
        about: "Run a program with a fresh token in its environment, every secret hidden in what it prints, and revoke the token at its end",
        examples: &["jf-token exec --groups deployers -- ./publish.sh"],
        operands: Operands::Program,
        groups: &[Group::Connection, Group::Credential, Group::Token, Group::Program],
        options: &[
            &OUTPUT_FILE,
            &TOKEN_FILE,
            &OVERWRITE,
            &MERGE,
            &ENV_VAR,
            &OUTPUT_REFRESH_TOKEN,
            &RENEW_BY,
            &SESSION,
            &REVOKE,
            &DRY_RUN,
            &VERBOSE,
        ],
        formats: &[],
    },
    run,
};

/// How long a token lives if no life was asked for: as long as a job on GitHub's own machines may take.
const LIFE: Duration = Duration::from_secs(6 * 3600);

fn run(cx: &Context) -> anyhow::Result<i32> {
    Ok(exec(cx)?)
}

fn exec(cx: &Context) -> Result<i32> {
    let name = cx.options.hand_over.env_var.as_ref().map(variable).transpose()?.unwrap_or(ACCESS_TOKEN.variable);
    let targets = Targets::files_only(&cx.options.hand_over)?;
    let program = Program::find(cx)?;
    cx.transport()?;
    let mut session = cx.session()?;
    targets.check_apart(&cx.files_of_credential(), &cx.only_here(Some(&session)), Some(session.home()), cx.ci.as_ref())?;
    if cx.options.session.name.is_none() {
        session = session.of_its_own(OF_EXEC);
    }
    if cx.options.diagnostics.dry_run {
        return dry_run(cx, &session).map(|()| 0);
    }
    // Before there is a token: of a program whose secrets aren't all known nothing could be passed on.
    session.check_all()?;
    Session::check_owner(cx.place())?;
    // From now on, signals are for the program.
    let signals = {
        let _inside = cx.runtime()?.enter();
        os::Signals::new()
    };
    let (stored, user) = match join(cx, &session, &targets)? {
        Some(joined) => joined,
        None => begin(cx, &session, targets)?,
    };
    let given = cx.credential().ok().flatten();
    let credentials: Vec<_> = given.into_iter().chain(cx.remembered_credential(&stored.issuing)).collect();
    // What is given as the credential may be the session's own token, which the program gets anyway.
    let state = session.read()?;
    let secrets = credentials.iter().flat_map(|credential| credential.secrets());
    let secrets = secrets.chain(cx.transport()?.secrets());
    let secrets: Vec<_> = secrets.filter(|secret| !state.knows(secret)).cloned().collect();
    let ended = program.run(cx, Start { session: &session, user, stored: &stored, variable: name, credentials, secrets, signals })?;
    let (mut failed, mut last_line) = (false, None);
    match &ended.session {
        // Outside a job's log, nobody asks what became of a single token.
        Ok(done) => last_line = done.line().filter(|_| cx.ci.is_ci() || done.is_much()),
        Err(error) => {
            cx.report(error);
            failed = cx.options.session.revoke == Revoke::Strict;
        }
    }
    let code = ended.exit_code(cx)?;
    // Once all that the program printed is passed on.
    if let Some(line) = last_line {
        cx.console.say(&line);
    }
    Ok(if failed && code == 0 { Kind::Local.exit_code(true) } else { code })
}

/// Says what would be asked for, unless the session has a token that would be used.
fn dry_run(cx: &Context, session: &Session) -> Result<()> {
    let request = cx.token_request(Some(LIFE), true)?;
    match &session.read()?.current {
        Some(stored) => {
            let (token, name) = (stored.token.name(), session.name());
            cx.console.say(&format!("would use the token of the session '{name}', {token}, which {}", cx.end_of(stored)));
            Ok(())
        }
        None => rehearse(cx, Some(request)),
    }
}

/// The token of a session that already has one, and the file that counts this process as its user.
fn join(cx: &Context, session: &Session, targets: &Targets) -> Result<Option<(StoredToken, File)>> {
    if session.read()?.is_empty() {
        return Ok(None);
    }
    let Some(user) = session.enter()? else { return Ok(None) };
    let state = session.read()?;
    let Some(current) = &state.current else { return Ok(None) };
    let of_a_request = |name: &str| table::ALL.iter().any(|option| option.name == name && option.group == Group::Token);
    let given = cx.options.flags.iter().find(|(name, _)| of_a_request(name));
    // Two that ask for the same share one token.
    let same = || {
        let (mut wanted, most) = (cx.wanted(Some(LIFE), true)?, max_life(&cx.options.token)?);
        let asked = current.issuing.request();
        if cx.options.token.force_revocable.is_none() {
            // The platform may not have known that.
            wanted.force_revocable = asked.is_some_and(|asked| asked.force_revocable);
        }
        Ok(state.owner == Owner::Exec && asked == Some(&wanted) && most == current.max_life)
    };
    if let Some((name, _)) = given
        && !same()?
    {
        let what = format!("--{name}: the session '{}' already has a token, of another kind", session.name());
        let help =
            format!("Leave it out, or leave --session out, or end that session first: jf-token revoke --session {}.", session.name());
        return Err(Error::input(what, help));
    }
    let stored = match TokenSource::new(cx, session.clone()).token(None) {
        // It was ended at this moment: a token of its own is as good.
        Err(_) if session.read().is_ok_and(|state| state.current.is_none()) => return Ok(None),
        stored => stored?,
    };
    add_files(targets, session)?;
    cx.mask_stored(&stored)?;
    Ok(Some((stored, user)))
}

/// Issues a token, in a session that ends with the program.
fn begin(cx: &Context, session: &Session, mut targets: Targets) -> Result<(StoredToken, File)> {
    let new = NewToken { owner: Owner::Exec, ..NewToken::new(cx, cx.token_request(Some(LIFE), true)?)? };
    let mut guard = session.lock(LOCK)?;
    if !guard.state.is_empty() {
        // Another one was quicker.
        drop(guard);
        return join(cx, session, &targets)?.ok_or_else(|| session.is_held());
    }
    // From now on nobody takes the session for forgotten.
    let user = session.enter()?.ok_or_else(|| session.is_held())?;
    let stored = cx.block_on(async {
        let mut rollback = issue(cx, Some(&mut guard), &new, &mut targets).await?;
        match targets.write_files(&rollback.stored, &mut rollback.written) {
            Ok(()) => Ok(rollback.commit()),
            Err(error) => Err(rollback.undo(error).await),
        }
    })?;
    Ok((stored, user))
}
