//! What the system tells of processes: Linux by `/proc`, where there is one; other systems by `ps`.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use memchr::memmem;
use rustix::process::{Pid, Signal};
use zeroize::Zeroizing;

#[cfg(not(target_os = "linux"))]
use super::kqueue::Handle;
#[cfg(target_os = "linux")]
use super::pidfd::Handle;
use super::signals::{bit, ignored};

/// Fields of a line in `/proc`, counted from after the process's name.
const PARENT: usize = 1;
#[cfg(target_os = "linux")]
const SESSION: usize = 3;
const STARTED: usize = 19;

/// The process that lives as long as the job: the parent of this process or, in the action, its grandparent, because the parent is the
/// action's script.
#[must_use]
pub fn job_process(action: bool) -> Option<u32> {
    let parent = rustix::process::getppid()?.as_raw_nonzero().get().cast_unsigned();
    if action { parent_of(&parent.to_string()) } else { Some(parent) }
}

fn parent_of(process: &str) -> Option<u32> {
    let parent = field_of(process, PARENT).or_else(|| told_by_ps(process, "ppid=")?.trim().parse().ok());
    parent.and_then(|parent| parent.try_into().ok()).filter(|parent| *parent > 0)
}

/// What a process is called by who started it, for people: its program and the script that it runs, such as `sh deploy.sh`. Nothing else of
/// its arguments, which may hold secrets.
#[must_use]
pub fn name_of(number: u32) -> Option<String> {
    let process = number.to_string();
    let told = |column: &str| told_by_ps(&process, column).map(|line| line.split_whitespace().map(str::to_owned).collect());
    let words = words_of(&process).or_else(|| told("args="))?;
    let (program, arguments) = words.split_first()?;
    let program = Path::new(program).file_name()?.to_string_lossy();
    let folder = fs::read_link(format!("/proc/{process}/cwd")).unwrap_or_default();
    let script = arguments.iter().find(|word| !word.starts_with('-') && folder.join(word).is_file());
    // A shell that logs its user in has a dash before its name.
    Some([program.trim_start_matches('-')].into_iter().chain(script.map(String::as_str)).collect::<Vec<_>>().join(" "))
}

/// The nearest process above this one in whose environment a process of this user can read this text. `None` too where there is no `/proc`.
#[must_use]
pub fn ancestor_with(text: &[u8]) -> Option<u32> {
    above(std::process::id()).find(|process| environment_of(*process).is_some_and(|all| memmem::find(&all, text).is_some()))
}

/// Processes come and go while they are looked at.
const MOST_ANCESTORS: usize = 100;

/// The processes above this one, the nearest first. Only where there is a `/proc`.
pub(super) fn above(process: u32) -> impl Iterator<Item = u32> {
    let parent = |process: &u32| u32::try_from(field_of(&process.to_string(), PARENT)?).ok().filter(|parent| *parent > 0);
    std::iter::successors(parent(&process), parent).take(MOST_ANCESTORS)
}

/// The environment of a process, in which there may be secrets. Only where there is a `/proc`.
pub(super) fn environment_of(process: u32) -> Option<Zeroizing<Vec<u8>>> {
    fs::read(format!("/proc/{process}/environ")).ok().map(Zeroizing::new)
}

/// The words of a process's command line. Only where there is a `/proc`.
fn words_of(process: &str) -> Option<Vec<String>> {
    let line = fs::read(format!("/proc/{process}/cmdline")).ok().filter(|line| !line.is_empty())?;
    Some(line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect())
}

fn told_by_ps(process: &str, column: &str) -> Option<String> {
    let mut ps = Command::new("/bin/ps");
    ps.args(["-o", column, "-p", process]).env_clear().stdin(Stdio::null()).stderr(Stdio::null());
    String::from_utf8(ps.output().ok()?.stdout).ok()
}

/// What follows the name in a process's line. The line is `pid (name) state ppid group session …`, and the name may contain anything, even
/// parentheses. Only where there is a `/proc`.
fn line_of(process: &str) -> Option<String> {
    let line = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    Some(line.rsplit_once(')')?.1.trim_start().to_owned())
}

fn field_of(process: &str, at: usize) -> Option<u64> {
    line_of(process)?.split_whitespace().nth(at)?.parse().ok()
}

pub(super) fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(number.try_into().ok()?)
}

/// Whether there is a process with this number that has not ended.
#[must_use]
pub fn is_alive(number: u32) -> bool {
    pid(number).is_some() && !Watched::new(Some(number)).has_ended()
}

/// Asks a process to end, by SIGTERM.
pub fn ask_to_end(number: u32) {
    if let Some(pid) = pid(number) {
        let _ = rustix::process::kill_process(pid, Signal::TERM);
    }
}

