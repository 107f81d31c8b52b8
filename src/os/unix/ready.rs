use std::fs::File;
use std::io::PipeReader;
use std::os::fd::AsFd;
use std::time::Duration;

use super::super::Ready;

#[cfg(target_os = "linux")]
use by_poll as look;
#[cfg(not(target_os = "linux"))]
use by_select as look;

/// Waits until there is something to read, the other end of `ended` is closed, or the time `at_most` is up. With neither `ended` nor
/// `at_most`, returns at once: reading waits by itself.
pub(super) fn readable(from: &File, ended: Option<&PipeReader>, at_most: Option<Duration>) -> Ready {
    if ended.is_none() && at_most.is_none() {
        return Ready { data: true, ..Ready::default() };
    }
    look(from, ended, at_most)
}

/// What can't be looked at counts as readable: the read will show what is wrong.
const UNKNOWN: Ready = Ready { data: true, over: false, ended: false };

#[cfg(target_os = "linux")]
fn by_poll(from: &File, ended: Option<&PipeReader>, at_most: Option<Duration>) -> Ready {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let time = at_most.and_then(|time| Timespec::try_from(time).ok());
    let mut both: Vec<_> =
        [Some(from.as_fd()), ended.map(AsFd::as_fd)].into_iter().flatten().map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
    loop {
        match poll(&mut both, time.as_ref()) {
            Err(rustix::io::Errno::INTR) => {}
            Err(_) => return UNKNOWN,
            Ok(_) => break,
        }
    }
    let found = |at: usize| both.get(at).map_or_else(PollFlags::empty, PollFd::revents);
    let data = found(0).contains(PollFlags::IN);
    Ready { data, over: !data && !found(0).is_empty(), ended: !found(1).is_empty() }
}

/// The poll of macOS refuses terminals.
#[cfg(any(not(target_os = "linux"), test))]
fn by_select(from: &File, ended: Option<&PipeReader>, at_most: Option<Duration>) -> Ready {
    use std::os::fd::{AsRawFd, BorrowedFd};

    use nix::errno::Errno;
    use nix::sys::select::{FD_SETSIZE, FdSet, select};
    use nix::sys::time::{TimeVal, TimeValLike};

    let both: Vec<BorrowedFd> = [Some(from.as_fd()), ended.map(AsFd::as_fd)].into_iter().flatten().collect();
    // With a higher number nix would panic.
    if !both.iter().all(|fd| usize::try_from(fd.as_raw_fd()).is_ok_and(|number| number < FD_SETSIZE)) {
        return UNKNOWN;
    }
    let time = at_most.and_then(|time| time.as_micros().try_into().ok()).map(TimeVal::microseconds);
    let found = loop {
        let (mut set, mut time) = (FdSet::new(), time);
        for fd in &both {
            set.insert(*fd);
        }
        match select(None, &mut set, None, None, time.as_mut()) {
            Err(Errno::EINTR) => {}
            Err(_) => return UNKNOWN,
            Ok(_) => break set,
        }
    };
    let is_ready = |at: usize| both.get(at).is_some_and(|fd| found.contains(*fd));
    Ready { data: is_ready(0), over: false, ended: is_ready(1) }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write, pipe};
    use std::os::fd::OwnedFd;

    use super::*;

    type Look = fn(&File, Option<&PipeReader>, Option<Duration>) -> Ready;

    #[cfg(target_os = "linux")]
    const WAYS: [Look; 2] = [by_poll, by_select];
    #[cfg(not(target_os = "linux"))]
    const WAYS: [Look; 1] = [by_select];

    const AT_ONCE: Option<Duration> = Some(Duration::ZERO);

    /// Two ends of a terminal: what is written to the second is read from the first.
    fn terminal() -> (File, File) {
        use rustix::fs::{Mode, OFlags, open};
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&ours).unwrap();
        unlockpt(&ours).unwrap();
        let theirs = open(ptsname(&ours, Vec::new()).unwrap(), OFlags::WRONLY | OFlags::NOCTTY, Mode::empty()).unwrap();
        (ours.into(), theirs.into())
    }

    fn streams() -> [(File, File); 2] {
        let (from, to) = pipe().unwrap();
        [(OwnedFd::from(from).into(), OwnedFd::from(to).into()), terminal()]
    }

    #[test]
    fn what_is_there_to_read_and_who_has_ended_is_seen_in_every_way() {
        for look in WAYS {
            for (mut from, mut to) in streams() {
                let (end, program) = pipe().unwrap();
                assert_eq!(look(&from, Some(&end), AT_ONCE), Ready::default());
                to.write_all(b"x").unwrap();
                assert_eq!(look(&from, Some(&end), None), Ready { data: true, ..Ready::default() });
                assert_eq!(from.read(&mut [0; 9]).unwrap(), 1);
                drop(program);
                assert_eq!(look(&from, Some(&end), None), Ready { ended: true, ..Ready::default() });
                assert_eq!(look(&from, None, Some(Duration::from_millis(1))), Ready::default());
                drop(to);
                let last = look(&from, None, None);
                assert!(last.over || last.data && from.read(&mut [0]).map_or(true, |count| count == 0), "{last:?}");
            }
        }
    }

    #[test]
    fn the_last_words_are_read_before_the_end() {
        for look in WAYS {
            for (mut from, mut to) in streams() {
                // The system may keep who closes a terminal waiting until all is read.
                let writer = std::thread::spawn(move || to.write_all(b"last words").map(|()| drop(to)));
                let mut words = Vec::new();
                let mut room = [0; 4];
                while words.len() < 10 {
                    assert!(look(&from, None, None).data);
                    let count = from.read(&mut room).unwrap();
                    words.extend_from_slice(&room[..count]);
                }
                assert_eq!(words, b"last words");
                writer.join().unwrap().unwrap();
            }
        }
    }
}
