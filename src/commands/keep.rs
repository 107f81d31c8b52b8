//! Keep the session's token fresh, and the files that hold it, until the job ends.

use std::fs::OpenOptions;
use std::io::{self, LineWriter, Write};
use std::path::PathBuf;
use std::process::{Command as Process, Stdio};
use std::time::{Duration, Instant};

use super::keeper::Keeper;
use super::renew::{Renewer, Role};
use super::{Job, LOCK};
use crate::ci;
use crate::clock::{rfc3339, seconds};
use crate::console::Console;
use crate::deliver::{Delivery, rewrite};
use crate::error::{Error, Kind, Result};
use crate::inputs::Command;
use crate::inputs::options::{self, FOREGROUND, HOME, LOG_FILE, RENEW_BY, UNTIL_PID, Value};
use crate::os;
use crate::session::{RenewBy, Session};

/// How often a keeper looks whether the session is still there.
const LOOK: Duration = Duration::from_millis(500);
/// How long a keeper may take to be there.
const START: Duration = Duration::from_secs(5);
/// A longer log begins anew.
const LONGEST_LOG: u64 = 64 << 10;

pub fn run(mut job: Job) -> anyhow::Result<u8> {
    let by = job.inputs.word(&RENEW_BY, &RenewBy::WORDS)?;
    let launch = Launch::new(&job)?;
    let foreground = job.inputs.switch(&FOREGROUND)?;
    let log = job.inputs.text(&LOG_FILE)?.map(|given| PathBuf::from(given.text));
    let delivery = Delivery::files_only(job.inputs)?;
    let session = Session::of_job(job.inputs, job.ci)?;
    // A keeper that could do nothing is no help: better now than when the token ends.
    if foreground || !session.has_keeper() {
        Renewer::new(&mut job, session.clone(), by).check_means()?;
    }
    if !foreground {
        add_files(&delivery, &session)?;
        launch.start(&mut job, &session)?;
        return Ok(0);
    }
    let Some(log) = log else {
        keep(&mut job, session, &delivery, by, launch.until, Role::Keeper)?;
        return Ok(0);
    };
    let (mut nowhere, mut log) = (io::sink(), LineWriter::new(Log { path: log, begun: false, now: job.now }));
    let outside = ci::outside();
    let console = Console::new(&mut nowhere, &mut log, outside.as_ref());
    let mut job = job.told_to(&console);
    let kept = keep(&mut job, session, &delivery, by, launch.until, Role::LoggedKeeper);
    Ok(kept.map_or_else(|error| console.failure(&error.into()), |()| 0))
}

/// The files that are wanted too belong to the session from now on, and are written.
pub fn add_files(delivery: &Delivery, session: &Session) -> Result<()> {
    let files = delivery.files();
    if files.is_empty() {
        return Ok(());
    }
    let mut locked = session.lock(LOCK)?;
    let Some(held) = locked.state.tokens.last_mut() else { return locked.settle() };
    held.files.retain(|other| files.iter().all(|file| file.path != other.path));
    held.files.extend(files.iter().cloned());
    let held = held.clone();
    // Remembered first: a file that nobody knows of would stay.
    locked.save(locked.draft()?)?;
    files.iter().try_for_each(|file| rewrite(file, &held))
}

/// How a keeper is started in the background.
pub struct Launch {
    until: Option<u32>,
}

impl Launch {
    /// # Errors
    /// When the process to wait for is no number, or not there.
    pub fn new(job: &Job) -> Result<Self> {
        let Some(given) = job.inputs.text(&UNTIL_PID)? else { return Ok(Self { until: os::job_process(job.ci.is_action()) }) };
        match given.text.parse() {
            Ok(pid) if os::is_alive(pid) => Ok(Self { until: Some(pid) }),
            Ok(_) => Err(given.wrong("there is no such process", "Give the number of one that ends with the job, such as $$.")),
            Err(_) => Err(given.wrong("is not the number of a process", "Give one that ends with the job, such as $$.")),
        }
    }

