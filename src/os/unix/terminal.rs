//! Where a program prints to: a pipe or, in the place of a terminal, a terminal of its own, so that it prints as it would without us.
//! Only what it prints goes through that: its standard input, `/dev/tty`, ^C and ^Z are the real terminal's.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::sync::{Arc, Weak};

use rustix::process::{Signal, kill_process_group};
use rustix::termios::{OptionalActions, OutputModes, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr, tcsetwinsize};

/// The two output streams of a program that is about to start.
pub struct Outputs {
    /// Its standard output and its standard error.
    pub ends: [Stdio; 2],
    /// Where what it prints can be read, and the stream of ours that it is for.
    pub streams: Vec<(Arc<File>, File)>,
    /// Its terminals.
    pub screens: Screens,
}

impl Outputs {
    /// In the place of our own streams.
    ///
    /// # Errors
    /// When there is not even a pipe to be had.
    pub fn new() -> io::Result<Self> {
        let (mut streams, mut screens) = (Vec::new(), Screens(Vec::new()));
        let mut shared: Option<(File, OwnedFd)> = None;
        let mut end_for = |own: io::Result<File>| -> io::Result<Stdio> {
            // Closed: what is printed there goes nowhere, as it would without us.
            let Ok(own) = own else { return Ok(Stdio::null()) };
            if !own.is_terminal() {
                let (from, end) = io::pipe()?;
                streams.push((Arc::new(File::from(OwnedFd::from(from))), own));
                return Ok(end.into());
            }
            // One for both, where both are the same: so their order stays.
            if let Some((other, end)) = &shared
                && are_same(other, &own)
            {
                return Ok(end.try_clone()?.into());
            }
            let (from, end) = if let Ok((from, end)) = like(&own) {
                let from = Arc::new(from);
                screens.0.push((Arc::downgrade(&from), own.try_clone()?));
                (from, end)
            } else {
                // Without colours, but with all that is printed.
                let (from, end) = io::pipe()?;
                (Arc::new(File::from(OwnedFd::from(from))), end.into())
            };
            shared = Some((own.try_clone()?, end.try_clone()?));
            streams.push((from, own));
            Ok(end.into())
        };
        let ends = [end_for(super::stdout())?, end_for(super::stderr())?];
        Ok(Self { ends, streams, screens })
    }
}

fn are_same(one: &File, other: &File) -> bool {
    let key = |file: &File| file.metadata().map(|found| (found.dev(), found.ino(), found.rdev()));
    matches!((key(one), key(other)), (Ok(one), Ok(other)) if one == other)
}

/// A terminal like this one, but one that changes no byte: the real one does that. Returns our end and the program's.
#[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
fn like(own: &File) -> rustix::io::Result<(File, OwnedFd)> {
    use rustix::fs::{Mode, OFlags};
    use rustix::io::{FdFlags, fcntl_setfd};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    fcntl_setfd(&ours, FdFlags::CLOEXEC)?;
    grantpt(&ours)?;
    unlockpt(&ours)?;
    let end = rustix::fs::open(ptsname(&ours, Vec::new())?, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
    let mut modes = tcgetattr(own)?;
    modes.output_modes.remove(OutputModes::OPOST);
    tcsetattr(&end, OptionalActions::Now, &modes)?;
    // A terminal may have no size.
    let _ = tcgetwinsize(own).and_then(|size| tcsetwinsize(&ours, size));
    Ok((ours.into(), end))
}

#[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "freebsd")))]
fn like(_own: &File) -> rustix::io::Result<(File, OwnedFd)> {
    Err(rustix::io::Errno::NOSYS)
}

/// A program's terminals, each with the real one whose size it has. When nobody reads from one any more it must vanish, so none is held.
pub struct Screens(Vec<(Weak<File>, File)>);

impl Screens {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives them the real ones' sizes. Who has heard of the new size from the real one may have looked too early, and hears again.
    pub(super) fn fit(&self) {
        for (screen, own) in &self.0 {
            if let (Some(screen), Ok(size)) = (screen.upgrade(), tcgetwinsize(own))
                && tcgetwinsize(&screen) != Ok(size)
                && tcsetwinsize(&screen, size).is_ok()
                && let Ok(group) = tcgetpgrp(own)
            {
                let _ = kill_process_group(group, Signal::WINCH);
            }
        }
    }
}
