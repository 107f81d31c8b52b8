use std::io::{self, ErrorKind, Write};
use std::process::{Child, Command, Stdio};

/// Starts a program that outlives this process. It gets this input; what it prints is discarded.
///
/// # Errors
/// Fails if it can't be started, or doesn't take the input.
pub fn start_in_background(mut process: Command, input: &str) -> io::Result<Child> {
    let [stdout, stderr] = nowhere()?;
    // Always a pipe: an empty root has no null device.
    process.stdin(Stdio::piped()).stdout(stdout).stderr(stderr);
    super::detach(&mut process);
    // A lock would be held, and whoever reads a pipe would wait, until the end of the other.
    super::keep_inherited();
    let mut process = process.spawn()?;
    if let Some(mut stdin) = process.stdin.take()
        && let Err(error) = stdin.write_all(input.as_bytes())
        // If it no longer reads, it has ended, and its exit code says how.
        && error.kind() != ErrorKind::BrokenPipe
    {
        return Err(error);
    }
    Ok(process)
}

/// Streams that discard what is written to them: a pipe that nobody reads does so too, for this program ignores SIGPIPE.
fn nowhere() -> io::Result<[Stdio; 2]> {
    if super::has_null_device() {
        return Ok([Stdio::null(), Stdio::null()]);
    }
    let (_, end) = io::pipe()?;
    Ok([end.try_clone()?.into(), end.into()])
}
