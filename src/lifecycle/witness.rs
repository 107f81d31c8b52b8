use std::fs::File;

use super::Context;
use crate::error::Result;
use crate::io::random;
use crate::session::{Session, State};

/// A process that lives beside a session, and remembers what it holds. When the session's files vanish without its end (a job that empties
/// its temporary folder), it writes them back: nobody else knows the tokens any more.
pub struct Witness<'t> {
    cx: &'t Context,
    session: Session,
    known: State,
    /// A file of the session's that is open, and takes note of its end.
    mark: Option<File>,
    acquire: fn(&Session) -> Result<Option<File>>,
    /// Whether it wrote the session back.
    pub restored: bool,
}

/// What a look at the session shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It is there.
    There,
    /// It was gone, and is written back.
    Restored,
    /// It was ended.
    Ended,
}

impl<'t> Witness<'t> {
    /// A witness that holds `mark`. `acquire` opens it anew after the session was written back.
    #[must_use]
    pub fn new(cx: &'t Context, session: Session, mark: File, acquire: fn(&Session) -> Result<Option<File>>) -> Self {
        Self { cx, known: session.read().unwrap_or_default(), session, mark: Some(mark), acquire, restored: false }
    }

    /// Remembers what the session holds, or writes it back.
    ///
    /// # Errors
    /// Fails if the session can't be read, or can't be written back.
    pub fn look(&mut self) -> Result<Seen> {
        if self.session.close_again()? {
            self.cx.warn_of_exposure(&self.session);
        }
        let state = self.session.read()?;
        // Another process may have begun a session of the same name since, or written back what it knew.
        let vanished =
            self.mark.as_ref().is_some_and(|mark| !Session::is_marked_as_ended(mark) && (state.is_empty() || !self.session.has(mark)));
        if vanished && !self.known.is_empty() {
            return self.restore().map(|()| Seen::Restored);
        }
        if state.is_empty() {
            return Ok(Seen::Ended);
        }
        self.known = state;
        Ok(Seen::There)
    }

    fn restore(&mut self) -> Result<()> {
        // Not at the same moment as another witness: the lock file that one of them makes must not be taken for the other's.
        std::thread::sleep(std::time::Duration::from_millis(20).mul_f64(random::fraction()));
        let mut guard = self.session.lock(super::LOCK)?;
        if guard.state.take_back(&self.known) {
            guard.write()?;
            let folder = self.session.home().display();
            self.cx.console.warn(&format!("the session '{}' vanished from {folder}, and is written back", self.session.name()));
        }
        self.known = guard.state.clone();
        drop(guard);
        self.mark = (self.acquire)(&self.session)?;
        self.restored = true;
        Ok(())
    }

    /// What the session held when it was seen last.
    #[must_use]
    pub fn into_known(self) -> State {
        self.known
    }

    /// Gives the mark back.
    pub fn into_mark(self) -> Option<File> {
        self.mark
    }
}
