//! `keep`: keeps the session's token, and the files that hold it, fresh until the job ends.

use std::path::PathBuf;

use super::CommandSpec;
use crate::deliver::Targets;
use crate::lifecycle::keep::{KEEP, keep, talk_to_log};
use crate::lifecycle::{Context, Launch, Role, TokenSource, add_files};
use crate::options::table::{
    CA_FILE, FOREGROUND, HEADER, INSECURE_HTTP, INSECURE_TLS, LOG_FILE, MERGE, OUTPUT_FILE, OUTPUT_REFRESH_TOKEN, OVERWRITE, RENEW_BY,
    SESSION, TOKEN_FILE, UNTIL_PID, URL, VERBOSE,
};
use crate::options::{Group, Operands, Syntax};

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: KEEP,
        aliases: &[],
        usage: "jf-token keep [OPTIONS]",
        about: "Renew the session's token in the background until the process that started jf-token ends, and rewrite its files",
        examples: &["jf-token keep --until-pid $$ --token-file token.txt"],
        operands: Operands::None,
        groups: &[Group::Credential],
        // A keeper tries again by itself, so it has no --retry-for.
        options: &[
            &URL,
            &INSECURE_HTTP,
            &CA_FILE,
            &INSECURE_TLS,
            &HEADER,
            &OUTPUT_FILE,
            &TOKEN_FILE,
            &OVERWRITE,
            &MERGE,
            &OUTPUT_REFRESH_TOKEN,
            &RENEW_BY,
            &UNTIL_PID,
            &FOREGROUND,
            &LOG_FILE,
            &SESSION,
            &VERBOSE,
        ],
        formats: &[],
    },
    run,
};

fn run(cx: &Context) -> anyhow::Result<i32> {
    let renewal = &cx.options.renewal;
    let launch = Launch::new(cx)?;
    let targets = Targets::files_only(&cx.options.hand_over)?;
    let session = cx.session_of_job()?;
    targets.check_apart(&cx.files_of_credential(), &cx.only_here(Some(&session)), Some(session.home()), cx.ci.as_ref())?;
    // A keeper that can't renew is useless: better to fail now than when the token expires.
    if renewal.foreground || !session.has_keeper() {
        TokenSource::new(cx, session.clone()).check_means()?;
    }
    if !renewal.foreground {
        add_files(&targets, &session)?;
        launch.start(cx, &session)?;
        return Ok(0);
    }
    let role = match &renewal.log_file {
        None => Role::Keeper,
        Some(log) => {
            talk_to_log(cx, PathBuf::from(&log.text));
            Role::LoggedKeeper
        }
    };
    keep(cx, &session, &targets, &launch, role)?;
    Ok(0)
}