/// A process whose end is watched for.
pub struct Watched(Option<Known>);

/// The number alone may come to mean another process.
enum Known {
    ByHandle(Handle),
    /// And when it was started, if that is told.
    ByNumber(Pid, Option<u64>),
}

impl Watched {
    /// Watches the process with this number. `None` never ends.
    #[must_use]
    pub fn new(number: Option<u32>) -> Self {
        let known = |pid: Pid| Handle::new(pid).map_or_else(|| Known::ByNumber(pid, started(&pid.to_string())), Known::ByHandle);
        Self(number.and_then(pid).map(known))
    }

    /// Whether the process has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match &self.0 {
            None => false,
            Some(Known::ByHandle(handle)) => handle.has_ended(),
            Some(Known::ByNumber(pid, since)) => is_gone(*pid) || is_zombie(*pid) || started(&pid.to_string()) != *since,
        }
    }
}

pub(super) fn is_gone(pid: Pid) -> bool {
    rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
}

/// Whether a process has ended but its parent has not waited for it yet. Only where there is a `/proc`.
fn is_zombie(pid: Pid) -> bool {
    line_of(&pid.to_string()).is_some_and(|line| line.starts_with(['Z', 'X']))
}

/// When a process was started, in the system's own unit. Only where there is a `/proc`.
pub(super) fn started(process: &str) -> Option<u64> {
    field_of(process, STARTED)
}

/// Puts a process that is about to start into a process group of its own, so that it outlives this one: signals from the terminal don't
/// reach it.
pub fn detach(process: &mut Command) {
    process.process_group(0);
}

/// A detached process and what it starts: all are ended at once when this is dropped.
pub struct Group(Option<Pid>);

impl Group {
    /// The group of this process.
    #[must_use]
    pub fn of(leader: &tokio::process::Child) -> Self {
        Self(leader.id().and_then(pid))
    }

    /// Lets them live.
    pub fn release(mut self) {
        self.0 = None;
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.0 {
            let _ = rustix::process::kill_process_group(leader, Signal::KILL);
        }
    }
}

/// The process that started this one.
pub struct Parent {
    pid: Pid,
    process: Watched,
}

impl Parent {
    /// None if its end says nothing: this process was started to outlive it (in the background, by nohup, as the leader of a session of its
    /// own), it is the system's first process, or all this can't be told.
    #[must_use]
    pub fn to_watch() -> Option<Self> {
        let outlives = ignored()? & (bit(Signal::INT) | bit(Signal::HUP)) != 0;
        let leads = session()? == u64::from(std::process::id());
        let pid = rustix::process::getppid().filter(|pid| !pid.is_init() && !outlives && !leads)?;
        Some(Self { pid, process: Watched::new(u32::try_from(pid.as_raw_nonzero().get()).ok()) })
    }

    /// Whether it has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.process.has_ended() || rustix::process::getppid() != Some(self.pid)
    }
}

/// The leader of this process's session. Not by getsid: a session of another PID namespace has number 0 here, and rustix asserts that none
/// has.
#[cfg(target_os = "linux")]
fn session() -> Option<u64> {
    field_of("self", SESSION)
}

#[cfg(not(target_os = "linux"))]
fn session() -> Option<u64> {
    rustix::process::getsid(None).ok()?.as_raw_nonzero().get().try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_means_another_process_by_now_is_told_by_its_start() {
        let own = rustix::process::getpid();
        let since = started(&own.to_string());
        assert!(!Watched(Some(Known::ByNumber(own, since))).has_ended());
        if let Some(since) = since {
            assert!(Watched(Some(Known::ByNumber(own, Some(since - 1)))).has_ended());
        }
    }

    #[test]
    fn a_child_has_ended_from_its_end_on_and_not_only_once_it_is_waited_for() {
        let mut child = Command::new("sh").args(["-c", "read x"]).stdin(Stdio::piped()).spawn().unwrap();
        let watched = Watched::new(Some(child.id()));
        assert!(!watched.has_ended() && is_alive(child.id()));
        drop(child.stdin.take());
        while !watched.has_ended() {
            std::thread::yield_now();
        }
        assert!(watched.has_ended() && !is_alive(child.id()));
        child.wait().unwrap();
        assert!(watched.has_ended() && !is_alive(child.id()));
    }

    #[test]
    fn ps_tells_the_same_parent_as_the_system() {
        let (own, parent) = (std::process::id().to_string(), rustix::process::getppid().unwrap().to_string());
        // A small system has none.
        if let Some(told) = told_by_ps(&own, "ppid=") {
            assert_eq!(told.trim(), parent);
        }
    }
}
