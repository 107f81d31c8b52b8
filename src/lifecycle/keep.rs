//! What keeps a session's token fresh: `keep` in the background or the foreground, `exec` beside its program.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, LineWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant, SystemTime};

use redact::one_line;
use zeroize::Zeroizing;

use super::renew::{Role, TokenSource, forget_foreign};
use super::{Context, EndHow, LOCK, Seen, Stop, Witness, counted, end_session};
use crate::api::client_certificate;
use crate::credential::Credential;
use crate::deliver::{Rewrites, Targets, write};
use crate::error::{Error, Kind, Result};
use crate::io::clock::Timestamp;
use crate::io::{Environment, FirstLine, random};
use crate::options::table::{self, HOME};
use crate::options::{InputValue, Options, RenewBy, Revoke};
use crate::os;
use crate::session::{Backoff, Freshness, Refusals, Session, StoredToken, due_at, freshness};

/// The name of the command that runs a keeper.
pub const KEEP: &str = "keep";

/// Tells a keeper that variables come by its standard input.
const PIPED: &str = "JF_TOKEN_PIPED";

/// How often a keeper checks whether the session still exists.
pub const LOOK: Duration = Duration::from_millis(500);
/// How long it waits while another process holds the session.
const BUSY: Duration = Duration::from_millis(20);
/// How long a keeper may take to start.
const START: Duration = Duration::from_secs(10);
/// How long a keeper that ends waits for the session, to leave word in it.
const LAST_WORD: Duration = Duration::from_secs(1);
/// A log of more bytes than this is begun anew.
const LONGEST_LOG: u64 = 64 << 10;

/// A keeper.
pub struct Keeper<'t> {
    source: TokenSource<'t>,
    late: f64,
    /// The token that the session's files hold: its name, when it was issued, and the number of files.
    written: Option<(String, Timestamp, usize)>,
    complained: bool,
    /// Refusals since the last renewal.
    refusals: Option<Refusals>,
    /// How often it renewed the token.
    renewed: usize,
}

impl<'t> Keeper<'t> {
    /// A keeper in this role. `stop` can end a request that is on its way.
    #[must_use]
    pub fn new(cx: &'t Context, session: Session, role: Role, stop: Stop<'t>) -> Self {
        let source = TokenSource::for_keeper(cx, session, role, stop);
        Self { source, late: random::fraction(), written: None, complained: false, refusals: None, renewed: 0 }
    }

