use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::Poll;

use rustix::process::{Pid, Signal, WaitOptions, wait};
use signal_hook::flag;
use signal_hook::low_level::emulate_default_handler;
use tokio::signal::unix::{SignalKind, signal};

use super::Screens;
use super::process::pid;

/// The signals that end a process.
const ENDING: [Signal; 4] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT];
/// Those that are passed on to a program.
const PASSED_ON: [Signal; 7] = [Signal::INT, Signal::TERM, Signal::HUP, Signal::QUIT, Signal::USR1, Signal::USR2, Signal::WINCH];

/// The number of the last signal that asked this process to stop. Unset before the first is listened to.
static LAST: OnceLock<Arc<AtomicUsize>> = OnceLock::new();

/// The number of the last signal that asked this process to stop, if it listens to them, and did not pass it on to a program.
#[must_use]
pub fn asked_to_stop() -> Option<u8> {
    LAST.get().and_then(|last| last.load(Ordering::SeqCst).try_into().ok()).filter(|number| *number > 0)
}

/// Waits for SIGINT, SIGTERM, SIGHUP or SIGQUIT and returns its number. From this call on, they no longer end the process. Must be called
/// within a runtime.
pub fn stop_request() -> impl Future<Output = u8> {
    let mut signals = Signals::of(&ENDING);
    LAST.get_or_init(|| signals.tell_the_last());
    async move { signals.next().await.as_raw().try_into().unwrap_or_default() }
}

/// The signals that are passed on to a program.
pub struct Signals {
    heard: Vec<(Signal, tokio::signal::unix::Signal)>,
    /// The number of the last one.
    last: Arc<AtomicUsize>,
    /// Whether they have their usual effect.
    as_usual: Arc<AtomicBool>,
}

impl Signals {
    /// Listens from now on. Must be called within a runtime.
    #[must_use]
    pub fn new() -> Self {
        // If our parent made us ignore SIGCHLD, the kernel would discard the exit status of our children. Listening to it prevents that.
        let _ = signal(SignalKind::child());
        let signals = Self::of(&PASSED_ON);
        let _ = LAST.set(signals.tell_the_last());
        for number in signals.numbers() {
            let _ = flag::register_conditional_default(number, signals.as_usual.clone());
        }
        signals
    }

    /// What is, from now on, the number of the last one that came.
    fn tell_the_last(&self) -> Arc<AtomicUsize> {
        for number in self.numbers() {
            let _ = flag::register_usize(number, self.last.clone(), number.cast_unsigned() as usize);
        }
        self.last.clone()
    }

    /// The numbers of those that may end this process.
    fn numbers(&self) -> impl Iterator<Item = i32> {
        self.heard.iter().filter(|(signal, _)| *signal != Signal::WINCH).map(|(signal, _)| signal.as_raw())
    }

    /// Forgets those that came until now.
    pub fn forget(&self) {
        self.last.store(0, Ordering::SeqCst);
    }

    /// From now on they have their usual effect again.
    pub fn be_as_usual(&self) {
        self.as_usual.store(true, Ordering::SeqCst);
    }

    /// Ends this process as the last one would have done that was not forgotten.
    pub fn obey_last(&self) {
        if let Ok(number @ 1..) = self.last.load(Ordering::SeqCst).try_into() {
            let _ = emulate_default_handler(number);
        }
    }

