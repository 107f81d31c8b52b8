//! Run a program with a fresh token, and hide every secret in what it prints.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::process::{Command as Process, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use super::keeper::Keeper;
use super::mint::{Wanted, mint};
use super::redact::{Hider, Watch, pass_on};
use super::renew::{Renewer, Role};
use super::revoke::{self, When};
use super::{Job, LOCK, OWN_FAILURE, keep};
use crate::deliver::{Delivery, variable};
use crate::error::{Error, Kind, Result};
use crate::inputs::Order;
use crate::inputs::options::{self, ENV_VAR, HOME, RENEW_BY, SESSION, URL};
use crate::os;
use crate::redact::Secret;
use crate::session::{Held, OF_EXEC, RenewBy, Session};

/// As a shell has it.
const NOT_FOUND: u8 = 127;
const NOT_EXECUTABLE: u8 = 126;
/// How often it is looked whether the token must be renewed, at least.
const LOOK: Duration = Duration::from_millis(500);
/// How often it is looked how the program has set its terminal.
const LOOK_AT_SCREENS: Duration = Duration::from_millis(50);

/// What the thread that runs the program tells.
enum News {
    Started,
    NotStarted(io::Error),
    Ended(io::Result<ExitStatus>),
}

pub fn run(job: &Job) -> u8 {
    // The program reads from the same, so that no byte too many may be read here.
    let mut first_line = FirstLine { from: os::stdin().ok(), ended: false };
    let mut job = Job::new(job.inputs, &mut first_line, job.console, job.ci, job.now);
    attend_to(&mut job).unwrap_or_else(|error| fail(&job, error))
}

fn attend_to(job: &mut Job) -> Result<u8> {
    let name =
        job.inputs.text(&ENV_VAR)?.map(variable).transpose()?.map_or_else(|| options::ACCESS_TOKEN.variable.to_owned(), |given| given.text);
    let by = job.inputs.word(&RENEW_BY, &RenewBy::WORDS)?;
    let when = job.inputs.word(&options::REVOKE, &When::WORDS)?.unwrap_or_default();
    let delivery = Delivery::files_only(job.inputs)?;
    let program = look_for(job)?;
    let mut session = Session::find(job.inputs, job.ci)?;
    if job.inputs.text(&SESSION)?.is_none() {
        session = session.of_its_own(OF_EXEC);
    }
    // Signals that come from now on are the program's.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(Kind::Local, format!("signals can't be listened to: {error}"), ""))?;
    let signals = runtime.block_on(async { os::Signals::new() });

    let mut user = if session.read()?.tokens.is_empty() { None } else { Some(session.enter()?) };
    let state = session.read()?;
    let held = if state.tokens.is_empty() {
        drop(user.take());
        let held = begin(job, &session, delivery)?;
        user = session.enter().ok();
        held
    } else {
        join(job, &session, by, &delivery)?
    };
    let credential = job.credential().ok().flatten().map(|found| found.secret);
    // What is called so in a session may be its own token, which the program gets anyway.
    let credential = credential.filter(|secret| !state.secrets().any(|ours| ours == secret));
    let process = process(job, &program, &session, &name, &held, credential.as_ref());
    let watch = Watch::new(session.clone(), credential);
    let ended = start(job, process, watch, runtime, signals).map(|running| running.attend(job, &session, by));
    // Not when all is read that the program has printed: a reader may take its time. The last that uses a session which some exec has begun ends it.
    let rest = user.map(|user| session.leave(user));
    let is_last = rest.as_ref().is_none_or(Option::is_some);
    let mut failed = false;
    if is_last
        && session.read().is_ok_and(|state| state.tokens.iter().any(|held| held.of_exec))
        && let Err(error) = revoke::end_session(job, &session, when, true)
    {
        job.console.failure(&error.into());
        failed = when == When::Strict;
    }
    drop(rest);
    let code = ended?.exit_code(job)?;
    Ok(if failed && code == 0 { OWN_FAILURE } else { code })
}

fn fail(job: &Job, error: Error) -> u8 {
    let code = match error.kind() {
        Kind::NotFound => NOT_FOUND,
        Kind::NotExecutable => NOT_EXECUTABLE,
        Kind::Interrupted(_) => error.kind().exit_code(),
        _ => OWN_FAILURE,
    };
    job.console.failure(&error.into());
    code
}

/// The first line of standard input, and no byte more: the rest is the program's.
struct FirstLine {
    from: Option<File>,
    ended: bool,
}

impl Read for FirstLine {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let (Some(from), Some(to), false) = (&mut self.from, to.first_chunk_mut::<1>(), self.ended) else { return Ok(0) };
        let read = from.read(to)?;
        self.ended = read == 0 || to == b"\n";
        Ok(read)
    }
}