    /// Starts a keeper that outlives this process, unless the session has one.
    ///
    /// # Errors
    /// When it can't be started, or ends at once.
    pub fn start(&self, job: &mut Job, session: &Session) -> Result<()> {
        if session.has_keeper() {
            job.console.say(&format!("the session '{}' has a keeper already, which goes on as it was started", session.name()));
            return Ok(());
        }
        let fail = |error: io::Error| Error::new(Kind::Local, format!("the keeper can't be started: {error}"), "");
        let log: PathBuf = job.inputs.text(&LOG_FILE)?.map_or_else(|| session.log(), |given| given.text.into());
        let mut keeper = Process::new(std::env::current_exe().map_err(fail)?);
        keeper.args([Command::Keep.name(), "--foreground", "--session", session.name(), "--log-file"]).arg(&log);
        keeper.args(self.until.map(|pid| format!("--until-pid={pid}")));
        let by = job.inputs.word(&RENEW_BY, &RenewBy::WORDS)?.or(session.read()?.tokens.last().map(|held| held.renew_by));
        let credential = job.credential()?;
        keeper.env_clear();
        // For the whole job nobody is to hold the credential who does not need it.
        if by == Some(RenewBy::Refresh) {
            keeper.envs(job.environment_without(credential.as_ref().map(|found| &found.secret)));
        } else {
            keeper.envs(job.inputs.environment.iter());
        }
        keeper.env(HOME, session.home());
        let own = [options::SESSION.name, UNTIL_PID.name, FOREGROUND.name, LOG_FILE.name, options::ACCESS_TOKEN_STDIN.name];
        for (name, text) in job.inputs.flags().filter(|(name, _)| !own.contains(name)) {
            let known = options::of(Command::Keep).find(|option| option.name == name);
            if known.is_some_and(|option| !matches!(option.value, Value::Secret(_))) {
                keeper.arg(format!("--{name}={text}"));
            }
        }
        // What the keeper can't read again, or only from an argument list, it gets by a pipe.
        let credential = credential.filter(|found| (found.piped || found.is_on_argument_list()) && by != Some(RenewBy::Refresh));
        if credential.is_some() {
            keeper.arg("--access-token-stdin").stdin(Stdio::piped());
        } else {
            keeper.stdin(Stdio::null());
        }
        keeper.stdout(Stdio::null()).stderr(Stdio::null());
        os::detach(&mut keeper);
        let mut started = keeper.spawn().map_err(fail)?;
        if let (Some(found), Some(mut stdin)) = (credential, started.stdin.take()) {
            stdin.write_all(found.secret.expose().as_bytes()).map_err(fail)?;
        }
        let waiting = Instant::now();
        while !session.has_keeper() && waiting.elapsed() < START {
            if let Some(status) = started.try_wait().map_err(fail)?.filter(|status| !status.success()) {
                let what = format!("the keeper ended at once ({status})");
                return Err(Error::new(Kind::Local, what, "jf-token keep --foreground, with the same options, shows why."));
            }
            std::thread::sleep(Duration::from_millis(3));
        }
        let until = self.until.map_or_else(|| "it is revoked".into(), |pid| format!("it is revoked, or process {pid} ends"));
        job.console.say(&format!("the session '{}' is kept fresh until {until}; the keeper's log is {}", session.name(), log.display()));
        Ok(())
    }
}

/// Renews in time until the session is over, the process `until` has ended or this one is asked to end.
fn keep(job: &mut Job, session: Session, delivery: &Delivery, by: Option<RenewBy>, until: Option<u32>, role: Role) -> Result<()> {
    if job.inputs.switch(&options::ACCESS_TOKEN_STDIN)? {
        // While its pipe is there.
        job.credential()?;
    }
    let Some(_keeper) = session.become_keeper(Some(std::process::id()))? else {
        job.console.say(&format!("the session '{}' has a keeper already", session.name()));
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Error::new(Kind::Local, format!("the clock can't be set up: {error}"), ""))?;
    let inside = runtime.enter();
    let mut stop = Box::pin(os::stop_request());
    drop(inside);
    let job_process = os::Watched::new(until);
    job.console.say(&format!("keeping the session '{}' fresh", session.name()));
    // Whoever has started it may hold the session's lock until it is seen to be there.
    add_files(delivery, &session)?;
    forget_the_last_one(&session)?;
    let mut renewer = Renewer::new(job, session, by);
    renewer.role = role;
    let mut keeper = Keeper::new(renewer);
    loop {
        let wait = match keeper.look() {
            Ok(Some(wait)) => Duration::from_millis(wait).min(LOOK),
            Ok(None) => {
                job.console.say("the session is over");
                return Ok(());
            }
            Err(error) if matches!(error.kind(), Kind::Interrupted(_)) => return Ok(()),
            Err(error) => return Err(error),
        };
        let signal = runtime.block_on(async { tokio::time::timeout(wait, &mut stop).await.ok() });
        let ended = job_process.has_ended().then(|| "the job's process has ended".to_owned());
        if let Some(why) = signal.map(|signal| format!("asked to end by signal {signal}")).or(ended) {
            keeper.renewer.job.console.say(&why);
            return Ok(());
        }
    }
}

/// Why an earlier keeper gave up no longer matters.
fn forget_the_last_one(session: &Session) -> Result<()> {
    if session.read()?.keeper_gave_up.is_none() {
        return Ok(());
    }
    let mut locked = session.lock(LOCK)?;
    locked.state.keeper_gave_up = None;
    locked.settle()
}

/// A small file in which each line has its time.
struct Log {
    path: PathBuf,
    begun: bool,
    now: fn() -> std::time::SystemTime,
}

impl Write for Log {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        // With the session it goes, and must not come back.
        if self.begun && !self.path.exists() {
            return Ok(lines.len());
        }
        self.begun = true;
        let begin_anew = self.path.metadata().is_ok_and(|found| found.len() > LONGEST_LOG);
        let mut file = OpenOptions::new().create(true).write(true).append(!begin_anew).truncate(begin_anew).open(&self.path)?;
        file.write_all(&[format!("{} ", rfc3339(seconds((self.now)()))).as_bytes(), lines].concat())?;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
