//! Whoever keeps a session's token fresh: `keep` in the background, `exec` beside its program.

use super::renew::{Renewer, Role, may_pass};
use crate::clock::{Millis, Seconds};
use crate::deliver::rewrite;
use crate::error::{Error, Kind, Result};
use crate::session::{Held, Need, Trouble, due_at, need};

/// How long it waits, in milliseconds, where another process renews.
const BUSY: Millis = 20;

/// A keeper at work.
pub struct Keeper<'r, 'a, 'c> {
    pub renewer: Renewer<'r, 'a, 'c>,
    late: f64,
    /// The token that the session's files hold.
    written: Option<(String, Seconds, usize)>,
    complained: bool,
}

impl<'r, 'a, 'c> Keeper<'r, 'a, 'c> {
    pub fn new(renewer: Renewer<'r, 'a, 'c>) -> Self {
        Self { renewer, late: crate::random::fraction(), written: None, complained: false }
    }

    /// A keeper's look at the session: renews the token if it is time. Returns for how many milliseconds nothing need be done;
    /// none: the session is over.
    ///
    /// # Errors
    /// When there is no use in going on.
    pub fn look(&mut self) -> Result<Option<Millis>> {
        let state = self.renewer.session.read()?;
        let Some(held) = state.tokens.last() else { return Ok(None) };
        self.rewrite_files(held);
        let now = self.renewer.job.millis();
        let found = need(held, now, None, self.late);
        if found == Need::Fresh {
            return Ok(Some(due_at(held, self.late).map_or(Millis::MAX, |due| due.saturating_sub(now))));
        }
        let wait = state.trouble.iter().chain(&self.renewer.trouble).map(|trouble| trouble.wait(now)).max();
        if let Some(wait) = wait.filter(|wait| *wait > 0) {
            return Ok(Some(wait));
        }
        match self.renewer.session.try_lock() {
            Ok(None) => Ok(Some(BUSY)),
            Ok(Some(mut locked)) => {
                let Some(held) = locked.state.tokens.last() else { return locked.settle().map(|()| None) };
                let found = need(held, self.renewer.job.millis(), None, self.late);
                if found == Need::Fresh {
                    return Ok(Some(0));
                }
                match self.renewer.attempt(&mut locked, found) {
                    Ok(()) => Ok(Some(locked.state.tokens.last().map_or(0, |held| self.next_look(held)))),
                    Err(error) if may_pass(&error) && !self.renewer.minted_blindly => Ok(Some(self.next_try(&error))),
                    Err(error) => {
                        if !matches!(error.kind(), Kind::Interrupted(_)) {
                            let text = error.to_string();
                            let what = format!("the token is no longer kept fresh: {}. {}", text.trim_end_matches('.'), error.next());
                            locked.state.keeper_gave_up = Some(what);
                            let _ = locked.draft().and_then(|draft| locked.save(draft));
                        }
                        Err(error)
                    }
                }
            }
            Err(error) => {
                let left = held.grant.ends_at().map_or(Millis::MAX, |end| end.saturating_sub(now));
                self.renewer.trouble = Some(Trouble::after(self.renewer.trouble.as_ref(), now, left, crate::random::fraction()));
                Ok(Some(self.next_try(&error)))
            }
        }
    }

    /// A token was renewed: when there is something to do again. One that is due on arrival must not be renewed over and over.
    fn next_look(&mut self, held: &Held) -> Millis {
        if self.renewer.role != Role::Exec {
            self.renewer.job.console.say(&format!("renewed: {} {}", held.grant.name(), self.renewer.job.end_of(held)));
        }
        let now = self.renewer.job.millis();
        if need(held, now, None, self.late) == Need::Fresh {
            self.renewer.trouble = None;
            return 0;
        }
        let trouble = Trouble::after(self.renewer.trouble.as_ref(), now, 0, crate::random::fraction());
        let wait = trouble.wait(now);
        self.renewer.trouble = Some(trouble);
        wait
    }

    /// Says what failed, and when the next try is.
    fn next_try(&self, error: &Error) -> Millis {
        let wait = self.renewer.trouble.as_ref().map_or(0, |trouble| trouble.wait(self.renewer.job.millis()));
        self.renewer.job.console.say(&format!("{error}; the next try is in {}.{} s", wait / 1000, wait % 1000 / 100));
        wait
    }

    /// Brings the session's files to the current token, whoever renewed it. One that can't be written is tried at each look, and told once.
    fn rewrite_files(&mut self, held: &Held) {
        let id = (held.grant.name().to_owned(), held.grant.issued_at, held.files.len());
        if self.written.as_ref() == Some(&id) {
            return;
        }
        let mut failures: Vec<_> = held.files.iter().filter_map(|file| rewrite(file, held).err()).collect();
        match failures.pop() {
            None => (self.written, self.complained) = (Some(id), false),
            Some(error) if !self.complained => {
                self.renewer.job.console.say(&error.to_string());
                self.complained = true;
            }
            Some(_) => {}
        }
    }
}