/// Where the program is. One that is not there is told before there is a token.
fn look_for(job: &Job) -> Result<PathBuf> {
    let program = job.inputs.program.first().map_or(Path::new(""), Path::new);
    // What has a folder is looked for nowhere else.
    let folders = if program.components().count() > 1 { Some(OsString::new()) } else { job.inputs.environment.os("PATH") };
    // Without PATH the system knows where to look.
    let Some(folders) = folders else { return Ok(program.to_owned()) };
    let places: Vec<_> = std::env::split_paths(&folders).map(|folder| folder.join(program)).collect();
    if let Some(place) = places.iter().find(|place| os::is_program(place)) {
        return Ok(place.clone());
    }
    let kind = if !program.as_os_str().is_empty() && places.iter().any(|place| place.exists()) {
        ErrorKind::PermissionDenied
    } else {
        ErrorKind::NotFound
    };
    Err(not_started(&job.inputs.program, &kind.into()))
}

/// The token of a session that has one.
fn join(job: &mut Job, session: &Session, by: Option<RenewBy>, delivery: &Delivery) -> Result<Held> {
    let order = |name: &str| {
        options::ALL.iter().any(|option| option.name == name && option.commands == options::OF_AN_ORDER && name != ENV_VAR.name)
    };
    if let Some((name, _)) = job.inputs.flags().find(|(name, _)| order(name)) {
        let what = format!("--{name}: the session '{}' has its token already", session.name());
        let next =
            format!("Leave it out, or leave --session out, or end that session first: jf-token revoke --session {}.", session.name());
        return Err(Error::input(what, next));
    }
    let held = Renewer::new(job, session.clone(), by).usable(None)?;
    keep::add_files(delivery, session)?;
    if !held.masked {
        job.console.mask(held.grant.secrets());
    }
    Ok(held)
}

/// A new token, in a session that ends with the program.
fn begin(job: &mut Job, session: &Session, mut delivery: Delivery) -> Result<Held> {
    let mut wanted = Wanted::new(job, Order::new(job.inputs)?)?;
    wanted.of_exec = true;
    wanted.find_credential(job)?;
    let minted = mint(job, &wanted, Some(session.lock(LOCK)?), &mut delivery)?;
    match delivery.finish_files(&minted.held) {
        Ok(()) => Ok(minted.held),
        Err(error) => minted.undo(job, &wanted, error),
    }
}

/// The program at work.
struct Running {
    news: Receiver<News>,
    over: Arc<AtomicBool>,
    /// What it prints is passed on by these, which end when the other end is gone.
    passing: Vec<thread::JoinHandle<io::Result<()>>>,
    /// Dropped, it tells them that the program has ended.
    end: io::PipeWriter,
    hider: Arc<Hider>,
}

/// The program at its end.
struct Ended {
    status: io::Result<ExitStatus>,
    passing: Vec<thread::JoinHandle<io::Result<()>>>,
}

/// The program, to be started.
fn process(job: &Job, place: &Path, session: &Session, name: &str, held: &Held, credential: Option<&Secret>) -> Process {
    // By its place, so that it is not looked for again: that costs a copy of all our memory's tables.
    let mut process = os::program(place, job.inputs.program.first().map_or(OsStr::new(""), |program| program));
    process.args(job.inputs.program.iter().skip(1)).env_clear();
    process.envs(job.environment_without(credential));
    process.env(URL.variable, held.platform.as_str()).env(SESSION.variable, session.name()).env(HOME, session.home());
    process.env(name, held.grant.access_token.expose());
    process
}

fn start(job: &Job, mut process: Process, watch: Watch, runtime: tokio::runtime::Runtime, signals: os::Signals) -> Result<Running> {
    let fail = |error: io::Error| Error::new(Kind::Local, format!("no pipe for what the program prints: {error}"), "");
    let hider = Arc::new(Hider::new(watch));
    let (ended, end) = io::pipe().map_err(fail)?;
    let outputs = os::Outputs::new().map_err(fail)?;
    let mut passing = Vec::new();
    for (from, own) in outputs.streams {
        let (hider, ended) = (hider.clone(), ended.try_clone().map_err(fail)?);
        passing.push(thread::spawn(move || pass_on(&from, own, &hider, Some(&ended))));
    }
    let [stdout, stderr] = outputs.ends;
    process.stdout(stdout).stderr(stderr);
    let mut screens = outputs.screens;
    let (tell, news) = mpsc::channel();
    let over = Arc::new(AtomicBool::new(false));
    let flag = over.clone();
    thread::spawn(move || {
        let ended = runtime.block_on(attend(process, signals, &mut screens, &tell));
        flag.store(true, Ordering::Relaxed);
        // Nobody listens any more when we are ending anyway.
        let _ = tell.send(ended);
    });
    match news.recv() {
        Ok(News::Started) => Ok(Running { news, over, passing, end, hider }),
        Ok(News::NotStarted(error)) => Err(not_started(&job.inputs.program, &error)),
        _ => Err(Error::new(Kind::Local, "the program can't be attended", "")),
    }
}

