//! Where a program prints to: a pipe or, in place of a terminal, a terminal of its own, so that it prints as it would without us. Only its
//! output goes through that. Its standard input, `/dev/tty` and the keyboard with ^C and ^Z stay those of the real terminal.

use std::fs::File;
use std::io::{self, IsTerminal, PipeReader, PipeWriter, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Signal, kill_process_group};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr, tcsetwinsize};

use super::super::{Outputs, Patient, Ready};
use super::ready::readable;

/// A stream that is read to be passed on: one of this process's own, or what a program prints.
pub struct Source {
    file: Arc<File>,
    /// Closed at the other end when the program has ended; `None` once that was noticed.
    ended: Option<PipeReader>,
    is_own: bool,
}

impl Source {
    /// A stream of this process's own.
    #[must_use]
    pub fn own(file: File) -> Self {
        Self { file: Arc::new(file), ended: None, is_own: true }
    }

    /// Waits until there is something to read, the program has ended, or the time `at_most` is up. If none of these needs to be waited for,
    /// returns at once: reading waits by itself.
    pub fn wait(&mut self, at_most: Option<Duration>) -> Ready {
        let ready = readable(&self.file, self.ended.as_ref(), at_most);
        self.ended.take_if(|_| ready.ended);
        ready
    }
}

impl Read for Source {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        match Patient(&*self.file).read(into) {
            // This is how a terminal ends.
            Err(error) if !self.is_own && error.kind() != io::ErrorKind::Interrupted => Ok(0),
            read => read,
        }
    }
}

/// Tells the streams of a program that it has ended, by being dropped.
pub struct Ending {
    _end: PipeWriter,
}

impl Outputs {
    /// Creates a pipe or a terminal in place of each of our own streams.
    ///
    /// # Errors
    /// Fails if not even a pipe can be created.
    pub fn new() -> io::Result<Self> {
        let (mut streams, mut screens) = (Vec::new(), Screens(Vec::new()));
        let (ended, end) = io::pipe()?;
        let source = |file: Arc<File>| io::Result::Ok(Source { file, ended: Some(ended.try_clone()?), is_own: false });
        let mut shared: Option<(File, OwnedFd, bool)> = None;
        let mut end_for = |own: io::Result<File>, for_errors: bool| -> io::Result<Stdio> {
            // Our own stream is closed: what the program prints there is discarded, as it would be without us.
            let Ok(own) = own else { return Ok(Stdio::null()) };
            // If both of our streams are the same, the program gets one end for both, which keeps what it prints in order, and what is
            // hidden whole.
            if let Some((other, end, has_name)) = &shared
                && are_same(other, &own)
                && !(for_errors && *has_name)
            {
                return Ok(end.try_clone()?.into());
            }
            if own.is_terminal()
                && let Ok(made) = Made::like(&own)
                && !(for_errors && made.has_name)
            {
                let ours = Arc::new(made.ours);
                screens.0.push(Screen { ours: ours.clone(), own: own.try_clone()?, seen: made.modes });
                shared = Some((own.try_clone()?, made.end.try_clone()?, made.has_name));
                streams.push((source(ours)?, Patient(own)));
                return Ok(made.end.into());
            }
            let (from, end) = io::pipe()?;
            shared = Some((own.try_clone()?, end.try_clone()?.into(), false));
            streams.push((source(Arc::new(OwnedFd::from(from).into()))?, Patient(own)));
            Ok(end.into())
        };
        let ends = [end_for(super::stdout(), false)?, end_for(super::stderr(), true)?];
        Ok(Self { ends, streams, ending: Ending { _end: end }, screens })
    }
}

fn are_same(one: &File, other: &File) -> bool {
    let key = |file: &File| file.metadata().map(|found| (found.dev(), found.ino(), found.rdev()));
    matches!((key(one), key(other)), (Ok(one), Ok(other)) if one == other)
}

/// A terminal with the settings of the real one, except that it changes no byte of the output: the real one does that.
struct Made {
    ours: File,
    /// The program's end.
    end: OwnedFd,
    modes: Termios,
    /// Whether it can be opened again by its name.
    has_name: bool,
}

impl Made {
    #[cfg(any(target_os = "linux", target_os = "macos", target_os = "freebsd"))]
    fn like(own: &File) -> rustix::io::Result<Self> {
        use rustix::fs::{Mode, OFlags, fchmod, open};
        use rustix::io::{FdFlags, fcntl_setfd};
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        use rustix::termios::{OutputModes, ioctl_tiocexcl};

        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        fcntl_setfd(&ours, FdFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let name = ptsname(&ours, Vec::new())?;
        let open = |access| open(&name, access | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty());
        let end = open(OFlags::WRONLY)?;
        let mut modes = tcgetattr(own)?;
        modes.output_modes.remove(OutputModes::OPOST);
        tcsetattr(&end, OptionalActions::Now, &modes)?;
        // A terminal may have no size, so ignore errors.
        let _ = tcgetwinsize(own).and_then(|size| tcsetwinsize(&ours, size));
        // Only the real terminal has a keyboard. A program that looks for one at its standard error, as pagers do, must not wait for it for
        // ever. So this end can't be read, nor opened again by its name, except by root, whom nothing keeps out.
        ioctl_tiocexcl(&end)?;
        fchmod(&end, Mode::empty())?;
        Ok(Self { has_name: open(OFlags::RDONLY).is_ok(), ours: ours.into(), end, modes })
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "freebsd")))]
    fn like(_own: &File) -> rustix::io::Result<Self> {
        Err(rustix::io::Errno::NOSYS)
    }
}

/// A terminal made for a program, and the real one.
struct Screen {
    ours: Arc<File>,
    own: File,
    /// The settings of `ours` at the last look.
    seen: Termios,
}

/// The terminals made for a program.
pub struct Screens(Vec<Screen>);

impl Screens {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives them the sizes of the real terminals. A program that heard of the new size from the real terminal may have looked at its own
    /// too early, so it is told again.
    pub(super) fn fit(&self) {
        for Screen { ours, own, .. } in &self.0 {
            if let Ok(size) = tcgetwinsize(own)
                && tcgetwinsize(ours) != Ok(size)
                && tcsetwinsize(ours, size).is_ok()
                && let Ok(group) = tcgetpgrp(own)
            {
                let _ = kill_process_group(group, Signal::WINCH);
            }
        }
    }

    /// Copies the keyboard settings that a program makes on the terminal it prints to (as `nano` and other curses programs do) to the real
    /// one, unless somebody has changed those since.
    pub fn follow(&mut self) {
        let keys = |modes: &Termios| (modes.input_modes, modes.local_modes);
        self.0.retain_mut(|Screen { ours, own, seen }| {
            // The real terminal is gone: let go of ours, so that the program notices.
            let (Ok(mut real), Ok(modes)) = (tcgetattr(&*own), tcgetattr(&*ours)) else { return false };
            if keys(&modes) != keys(seen) {
                if keys(&real) == keys(seen) {
                    (real.input_modes, real.local_modes) = keys(&modes);
                    real.special_codes = modes.special_codes.clone();
                    let _ = tcsetattr(own, OptionalActions::Now, &real);
                }
                *seen = modes;
            }
            true
        });
    }
}
