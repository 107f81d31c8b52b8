use std::ffi::OsString;
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

/// This program, started to outlive the process that starts it.
pub struct Background(Child);

impl Background {
    /// Starts it with these arguments, variables and input.
    ///
    /// # Errors
    /// Fails if it can't be started, or doesn't take the input.
    pub fn start(
        program: &Path,
        arguments: &[OsString],
        variables: impl IntoIterator<Item = (OsString, OsString)>,
        input: Option<&str>,
    ) -> io::Result<Self> {
        let mut process = Command::new(program);
        // Always a pipe: an empty root has no null device.
        process.args(arguments).env_clear().envs(variables).stdin(Stdio::piped());
        let [stdout, stderr] = nowhere()?;
        process.stdout(stdout).stderr(stderr);
        super::detach(&mut process);
        // Whoever reads what this process prints would wait for the end of the other.
        super::keep_streams();
        let mut process = process.spawn()?;
        if let (Some(mut stdin), Some(input)) = (process.stdin.take(), input)
            && let Err(error) = stdin.write_all(input.as_bytes())
            // If it no longer reads, it has ended, and `try_wait` says how.
            && error.kind() != ErrorKind::BrokenPipe
        {
            return Err(error);
        }
        Ok(Self(process))
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// Fails if the system does.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Lets go of it: from now on it is on its own.
    pub fn release(self) {
        drop(self.0);
    }

    /// Gives up on it.
    pub fn give_up(mut self) {
        let _ = self.0.kill();
    }
}

/// Streams that discard what is written to them: a pipe that nobody reads does so too, for this program ignores SIGPIPE.
fn nowhere() -> io::Result<[Stdio; 2]> {
    if super::has_null_device() {
        return Ok([Stdio::null(), Stdio::null()]);
    }
    let (_, end) = io::pipe()?;
    Ok([end.try_clone()?.into(), end.into()])
}
