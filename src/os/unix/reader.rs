//! Who reads what is printed.

use std::fs::{self, File, Metadata};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use super::process::{above, environment_of, started};

/// The first process of a container.
const INIT: u32 = 1;

/// Whether what is written to this stream is read by whatever started the step of a job that this process is part of. The step's processes
/// have this variable with this value, and nothing else has. If `has_handler`, the first of them may read it too. False if it can't be told.
#[must_use]
pub fn is_read_by_starter(stream: &File, variable: &str, value: &str, has_handler: bool) -> bool {
    let Ok(found) = stream.metadata() else { return false };
    let step = Step::of_this_process(&format!("{variable}={value}"), has_handler);
    let kind = found.file_type();
    if kind.is_char_device() {
        // A terminal has no other reader than who made it, and the step's is made by who started that.
        return rustix::termios::isatty(stream) && step.has(&found);
    }
    if kind.is_socket() {
        return peer(stream).is_some_and(|maker| step.readers.contains(&maker));
    }
    // A container's own processes don't see who reads the pipes that one of them was begun with.
    let reads = |reader: &u32| pipes_read_by(*reader).is_some_and(|mut pipes| pipes.any(|pipe| is_same(&pipe, &found)));
    kind.is_fifo()
        && (step.readers.iter().any(reads) || step.joined_a_container() && step.has(&found) && !has_reader_here(&found, step.first))
}

struct Step {
    /// Its first process.
    first: u32,
    /// Those that may read for the log: all above the first.
    readers: Vec<u32>,
    has_parent: bool,
}

impl Step {
    fn of_this_process(setting: &str, has_handler: bool) -> Self {
        let is_in_step =
            |process: &u32| environment_of(*process).is_some_and(|all| all.split(|byte| *byte == 0).any(|own| own == setting.as_bytes()));
        let own = std::process::id();
        let first = above(own).take_while(is_in_step).last().unwrap_or(own);
        let mut readers: Vec<_> = above(first).collect();
        let has_parent = !readers.is_empty();
        readers.extend(Some(first).filter(|first| has_handler && *first != own));
        Self { first, readers, has_parent }
    }

    /// Whether a process outside started the first one here, beside those that are in the container.
    fn joined_a_container(&self) -> bool {
        !self.has_parent && self.first != INIT
    }

    /// Whether this is one of the streams of its first process.
    fn has(&self, stream: &Metadata) -> bool {
        (0..3).any(|number| fs::metadata(format!("/proc/{}/fd/{number}", self.first)).is_ok_and(|own| is_same(&own, stream)))
    }
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// The open pipes from which a process may read. `None` if that is not told.
fn pipes_read_by(process: u32) -> Option<impl Iterator<Item = Metadata>> {
    let entries = fs::read_dir(format!("/proc/{process}/fd")).ok()?.flatten();
    Some(
        entries
            .filter(|entry| is_readable(&entry.path()))
            .filter_map(|entry| fs::metadata(entry.path()).ok())
            .filter(|found| found.file_type().is_fifo()),
    )
}

/// The last octal digit of an open file's flags tells how it is used: 1 is writing only.
fn is_readable(descriptor: &Path) -> bool {
    let flags = || {
        let number = descriptor.file_name()?.to_str()?;
        let told = fs::read_to_string(descriptor.parent()?.with_file_name("fdinfo").join(number)).ok()?;
        told.lines().find_map(|line| line.strip_prefix("flags:"))?.trim().bytes().last()
    };
    flags().is_none_or(|last| last & 3 != 1)
}

/// Whether any process that was started since may read the pipe. One of which that is not told counts.
fn has_reader_here(pipe: &Metadata, since: u32) -> bool {
    let begin = started(&since.to_string());
    let Ok(entries) = fs::read_dir("/proc") else { return true };
    let processes = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let own = std::process::id();
    processes.filter(|process: &u32| *process != own && started(&process.to_string()) >= begin).any(|process| {
        match pipes_read_by(process) {
            Some(mut pipes) => pipes.any(|found| is_same(&found, pipe)),
            None => Path::new("/proc").join(process.to_string()).exists(),
        }
    })
}

/// Which process made this pair of sockets.
fn peer(socket: &File) -> Option<u32> {
    let maker = rustix::net::sockopt::socket_peercred(socket).ok()?;
    u32::try_from(maker.pid.as_raw_nonzero().get()).ok()
}