/// Starts the program, passes signals on to it, and waits for its end.
async fn attend(process: Process, mut signals: os::Signals, screens: &mut os::Screens, tell: &Sender<News>) -> News {
    let started = tokio::process::Command::from(process).spawn();
    let mut child = match started {
        Ok(child) => child,
        Err(error) => return News::NotStarted(error),
    };
    let _ = tell.send(News::Started);
    let mut looks = tokio::time::interval(LOOK_AT_SCREENS);
    let ended = loop {
        tokio::select! {
            ended = child.wait() => break ended,
            signal = signals.next() => os::pass_on(signal, child.id(), screens),
            _ = looks.tick(), if !screens.is_empty() => screens.follow(),
        }
    };
    screens.follow();
    News::Ended(ended)
}

impl Running {
    /// Keeps the token fresh until the program has ended.
    fn attend(self, job: &mut Job, session: &Session, by: Option<RenewBy>) -> Ended {
        let mut lock = None;
        let mut goes_on = true;
        let over = self.over.clone();
        let mut renewer = Renewer::new(job, session.clone(), by);
        renewer.role = Role::Exec;
        renewer.stop = Box::new(move || {
            let over = over.clone();
            Box::pin(async move {
                while !over.load(Ordering::Relaxed) {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                0
            })
        });
        let mut keeper = Keeper::new(renewer);
        let status = loop {
            let mut wait = LOOK;
            // Another may be the session's keeper, and may end before this program does. Of a session that is over nothing is left behind.
            if goes_on && lock.is_none() && !session.has_keeper() && session.read().is_ok_and(|state| !state.tokens.is_empty()) {
                lock = session.become_keeper(None).ok().flatten();
            }
            if goes_on && lock.is_some() {
                match keeper.look() {
                    Ok(Some(next)) => wait = Duration::from_millis(next).min(LOOK),
                    // Revoked by somebody else, or not to be renewed: the program goes on with what it has.
                    Ok(None) => goes_on = false,
                    Err(error) => {
                        goes_on = false;
                        if !matches!(error.kind(), Kind::Interrupted(_)) {
                            keeper.renewer.job.console.warn(&format!("the token is no longer kept fresh: {error}\n{}", error.next()));
                        }
                    }
                }
            }
            match self.news.recv_timeout(wait) {
                Ok(News::Ended(status)) => break status,
                Err(RecvTimeoutError::Disconnected) => break Err(io::Error::other("it was lost sight of")),
                _ => {}
            }
        };
        // What it printed last may hold what will soon be known no more.
        self.hider.look();
        drop(self.end);
        Ended { status, passing: self.passing }
    }
}

impl Ended {
    /// The program's exit code, once all that it printed is passed on.
    fn exit_code(self, job: &Job) -> Result<u8> {
        let passed = self.passing.into_iter().filter_map(|passing| passing.join().ok());
        // Who does not read any more misses nothing.
        let failed = passed.filter_map(io::Result::err).filter(|error| error.kind() != ErrorKind::BrokenPipe).last();
        let failed = failed.map(|error| Error::new(Kind::Local, format!("what the program prints can't be written: {error}"), ""));
        let code = self.status.map(os::exit_code);
        let code = code.map_err(|error| Error::new(Kind::Local, format!("the program can't be waited for: {error}"), ""))?;
        match failed {
            Some(error) if code == 0 => return Err(error),
            Some(error) => drop(job.console.failure(&error.into())),
            None => {}
        }
        Ok(code)
    }
}

fn not_started(program: &[OsString], error: &io::Error) -> Error {
    let name = program.first().map(|name| crate::inputs::shown(&name.to_string_lossy())).unwrap_or_default();
    match error.kind() {
        ErrorKind::NotFound => Error::new(Kind::NotFound, format!("there is no program '{name}'"), "Check its name, and PATH."),
        _ => Error::new(
            Kind::NotExecutable,
            format!("'{name}' can't be started: {error}"),
            "Is it a program, and executable? A shell's own words need the shell: -- sh -c '…'.",
        ),
    }
}
