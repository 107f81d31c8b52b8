//! Runs a program with a fresh token, and hides every secret in what it prints.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use redact::Secret;
use tokio::process::Child;

use super::keep::{Keeper, LOOK};
use super::{Context, Done, EndHow, REQUEST, Role, Seen, Stop, Witness, end_out_of_reach, end_session_into};
use crate::credential::Credential;
use crate::error::{Error, Kind, Result};
use crate::io::{SharedRedactor, pass_on};
use crate::options::table::{HOME, SESSION, URL};
use crate::options::{Revoke, shown};
use crate::os;
use crate::session::{Owner, Session, StoredToken, Watch};

/// How often to check the settings of the program's terminals.
const LOOK_AT_SCREENS: Duration = Duration::from_millis(50);

/// How long a program may take to end when it is asked to because the parent has ended.
const PARENTS_END: Duration = Duration::from_secs(1);

/// A program that was found.
pub struct Program<'p> {
    place: PathBuf,
    words: &'p [OsString],
}

/// What a program starts with.
pub struct Start<'p> {
    /// The session whose token it gets. The token is kept fresh meanwhile.
    pub session: &'p Session,
    /// Its file that counts this process as a user.
    pub user: File,
    /// The token.
    pub stored: &'p StoredToken,
    /// The variable that the token is put into.
    pub variable: &'p str,
    /// The credential, and that by which the token can be issued again: it must not get them.
    pub credentials: Vec<&'p Credential>,
    /// Their secrets, which it must neither get nor print.
    pub secrets: Vec<Secret>,
    /// The signals, including those that came before the program was started.
    pub signals: os::Signals,
}

/// A program that has ended.
pub struct Ended {
    /// What became of the session, if this was the last use of one that `exec` began.
    pub session: Result<Done>,
    status: io::Result<ExitStatus>,
    passing: Vec<thread::JoinHandle<io::Result<bool>>>,
    redactor: Arc<SharedRedactor>,
    signals: os::Signals,
    /// The process that started this one has ended: nobody waits for the output.
    abandoned: bool,
}

impl<'p> Program<'p> {
    /// Looks for the program, so that it is known to exist before there is a token.
    ///
    /// # Errors
    /// Fails if there is none, or it can't be executed.
    pub fn find(cx: &'p Context) -> Result<Self> {
        let words = &cx.options.program;
        let (program, arguments) = words.split_first().map_or((Path::new(""), words.as_slice()), |(first, rest)| (Path::new(first), rest));
        // A name with a folder is not looked for in PATH.
        let folders = if program.components().count() > 1 { Some(OsString::new()) } else { cx.environment.os("PATH") };
        // Without PATH the system knows where to look.
        let Some(folders) = folders else { return Ok(Self { place: program.to_owned(), words }) };
        let extensions = cx.environment.os("PATHEXT");
        let places: Vec<_> = os::places_in(&folders, program, extensions.as_deref()).collect();
        if let Some(place) = places.iter().find(|place| os::is_program(place)) {
            os::check_arguments(place, arguments).map_err(|error| not_started(words, &error))?;
            return Ok(Self { place: place.clone(), words });
        }
        let kind = if !program.as_os_str().is_empty() && places.iter().any(|place| place.exists()) {
            ErrorKind::PermissionDenied
        } else {
            ErrorKind::NotFound
        };
        Err(not_started(words, &kind.into()))
    }

    /// Runs the program to its end. Meanwhile passes signals on, and keeps the token fresh.
    ///
    /// # Errors
    /// Fails if it can't be started.
    pub fn run(&self, cx: &Context, start: Start) -> Result<Ended> {
        let fail = |error: io::Error| Error::new(Kind::Local, format!("can't make a pipe for the program's output: {error}"), "");
        // The program's lines and ours share standard error from now on.
        cx.masking.stop();
        let redactor = Arc::new(SharedRedactor::new(Watch::new(start.session.clone(), start.secrets.clone()), cx.masks()));
        let mut process = self.process(cx, &start);
        let mut signals = start.signals;
        let outputs = os::Outputs::new().map_err(fail)?;
        let mut passing = Vec::new();
        for (from, own) in outputs.streams {
            let redactor = redactor.clone();
            passing.push(thread::spawn(move || pass_on(from, own, &redactor)));
        }
        let [stdout, stderr] = outputs.ends;
        process.stdout(stdout).stderr(stderr);
        let _tree = os::Tree::new();
        let witness = Witness::new(cx, start.session.clone(), start.user, Session::enter);
        let attended = Attended { cx, session: start.session, witness, redactor: redactor.clone(), parent: watched_parent(cx) };
        // Boxed: it holds a whole renewal.
        let attended = Box::pin(attended.run(process, &mut signals, outputs.screens));
        let (status, session, abandoned) = cx.block_on(async { Ok(attended.await) })?;
        let status = match status {
            Ok(status) => status,
            Err(error) => {
                if let Err(error) = session {
                    cx.report(&error);
                }
                return Err(not_started(self.words, &error));
            }
        };
        // The token has ended: a signal need not wait until somebody reads the output.
        signals.be_as_usual();
        drop(outputs.ending);
        Ok(Ended { session, status, passing, redactor, signals, abandoned })
    }