    /// Looks at the session, and renews the token if it is time. Returns how long nothing needs to be done; `None` if the session is over.
    ///
    /// # Errors
    /// Fails if there is no point in going on.
    pub async fn look(&mut self) -> Result<Option<Duration>> {
        let state = self.source.session.read()?;
        let Some(stored) = &state.current else { return Ok(None) };
        self.rewrite_files(stored);
        let now = self.source.context().now();
        if freshness(stored, now, None, self.late) == Freshness::Fresh {
            return Ok(Some(due_at(stored, self.late).map_or(Duration::MAX, |due| due.since(now))));
        }
        let wait = state.backoff.iter().chain(&self.source.backoff).map(|backoff| backoff.wait(now)).max();
        if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
            return Ok(Some(wait));
        }
        match self.source.session.try_lock() {
            Ok(None) => Ok(Some(BUSY)),
            Ok(Some(mut guard)) => {
                let Some(stored) = &guard.state.current else { return guard.settle().map(|()| None) };
                let found = freshness(stored, self.source.context().now(), None, self.late);
                if found == Freshness::Fresh {
                    return Ok(Some(Duration::ZERO));
                }
                let end = stored.token.expires_at();
                let left = |now: Timestamp| end.map_or(Duration::MAX, |end| end.since(now));
                match self.source.attempt(&mut guard, found).await {
                    Ok(()) => Ok(Some(guard.state.current.as_ref().map_or(Duration::ZERO, |stored| self.next_look(stored)))),
                    Err(error) if self.may_pass(&error, left) => Ok(Some(self.next_try(&error))),
                    Err(error) => {
                        let error = self.with_history(error);
                        if !matches!(error.kind(), Kind::Interrupted(_)) {
                            let text = error.to_string();
                            let what = format!("the token is no longer kept fresh: {}. {}", text.trim_end_matches('.'), error.help());
                            // There is no next try that others would have to wait for.
                            (guard.state.keeper_failure, guard.state.backoff) = (Some(what), None);
                            let _ = guard.write();
                        }
                        Err(error)
                    }
                }
            }
            Err(error) => {
                let left = stored.token.expires_at().map_or(Duration::MAX, |end| end.since(now));
                self.source.backoff = Some(Backoff::after(self.source.backoff.as_ref(), now, left, random::fraction()));
                Ok(Some(self.next_try(&error)))
            }
        }
    }

    /// Whether another try may succeed. `left` tells how much of the token's life is left. A single refusal may be a maintenance page, or
    /// come from a platform whose key is being changed.
    fn may_pass(&mut self, error: &Error, left: impl FnOnce(Timestamp) -> Duration) -> bool {
        if self.source.issued_blindly {
            return false;
        }
        if error.may_pass() || error.kind() != Kind::Refused {
            self.refusals = None;
            return error.may_pass();
        }
        let now = self.source.context().now();
        let refusals = Refusals::after(self.refusals.take(), error.status(), error.refusal(), now);
        self.refusals = Some(refusals);
        !refusals.are_final(left(now).is_zero())
    }

    /// Adds to a final refusal how often it came.
    fn with_history(&self, error: Error) -> Error {
        match &self.refusals {
            Some(refusals) if refusals.times > 1 && error.kind() == Kind::Refused => {
                let seconds = refusals.span().as_millis().div_ceil(1000);
                error.with_advice(&format!("It was refused {} times in {seconds} s.", refusals.times))
            }
            _ => error,
        }
    }

    /// Reports a renewal, and returns how long nothing needs to be done. A token that is due as soon as it comes must not be renewed over
    /// and over.
    fn next_look(&mut self, stored: &StoredToken) -> Duration {
        let cx = self.source.context();
        self.refusals = None;
        self.renewed += 1;
        if self.source.role() != Role::Exec {
            cx.console.say(&format!("renewed: {} {}", stored.token.name(), cx.end_of(stored)));
        }
        let now = cx.now();
        if freshness(stored, now, None, self.late) == Freshness::Fresh {
            self.source.backoff = None;
            return Duration::ZERO;
        }
        let backoff = Backoff::after(self.source.backoff.as_ref(), now, Duration::ZERO, random::fraction());
        let wait = backoff.wait(now);
        self.source.backoff = Some(backoff);
        wait
    }

    /// Reports what failed, and returns the time until the next try.
    fn next_try(&self, error: &Error) -> Duration {
        let cx = self.source.context();
        let wait = self.source.backoff.as_ref().map_or(Duration::ZERO, |backoff| backoff.wait(cx.now()));
        cx.console.say(&format!("{error}; the next try is in {}.{} s", wait.as_secs(), wait.subsec_millis() / 100));
        wait
    }

    /// Says why it ends, and what it did.
    fn say_last(&self, why: &str) {
        self.source.context().console.say(&format!("{why}; renewed {}", counted(self.renewed, "time")));
    }

    /// The session's files may be gone: they are written again.
    pub fn forget_files(&mut self) {
        self.written = None;
    }

    /// Writes the current token to the session's files, no matter who renewed it, under the lock: whoever ends the session removes them. A
    /// file that can't be written is tried again at each look, but reported once.
    fn rewrite_files(&mut self, stored: &StoredToken) {
        let id_of = |stored: &StoredToken| (stored.token.name().to_owned(), stored.token.issued_at, stored.files.len());
        if stored.files.is_empty() || self.written.as_ref() == Some(&id_of(stored)) {
            return;
        }
        let Ok(Some(mut guard)) = self.source.session.try_lock() else { return };
        let Some(stored) = &guard.state.current else {
            // The session ended at this moment: the lock file goes again.
            let _ = guard.settle();
            return;
        };
        let mut rewritten = Rewrites::without_room(&stored.files).finish(guard.state.replaced.last(), stored);
        forget_foreign(self.source.context(), &mut guard, &rewritten);
        match rewritten.failures.pop() {
            None => (self.written, self.complained) = (guard.state.current.as_ref().map(id_of), false),
            Some(error) if !self.complained => {
                self.source.context().console.say(&error.to_string());
                self.complained = true;
            }
            Some(_) => {}
        }
    }
}

fn become_keeper(session: &Session) -> Result<Option<File>> {
    session.become_keeper(Some(std::process::id()))
}

