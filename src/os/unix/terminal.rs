//! Where a program prints to: a pipe or, in the place of a terminal, a terminal of its own, so that it prints as it would without us.
//! Only what it prints goes through that: its standard input, `/dev/tty`, the keyboard with its ^C and ^Z are the real terminal's.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::process::Stdio;
use std::sync::Arc;

use rustix::process::{Signal, kill_process_group};
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetpgrp, tcgetwinsize, tcsetattr, tcsetwinsize};

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
        let mut shared: Option<(File, OwnedFd, bool)> = None;
        let mut end_for = |own: io::Result<File>, for_errors: bool| -> io::Result<Stdio> {
            // Closed: what is printed there goes nowhere, as it would without us.
            let Ok(own) = own else { return Ok(Stdio::null()) };
            // One for both, where both are the same: so their order stays.
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
                streams.push((ours, own));
                return Ok(made.end.into());
            }
            let (from, end) = io::pipe()?;
            streams.push((Arc::new(OwnedFd::from(from).into()), own));
            Ok(end.into())
        };
        let ends = [end_for(super::stdout(), false)?, end_for(super::stderr(), true)?];
        Ok(Self { ends, streams, screens })
    }
}

fn are_same(one: &File, other: &File) -> bool {
    let key = |file: &File| file.metadata().map(|found| (found.dev(), found.ino(), found.rdev()));
    matches!((key(one), key(other)), (Ok(one), Ok(other)) if one == other)
}

/// A terminal like another one, but one that changes no byte: the real one does that.
struct Made {
    ours: File,
    /// The program's.
    end: OwnedFd,
    modes: Termios,
    /// It can be opened by its name.
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
        // A terminal may have no size.
        let _ = tcgetwinsize(own).and_then(|size| tcsetwinsize(&ours, size));
        // Only the real one has a keyboard. Who looks for it where errors go, as pagers do, must not wait for ever: there is nothing to be
        // read, nor is it to be opened again by its name. That can't be kept from the system's administrator.
        ioctl_tiocexcl(&end)?;
        fchmod(&end, Mode::empty())?;
        Ok(Self { has_name: open(OFlags::RDONLY).is_ok(), ours: ours.into(), end, modes })
    }

    #[cfg(not(any(target_os = "linux", target_os = "macos", target_os = "freebsd")))]
    fn like(_own: &File) -> rustix::io::Result<Self> {
        Err(rustix::io::Errno::NOSYS)
    }
}

/// A program's terminal, and the real one.
struct Screen {
    ours: Arc<File>,
    own: File,
    /// How it was set when it was looked at last.
    seen: Termios,
}

/// A program's terminals.
pub struct Screens(Vec<Screen>);

impl Screens {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives them the real ones' sizes. Who has heard of the new size from the real one may have looked too early, and hears again.
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

    /// How a program sets its keyboard where it prints (`nano` does, and whatever else draws with curses) is how the real one must be set,
    /// unless somebody has set that since.
    pub fn follow(&mut self) {
        let keys = |modes: &Termios| (modes.input_modes, modes.local_modes);
        self.0.retain_mut(|Screen { ours, own, seen }| {
            // When the real one is gone, the program is to notice.
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