    /// The program by its full path, so that the system doesn't look for it again: the process would then be forked, which copies all our
    /// memory's tables.
    fn process(&self, cx: &Context, start: &Start) -> Command {
        let mut process = os::program(&self.place, self.words.first().map_or(OsStr::new(""), |program| program));
        process.args(self.words.iter().skip(1)).env_clear();
        process.envs(cx.environment_without(&start.credentials, &start.secrets));
        process.env(URL.variable, start.stored.platform.as_str());
        process.env(SESSION.variable, start.session.name()).env(HOME, start.session.home());
        process.env(start.variable, start.stored.token.access_token.expose());
        process
    }
}

/// The parent whose end ends the program.
fn watched_parent(cx: &Context) -> Option<os::Parent> {
    if cx.options.outlive_parent { None } else { os::Parent::to_watch() }
}

/// What to take care of while the program runs.
struct Attended<'t> {
    cx: &'t Context,
    session: &'t Session,
    witness: Witness<'t>,
    redactor: Arc<SharedRedactor>,
    parent: Option<os::Parent>,
}

/// Why attending ends.
enum End {
    Program(io::Result<ExitStatus>),
    Parent,
}

impl Attended<'_> {
    /// Starts the program, keeps the token fresh, and waits for the program's end, or for the parent's. Returns how the program ended (an
    /// outer error: it did not start), what became of the session, and whether it was the parent that ended.
    async fn run(
        mut self,
        process: Command,
        signals: &mut os::Signals,
        screens: os::Screens,
    ) -> (io::Result<io::Result<ExitStatus>>, Result<Done>, bool) {
        let mut child = match tokio::process::Command::from(process).spawn() {
            Ok(child) => child,
            Err(error) => return (Err(error), self.end_use().await, false),
        };
        let (over, busy) = (AtomicBool::new(false), Cell::new(false));
        let end = {
            let mut keeping =
                std::pin::pin!(keep(self.cx, &mut self.witness, self.session, &self.redactor, Until { over: &over, busy: &busy }));
            let end = tokio::select! {
                end = attend(&mut child, signals, screens, self.parent.as_ref()) => end,
                () = &mut keeping => End::Program(Err(io::Error::other("its end was missed"))),
            };
            over.store(true, Ordering::Relaxed);
            if busy.get() {
                // A renewal that is on its way is waited for.
                let patience = if matches!(end, End::Parent) { PARENTS_END } else { REQUEST };
                let _ = tokio::time::timeout(patience, keeping).await;
            }
            end
        };
        match end {
            // Not once all output is passed on, because a reader may take its time.
            End::Program(status) => (Ok(status), self.end_use().await, false),
            End::Parent => {
                self.cx.console.warn(
                    "the process that started jf-token has ended, so the program is ended and the token revoked (--outlive-parent lets both live on)",
                );
                let (status, session) = tokio::join!(end_program(child), self.end_use());
                (Ok(status), session, true)
            }
        }
    }

    /// Ends this use of the session, and the session if an `exec` began it and nobody else uses it.
    async fn end_use(mut self) -> Result<Done> {
        // The program's last output may contain secrets that the session will soon forget.
        self.redactor.refresh();
        // A session that vanished is written back, so that it can be ended.
        if let Err(error) = self.witness.look() {
            return Err(self.out_of_reach(error).await);
        }
        let rest = self.witness.into_mark().map(|user| self.session.leave(user));
        let mut done = Done::default();
        let is_last = rest.as_ref().is_none_or(Option::is_some);
        if is_last && self.session.read().is_ok_and(|state| state.owner == Owner::Exec && !state.is_empty()) {
            end_session_into(self.cx, self.session, EndHow::new(self.cx.options.session.revoke, true), &mut done).await?;
        }
        drop(rest);
        self.session.tidy();
        Ok(done)
    }

    /// The session can't be read, or be written back: if an `exec` began it and its file is gone, its tokens are ended from memory.
    async fn out_of_reach(self, error: Error) -> Error {
        let known = self.witness.into_known();
        let ends = known.owner == Owner::Exec && !self.session.exists() && self.cx.options.session.revoke != Revoke::Never;
        if ends { end_out_of_reach(self.cx, known, error).await } else { error }
    }
}

/// Ends a program whose parent's parent is gone: first it is asked.
async fn end_program(mut child: Child) -> io::Result<ExitStatus> {
    child.id().into_iter().for_each(os::ask_to_end);
    if let Ok(ended) = tokio::time::timeout(PARENTS_END, child.wait()).await {
        return ended;
    }
    child.kill().await?;
    child.wait().await
}