/// Renews the token in time, until the session is over, the process of `launch` has ended, or a signal asks this process to end.
///
/// # Errors
/// Fails if there is no point in going on.
pub fn keep(cx: &Context, session: &Session, targets: &Targets, launch: &Launch, role: Role) -> Result<()> {
    if [&table::ACCESS_TOKEN_STDIN, &table::OIDC_TOKEN_STDIN].iter().any(|option| cx.options.credential.get(option).is_some()) {
        // Read it now, while its pipe is there.
        cx.credential()?;
    }
    if launch.job.has_ended() {
        // Before it takes the lock, so that the process that started it does not count it as a keeper.
        cx.console.say(&launch.has_ended());
        return Ok(());
    }
    let Some(lock) = become_keeper(session)? else {
        cx.console.say(&format!("the session '{}' already has a keeper", session.name()));
        return Ok(());
    };
    let kept = cx.block_on(async {
        let mut stop = std::pin::pin!(Stop::Signal.requested());
        // Poll it once: from now on, signals are noticed.
        let _ = tokio::time::timeout(Duration::ZERO, &mut stop).await;
        cx.console.say(&format!("keeping the session '{}' fresh", session.name()));
        // Only now: the process that started this one may hold the session's lock until this one is the keeper.
        add_files(targets, session)?;
        forget_failure(session)?;
        let mut keeper = Keeper::new(cx, session.clone(), role, Stop::Signal);
        let mut witness = Witness::new(cx, session.clone(), lock, become_keeper);
        loop {
            if witness.look()? == Seen::Restored {
                keeper.forget_files();
            }
            let wait = match keeper.look().await {
                Ok(Some(wait)) => wait.min(LOOK),
                Ok(None) => {
                    keeper.say_last("the session is over");
                    return Ok(());
                }
                Err(error) if matches!(error.kind(), Kind::Interrupted(_)) => return Ok(()),
                Err(error) => return Err(error),
            };
            let signal = tokio::time::timeout(wait, &mut stop).await.ok();
            let ended = launch.job.has_ended().then(|| launch.has_ended());
            if let Some(why) = signal.map(|signal| format!("asked to end by signal {signal}")).or(ended) {
                keeper.say_last(&why);
                if witness.look()? == Seen::Ended || signal.is_some() {
                    return Ok(());
                }
                if witness.restored {
                    // Who ends the session may not find what vanished meanwhile.
                    let how = EndHow { unheard: role == Role::LoggedKeeper, ..EndHow::new(Revoke::AtEnd, false) };
                    return end_session(cx, session, how).await;
                }
                leave_word(session, &launch.process());
                return Ok(());
            }
        }
    });
    session.tidy();
    kept
}

/// Adds the files that were asked for to the session, and writes them.
///
/// # Errors
/// Fails if they can't be remembered or written.
pub fn add_files(targets: &Targets, session: &Session) -> Result<()> {
    let files = targets.files();
    if files.is_empty() {
        return Ok(());
    }
    let mut guard = session.lock(LOCK)?;
    let Some(current) = &mut guard.state.current else { return guard.settle() };
    current.files.retain(|other| files.iter().all(|file| file.path != other.path));
    current.files.extend(files.iter().cloned());
    let current = current.clone();
    // Remember them first: a file that nobody knows of would not be removed.
    guard.write()?;
    files.iter().try_for_each(|file| write(file, &current))
}

/// Leaves word with which process the keeper ended, if its session goes on.
fn leave_word(session: &Session, process: &str) {
    let Ok(mut guard) = session.lock(LAST_WORD) else { return };
    if guard.state.current.is_some() {
        guard.state.keeper_ended_with = Some(process.to_owned());
    }
    let _ = guard.settle();
}

/// Forgets why an earlier keeper gave up or ended.
fn forget_failure(session: &Session) -> Result<()> {
    if session.read()?.why_not_kept().is_none() {
        return Ok(());
    }
    let mut guard = session.lock(LOCK)?;
    (guard.state.keeper_failure, guard.state.keeper_ended_with) = (None, None);
    guard.settle()
}

/// How a keeper is started in the background.
pub struct Launch {
    /// The process until whose end it keeps the token fresh.
    until: Option<u32>,
    job: os::Watched,
    /// What that process is called.
    name: Option<String>,
    /// It started this one, and was not given.
    is_starter: bool,
}