    fn of(signals: &[Signal]) -> Self {
        let ignored = ignored().unwrap_or_default();
        let heard = signals.iter().filter(|signal| ignored & bit(**signal) == 0);
        let heard = heard.filter_map(|number| Some((*number, signal(SignalKind::from_raw(number.as_raw())).ok()?))).collect();
        Self { heard, last: Arc::default(), as_usual: Arc::default() }
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        std::future::poll_fn(|context| {
            let came = self.heard.iter_mut().find_map(|(number, listener)| listener.poll_recv(context).is_ready().then_some(*number));
            came.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

/// The signals that this process ignored when it was started, as a bit mask: signal 1 is the lowest bit. `nohup` sets that for SIGHUP, and a
/// shell for SIGINT and SIGQUIT of what it runs in the background. As long as we don't listen to them they stay ignored, also by the program
/// that we start. None if neither `/proc` nor a shell is there to tell.
pub(super) fn ignored() -> Option<u64> {
    // Asked before the first one is listened to: that would change the answer.
    static IGNORED: OnceLock<Option<u64>> = OnceLock::new();
    *IGNORED.get_or_init(|| told_by_proc().or_else(|| told_by_a_shell(Command::new("/bin/sh"))))
}

fn told_by_proc() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

pub(super) fn bit(signal: Signal) -> u64 {
    1 << (signal.as_raw() - 1)
}

/// A shell ignores what we do, and can't change that (POSIX, `trap`): so it sends itself each signal, and tells which it heard.
fn told_by_a_shell(mut shell: Command) -> Option<u64> {
    let numbers = PASSED_ON.map(|signal| signal.as_raw().to_string()).join(" ");
    let script = format!("for signal in {numbers}; do trap \"echo $signal\" $signal; kill -$signal $$; done; echo all");
    shell.args(["-c", &script]).env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let (mut shell, mut told) = (shell.spawn().ok()?, String::new());
    let read = shell.stdout.take()?.read_to_string(&mut told);
    // There is nothing to wait for where we ignore the ends of our children.
    let _ = shell.wait();
    let heard: Vec<&str> = read.ok().and(told.strip_suffix("all\n"))?.lines().collect();
    Some(PASSED_ON.into_iter().filter(|signal| !heard.contains(&signal.as_raw().to_string().as_str())).map(bit).sum())
}

/// Passes a signal on to the program, unless the terminal has sent it to both: many programs take a second ^C as an order to quit at once.
/// If the program has terminals of its own, a change of the window's size is passed on by resizing them.
pub fn pass_on(signal: Signal, program: Option<u32>, screens: &Screens) {
    if signal == Signal::WINCH && !screens.is_empty() {
        return screens.fit();
    }
    if let Some(pid) = program.and_then(pid) {
        send(pid, signal);
    }
}

fn send(pid: Pid, signal: Signal) {
    let from_the_terminal = matches!(signal, Signal::INT | Signal::QUIT) && is_in_the_foreground();
    if !from_the_terminal {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

/// The first process of a container must also wait for every process whose parent has ended. So that it takes the end of none that somebody
/// else waits for, it does nothing but that: another process, with these arguments, does its work. Returns its exit code; `None` if this is
/// no first process.
#[must_use]
pub fn lead(arguments: &[OsString]) -> Option<i32> {
    if !rustix::process::getpid().is_init() {
        return None;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().ok()?;
    runtime.block_on(async {
        let (mut ends, mut signals) = (signal(SignalKind::child()).ok()?, Signals::of(&PASSED_ON));
        let (name, rest) = arguments.split_first()?;
        let worker = super::program(&super::super::own_program().ok()?, name).args(rest).spawn().ok()?;
        let worker = Pid::from_child(&worker);
        loop {
            while let Ok(Some((ended, status))) = wait(WaitOptions::NOHANG) {
                if ended == worker {
                    return Some(status.exit_status().or_else(|| Some(128 + status.terminating_signal()?)).unwrap_or(1));
                }
            }
            tokio::select! {
                _ = ends.recv() => {}
                signal = signals.next() => send(worker, signal),
            }
        }
    })
}

fn is_in_the_foreground() -> bool {
    File::open("/dev/tty").is_ok_and(|terminal| rustix::termios::tcgetpgrp(terminal).is_ok_and(|group| group == rustix::process::getpgrp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started_with(ignored: &str, shell: &str) -> Option<u64> {
        let mut command = Command::new("sh");
        command.args(["-c", &format!("trap '' {ignored}; exec {shell} \"$@\""), "-"]);
        told_by_a_shell(command)
    }

    #[test]
    fn a_shell_tells_what_was_ignored_when_it_was_started() {
        let bits = |signals: &[Signal]| signals.iter().copied().map(bit).sum::<u64>();
        let before = told_by_a_shell(Command::new("sh")).unwrap();
        assert_eq!(started_with("HUP USR2", "sh"), Some(before | bits(&[Signal::HUP, Signal::USR2])));
        assert_eq!(
            started_with("INT QUIT TERM WINCH", "sh"),
            Some(before | bits(&[Signal::INT, Signal::QUIT, Signal::TERM, Signal::WINCH]))
        );
        assert_eq!(started_with("HUP", "false"), None);
        assert_eq!(told_by_a_shell(Command::new("/no/such/shell")), None);
        if let Some(ignored) = told_by_proc() {
            assert_eq!(before, ignored & bits(&PASSED_ON));
        }
    }
}