/// Passes signals and terminal settings on, and waits for the end of the program or of the parent.
async fn attend(child: &mut Child, signals: &mut os::Signals, mut screens: os::Screens, parent: Option<&os::Parent>) -> End {
    let mut looks = tokio::time::interval(LOOK_AT_SCREENS);
    let ended = loop {
        tokio::select! {
            ended = child.wait() => break ended,
            signal = signals.next() => {
                os::pass_on(signal, child.id(), &screens);
                signals.forget();
            }
            _ = looks.tick(), if !screens.is_empty() || parent.is_some() => {
                screens.follow();
                if parent.is_some_and(os::Parent::has_ended) {
                    return End::Parent;
                }
            }
        }
    };
    // Those were for the program.
    signals.forget();
    screens.follow();
    End::Program(ended)
}

/// Says once that output is withheld, if it is.
fn warn_of_withheld(cx: &Context, redactor: &SharedRedactor) {
    if let Some(why) = redactor.news() {
        cx.console.warn(&format!("what the program prints is withheld from here on: {why}"));
    }
}

/// Until when the token is kept fresh.
struct Until<'u> {
    /// Set when the program is over.
    over: &'u AtomicBool,
    /// While this is set, the keeping must not be cut off.
    busy: &'u Cell<bool>,
}

/// Keeps the token fresh until the program is over.
async fn keep(cx: &Context, witness: &mut Witness<'_>, session: &Session, redactor: &SharedRedactor, until: Until<'_>) {
    let Until { over, busy } = until;
    let mut keeper = Keeper::new(cx, session.clone(), Role::Exec, Stop::Flag(over));
    let (mut lock, mut goes_on) = (None, true);
    while !over.load(Ordering::Relaxed) {
        let mut wait = LOOK;
        warn_of_withheld(cx, redactor);
        match witness.look() {
            Ok(Seen::There) => {}
            Ok(Seen::Restored) => {
                lock = None;
                keeper.forget_files();
            }
            // Revoked by somebody else, or unreadable: the program goes on with the token it has.
            Ok(Seen::Ended) | Err(_) => goes_on = false,
        }
        // Another process may be the keeper now, but end before this program.
        if goes_on && lock.is_none() && !session.has_keeper() {
            lock = session.become_keeper(None).ok().flatten();
        }
        if goes_on && lock.is_some() {
            busy.set(true);
            let looked = keeper.look().await;
            busy.set(false);
            match looked {
                Ok(Some(next)) => wait = next.min(LOOK),
                Ok(None) => {}
                // Impossible to renew.
                Err(error) => {
                    goes_on = false;
                    if !matches!(error.kind(), Kind::Interrupted(_)) {
                        cx.console.warn(&format!("the token is no longer kept fresh: {error}\n{}", error.help()));
                    }
                }
            }
        }
        tokio::time::sleep(wait).await;
    }
}

impl Ended {
    /// The program's exit code, once everything it printed is passed on.
    ///
    /// # Errors
    /// Fails if the exit code is unknown, or if it is 0 but some output could not be passed on.
    pub fn exit_code(self, cx: &Context) -> Result<i32> {
        self.signals.obey_last();
        let passing = self.passing.into_iter().filter(|passing| !self.abandoned || passing.is_finished());
        let passed: Vec<_> = passing.filter_map(|passing| passing.join().ok()).collect();
        // The last of them goes where our messages go.
        if let Some(Ok(true)) = passed.last() {
            cx.console.is_within_line();
        }
        // If nobody reads any more, nothing is missed.
        let failed = passed.into_iter().filter_map(io::Result::err).filter(|error| error.kind() != ErrorKind::BrokenPipe).last();
        let failed = failed.map(|error| Error::new(Kind::Local, format!("can't pass the program's output on: {error}"), ""));
        warn_of_withheld(cx, &self.redactor);
        cx.warn_of_hidden_masks(&self.redactor);
        let code = self.status.map(os::exit_code);
        let code = code.map_err(|error| Error::new(Kind::Local, format!("can't wait for the program: {error}"), ""))?;
        match failed {
            Some(error) if code == 0 => return Err(error),
            Some(error) => {
                cx.report(&error);
            }
            None => {}
        }
        Ok(if code == 0 && self.redactor.withheld().is_some() { Kind::Local.exit_code(true) } else { code })
    }
}

fn not_started(words: &[OsString], error: &io::Error) -> Error {
    let name = words.first().map(|name| shown(&name.to_string_lossy())).unwrap_or_default();
    match error.kind() {
        ErrorKind::NotFound => Error::new(Kind::NotFound, format!("there is no program '{name}'"), "Check its name, and PATH."),
        _ => Error::new(
            Kind::NotExecutable,
            format!("'{name}' can't be started: {error}"),
            "Is it a program, and executable? A shell builtin needs the shell: -- sh -c '…'.",
        ),
    }
}