impl Launch {
    /// Decides which process the keeper ends with: the one of `--until-pid`, else the job's.
    ///
    /// # Errors
    /// Fails if the process that was given is not a number, or does not exist.
    pub fn new(cx: &Context) -> Result<Self> {
        let of = |until: Option<u32>, is_starter| {
            let name = until.and_then(os::name_of).map(|name| one_line(&name));
            Self { until, job: os::Watched::new(until), name, is_starter }
        };
        let Some(given) = &cx.options.renewal.until_pid else {
            let in_action = cx.action.is_some();
            return Ok(of(os::job_process(in_action), !in_action));
        };
        match given.text.parse() {
            Ok(pid) if os::is_alive(pid) => Ok(of(Some(pid), false)),
            Ok(_) => {
                Err(given.wrong("there is no such process, or it has ended", "Give the number of one that ends with the job, such as $$."))
            }
            Err(_) => Err(given.wrong("is not the number of a process", "Give one that ends with the job, such as $$.")),
        }
    }

    /// The process until whose end it keeps the token fresh, as people know it.
    fn process(&self) -> String {
        let number = self.until.unwrap_or_default();
        self.name.as_ref().map_or_else(|| format!("process {number}"), |name| format!("`{name}` (process {number})"))
    }

    fn has_ended(&self) -> String {
        format!("{} has ended", self.process())
    }

    /// Checks, before there is a token, that a keeper could be started.
    ///
    /// # Errors
    /// Fails if this program's own file can't be found.
    pub fn check() -> Result<()> {
        let program = os::own_program().map_err(not_started)?;
        if program.exists() { Ok(()) } else { Err(not_started(io::Error::other(format!("{} is gone", program.display())))) }
    }

