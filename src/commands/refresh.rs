//! `refresh`: renews the session's token now.

use super::{CommandSpec, print};
use crate::ci::Export;
use crate::deliver::{Destination, for_people};
use crate::error::{Error, Kind};
use crate::io::clock;
use crate::lifecycle::{Context, LOCK, TokenSource};
use crate::options::table::{FORMAT, OUTPUT_REFRESH_TOKEN, RENEW_BY, SESSION, VERBOSE};
use crate::options::{Format, Group, Operands, Syntax};

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: "refresh",
        aliases: &[],
        usage: "jf-token refresh [OPTIONS]",
        about: "Renew the session's token now",
        examples: &["jf-token refresh --format none"],
        operands: Operands::None,
        groups: &[Group::Connection, Group::Credential],
        options: &[&FORMAT, &OUTPUT_REFRESH_TOKEN, &RENEW_BY, &SESSION, &VERBOSE],
        formats: &[
            Format::Json,
            Format::Token,
            Format::Env,
            Format::Shell,
            Format::PowerShell,
            Format::Header,
            Format::Reference,
            Format::None,
        ],
    },
    run,
};

fn run(cx: &Context) -> anyhow::Result<i32> {
    let format = cx.options.hand_over.format.filter(|format| *format != Format::None);
    let mut source = TokenSource::new(cx, cx.session_of_job()?);
    // Check first, so that nothing is created on the disk for a session that does not exist.
    source.check_means()?;
    let mut guard = source.session.lock(LOCK)?;
    source.warn_if_not_kept(&guard.state);
    cx.block_on(source.renew(&mut guard, cx.limits()))?;
    let stored = guard.state.current.as_ref().ok_or_else(|| Error::new(Kind::Local, "the session was emptied", ""))?;
    if let Some(format) = format {
        return Ok(print(cx, stored, format).map(|()| 0)?);
    }
    let mut places: Vec<_> = stored.files.iter().map(|file| Destination::File(file.path.clone())).collect();
    let set = stored.variable.iter().filter(|name| cx.ci.prepare(&[Export::Variable { name, value: "" }]).is_ok());
    places.extend(set.map(|name| Destination::Variable(name.clone())));
    places.push(Destination::Session(guard.name().to_owned()));
    let zone = clock::zone(&cx.environment);
    cx.console.say(&for_people(stored, &places, &[], cx.now(), &zone));
    Ok(0)
}
