//! `status`: shows what the job's sessions remember: their tokens, how they were issued and are renewed, and what holds them. Asks nobody.

use serde_json::Value;

use super::CommandSpec;
use crate::credential::Issuing;
use crate::deliver::{object, pretty, table};
use crate::error::{Error, Kind};
use crate::io::clock::{self, Timestamp};
use crate::lifecycle::{Context, MINT_FIRST};
use crate::options::table::{FORMAT, SESSION};
use crate::options::{Format, Operands, Syntax, shown};
use crate::session::{Session, State, StoredToken};

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: "status",
        aliases: &[],
        usage: "jf-token status [OPTIONS]",
        about: "Show this job's sessions: whose their tokens are, until when, how they are renewed, what holds them; never a token",
        examples: &["jf-token status", "jf-token status --format json"],
        operands: Operands::None,
        groups: &[],
        options: &[&FORMAT, &SESSION],
        formats: &[Format::Table, Format::Json],
    },
    run,
};

/// A fact: its name in the table and, with underscores, in JSON; what the table says, if anything; what JSON says.
type Row = (&'static str, Option<String>, Value);

fn run(cx: &Context) -> anyhow::Result<i32> {
    let meant = cx.session()?;
    let sessions = if cx.options.session.name.is_some() { vec![meant.clone()] } else { meant.all()?.collect() };
    let read: Vec<_> = sessions.iter().map(|session| (session, session.read())).filter(|(session, _)| session.exists()).collect();
    let shown: Vec<_> = read.iter().map(|(session, state)| Shown::new(cx, session, state.as_ref())).collect();
    cx.console.data(&if cx.options.hand_over.format == Some(Format::Json) {
        let sessions = shown.into_iter().map(Shown::json).collect::<Vec<_>>();
        pretty(&object([("folder", Value::from(meant.home().display().to_string())), ("sessions", sessions.into())]))
    } else {
        shown.into_iter().map(Shown::table).collect::<Vec<_>>().join("\n")
    })?;
    if let Some(exposure) = cx.exposure() {
        cx.console.say(&exposure);
    }
    let holds_a_token = read.iter().any(|(_, state)| state.as_ref().is_ok_and(|state| state.current.is_some()));
    if let Some(unreadable) = read.into_iter().find_map(|(_, state)| state.err()) {
        return Err(unreadable.into());
    }
    if holds_a_token {
        return Ok(0);
    }
    let what = match &cx.options.session.name {
        Some(_) => format!("the session '{}' holds no token", meant.name()),
        None => format!("no session in {} holds a token", meant.home().display()),
    };
    Err(Error::new(Kind::NoCredential, what, MINT_FIRST).into())
}

/// What is shown of a session.
struct Shown {
    name: Row,
    token: Vec<Row>,
    rest: Vec<Row>,
}

impl Shown {
    fn new(cx: &Context, session: &Session, state: Result<&State, &Error>) -> Self {
        let token = state.ok().and_then(|state| Some(of_token(cx, state, state.current.as_ref()?)));
        let problem = state.err().map(ToString::to_string);
        let rest = of_session(session, state.unwrap_or(&State::default())).into_iter().chain([text("problem", problem.as_deref())]);
        Self { name: text("session", Some(session.name())), token: token.into_iter().flatten().collect(), rest: rest.collect() }
    }

    fn json(self) -> Value {
        let fields = |rows: Vec<Row>| rows.into_iter().map(|(name, _, value)| (name.replace(' ', "_"), value));
        let token = if self.token.is_empty() { Value::Null } else { object(fields(self.token)) };
        object(fields(self.rest).chain([(self.name.0.to_owned(), self.name.2), ("token".to_owned(), token)]))
    }

    fn table(self) -> String {
        let rows = [self.name].into_iter().chain(self.token).chain(self.rest);
        table(rows.map(|(name, text, _)| (name.to_owned(), text)).collect())
    }
}

fn of_token(cx: &Context, state: &State, stored: &StoredToken) -> [Row; 12] {
    let (now, zone, token) = (cx.now(), clock::zone(&cx.environment), &stored.token);
    let local = |at: Timestamp| clock::local_and_relative(at, now, &zone);
    let time = |name, at: Option<Timestamp>, none: Option<&str>| -> Row {
        (name, at.map(local).or(none.map(str::to_owned)), at.and_then(Timestamp::rfc3339).into())
    };
    let provider = stored.issuing.exchange().map(|exchange| shown(&exchange.provider_name));
    let by_refresh = token.refresh_token.is_some() && stored.renew_by.allows_refresh();
    let renewed_by = if by_refresh { "refresh" } else { way(&stored.issuing) };
    [
        text("platform", Some(stored.platform.as_str())),
        text("token id", Some(&token.token_id)),
        text("username", token.username().as_deref()),
        text("scope", Some(&token.scope)),
        time("issued at", Some(token.issued_at), None),
        time("expires at", token.expires_at(), Some("never")),
        ("seconds left", None, token.expires_at().map(|end| end.since(now).as_secs()).into()),
        text("issued by", Some(way(&stored.issuing))),
        text("oidc provider", provider.as_deref()),
        text("renewed by", Some(renewed_by)),
        time("last renewal", Some(token.issued_at).filter(|_| state.renewed > 0), None),
        text("variable", stored.variable.as_deref()),
    ]
}

fn of_session(session: &Session, state: &State) -> Vec<Row> {
    let files: Vec<_> = state.files().map(|file| file.path.display().to_string()).collect();
    let (keeps, process, why) = (session.has_keeper(), session.keeper_process(), state.why_not_kept());
    let keeper = match (&why, process) {
        (_, Some(process)) => format!("process {process}"),
        _ if keeps => "running".into(),
        (Some(why), None) => format!("none: {why}"),
        (None, None) => "none".into(),
    };
    let is_used = session.is_in_use();
    let number = |name, number: usize| -> Row { (name, (number > 0).then(|| number.to_string()), number.into()) };
    let keeper_fields = [("running", keeps.into()), ("process", process.into()), ("failure", why.into())];
    vec![
        ("files", Some(files.join(", ")).filter(|files| !files.is_empty()), files.into()),
        ("keeper", Some(keeper), object(keeper_fields)),
        ("in use", is_used.then(|| "by a program".into()), is_used.into()),
        number("renewals", state.renewed as usize),
        number("earlier tokens", state.tokens().count() - state.current.iter().count()),
        number("lost tokens", state.lost.len()),
    ]
}

fn text(name: &'static str, value: Option<&str>) -> Row {
    let value = value.filter(|value| !value.is_empty()).map(str::to_owned);
    (name, value.clone(), value.into())
}

/// How a token is issued, in a word.
fn way(issuing: &Issuing) -> &'static str {
    match (issuing.exchange(), issuing.request()) {
        (Some(_), Some(_)) => "exchange and mint",
        (Some(_), None) => "exchange",
        (None, _) => "mint",
    }
}
