use std::cell::Cell;

use nix::errno::Errno;
use nix::libc::timespec;
use nix::sys::event::{EvFlags, EventFilter, FilterFlag, KEvent, Kqueue};
use rustix::process::Pid;

use super::process::is_gone;

const AT_ONCE: timespec = timespec { tv_sec: 0, tv_nsec: 0 };

/// One process, whatever its number comes to mean: the kernel tells once of its end.
pub(super) struct Handle {
    pid: Pid,
    queue: Kqueue,
    was_told: Cell<bool>,
}

impl Handle {
    /// None if the system refuses.
    pub fn new(pid: Pid) -> Option<Self> {
        let number = pid.as_raw_nonzero().get().try_into().ok()?;
        let end = KEvent::new(number, EventFilter::EVFILT_PROC, EvFlags::EV_ADD, FilterFlag::NOTE_EXIT, 0, 0);
        let queue = Kqueue::new().ok()?;
        // A process that has ended is not found, though to `kill` it is there until it is waited for.
        let has_ended = match queue.kevent(&[end], &mut [], Some(AT_ONCE)) {
            Ok(_) => false,
            Err(Errno::ESRCH) => true,
            Err(_) => return None,
        };
        Some(Self { pid, queue, was_told: Cell::new(has_ended) })
    }

    pub fn has_ended(&self) -> bool {
        let mut told = [KEvent::new(0, EventFilter::EVFILT_PROC, EvFlags::empty(), FilterFlag::empty(), 0, 0)];
        if self.queue.kevent(&[], &mut told, Some(AT_ONCE)) == Ok(1) {
            self.was_told.set(true);
        }
        // It may have ended at the very moment when the queue was set up.
        self.was_told.get() || is_gone(self.pid)
    }
}