    /// Starts a keeper that outlives this process, unless the session has one.
    ///
    /// # Errors
    /// Fails if it can't be started, or fails at once.
    pub fn start(&self, cx: &Context, session: &Session) -> Result<()> {
        if session.has_keeper() {
            cx.console.say(&format!("the session '{}' already has a keeper, which goes on as it was started", session.name()));
            return Ok(());
        }
        let log: PathBuf = cx.options.renewal.log_file.as_ref().map_or_else(|| session.log(), |given| PathBuf::from(&given.text));
        let mut started = self.spawn(cx, session, &log).map_err(not_started)?;
        let waiting = Instant::now();
        let not_kept = |why: String, help: &str| Error::new(Kind::Local, format!("the session is not kept fresh: {why}"), help);
        while !session.has_keeper() {
            let ended = started.try_wait().map_err(not_started)?;
            // It also ends when another process has become the keeper.
            if let Some(status) = ended.filter(|_| !session.has_keeper() && !self.job.has_ended()) {
                let help = "jf-token keep --foreground, with the same options, shows why.";
                return Err(not_kept(format!("the keeper ended at once ({status})"), help));
            }
            if ended.is_some() {
                break;
            }
            if waiting.elapsed() > START {
                let _ = started.kill();
                return Err(not_kept(format!("no keeper came up within {} s", START.as_secs()), "Is this machine busy? Try again."));
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        if self.job.has_ended() {
            return Err(not_kept(self.has_ended(), "Give --until-pid the number of one that ends with the job, such as $$."));
        }
        let relation = if self.is_starter { ", which started jf-token," } else { "" };
        let until = self.until.map(|_| format!(", or {}{relation} ends", self.process())).unwrap_or_default();
        cx.console.say(&format!(
            "the session '{}' is kept fresh until it is revoked{until}; the keeper's log is {}",
            session.name(),
            log.display()
        ));
        Ok(())
    }

    fn spawn(&self, cx: &Context, session: &Session, log: &Path) -> io::Result<Child> {
        let mut keeper = Command::new(os::own_program()?);
        keeper.args([KEEP, "--foreground", "--session", session.name(), "--log-file"]).arg(log);
        keeper.args(self.until.map(|pid| format!("--until-pid={pid}")));
        let state = session.read().map_err(io::Error::other)?;
        let by = cx.options.renewal.by.or(state.current.map(|stored| stored.renew_by));
        let credential = cx.credential().map_err(io::Error::other)?;
        let secrets: Vec<_> = credential.map(Credential::secrets).unwrap_or_default().into_iter().cloned().collect();
        keeper.env_clear().envs(cx.environment_without(&credential.into_iter().collect::<Vec<_>>(), &secrets)).env(HOME, session.home());
        // The keeper is not a step of an action and gets none of our flags, so what it needs of them is passed as variables.
        let Options { connection, renewal, diagnostics, .. } = &cx.options;
        // The credential may bring the address, but the keeper gets no more than its token.
        let url = cx.platform().ok().flatten().map(|platform| platform.as_str().to_owned());
        let url = url.or_else(|| connection.url.as_ref().map(|given| given.text.clone()));
        keeper.envs(url.map(|url| (table::URL.variable, url)));
        keeper.envs(renewal.by.iter().map(|by| (table::RENEW_BY.variable, by.word())));
        keeper.env(table::INSECURE_HTTP.variable, connection.insecure_http.to_string());
        let given = [(&table::CA_FILE, &connection.ca_file), (&table::INSECURE_TLS, &connection.insecure_tls)];
        keeper.envs(given.into_iter().filter_map(|(option, given)| Some((option.variable, &given.as_ref()?.text))));
        keeper.env(table::VERBOSE.variable, diagnostics.verbose.to_string());
        let own = |(option, given): (&table::Opt, &InputValue)| (option.variable.to_owned(), given.text.clone());
        let mut variables: Vec<_> = connection.headers.iter().map(|given| own((&table::HEADER, given))).collect();
        // The client certificate is for TLS too, whatever the credential is. One that was given comes before the credential's own.
        let certificate: Vec<_> = client_certificate(&cx.options.credential).map(own).collect();
        if let (true, Some((certificate, key))) = (certificate.is_empty(), credential.and_then(Credential::client_certificate)) {
            for (option, path) in [(&table::CLIENT_CERT_PATH, certificate), (&table::CLIENT_CERT_KEY_PATH, key)] {
                variables.push((option.variable.to_owned(), path.to_string_lossy().into_owned()));
            }
        }
        variables.extend(certificate);
        // Only a keeper that needs the credential may hold it, as it does so for the whole job.
        let credential = credential.filter(|_| by != Some(RenewBy::Refresh));
        let by_stdin = credential.and_then(Credential::for_keeper);
        variables.extend(
            credential.map(|credential| credential.variables_for_keeper(&cx.options.credential, &cx.environment)).into_iter().flatten(),
        );
        keeper.args(by_stdin.map(|(flag, _)| flag)).env(PIPED, "true");
        os::start_in_background(keeper, &piped(&variables, by_stdin.map(|(_, secret)| secret)))
    }
}

/// What a keeper gets by its standard input: others of the same user can read a process's environment before it has closed itself to them,
/// and what came to us by a pipe can't be read again. A line with the variables, then the secret that a flag asks for.
fn piped(variables: &[(String, String)], secret: Option<&str>) -> Zeroizing<String> {
    let line = Zeroizing::new(serde_json::to_string(variables).unwrap_or_default());
    Zeroizing::new([line.as_str(), "\n", secret.unwrap_or_default()].concat())
}

/// The environment of this process, with the variables that came by its standard input, if it is a keeper.
pub fn with_piped(mut environment: Environment, arguments: &[OsString]) -> Environment {
    if environment.remove(PIPED) && arguments.get(1).is_some_and(|command| command == KEEP) {
        let mut line = Zeroizing::new(String::new());
        // What it lacks then, it says when it needs it.
        let read = FirstLine::new(os::stdin().ok().map(os::Patient)).read_to_string(&mut line);
        environment.set(read.ok().and_then(|_| serde_json::from_str::<Vec<_>>(&line).ok()).unwrap_or_default());
    }
    environment
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err calls it")]
fn not_started(error: io::Error) -> Error {
    Error::new(Kind::Local, format!("the keeper can't be started: {error}"), "")
}

/// Sends a keeper's messages to a small file, with the time on each line.
pub fn talk_to_log(cx: &Context, path: PathBuf) {
    cx.masking.stop();
    cx.console.redirect(Box::new(LineWriter::new(Log { path, begun: false, clock: cx.clock() })));
}

struct Log {
    path: PathBuf,
    begun: bool,
    clock: fn() -> SystemTime,
}

impl Write for Log {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        // The log is removed with the session, and must not come back.
        if self.begun && !self.path.exists() {
            return Ok(lines.len());
        }
        self.begun = true;
        let begin_anew = self.path.metadata().is_ok_and(|found| found.len() > LONGEST_LOG);
        let mut file = OpenOptions::new().create(true).write(true).append(!begin_anew).truncate(begin_anew).open(&self.path)?;
        file.write_all(&[format!("{} ", Timestamp::from((self.clock)()).rfc3339().unwrap_or_default()).as_bytes(), lines].concat())?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
