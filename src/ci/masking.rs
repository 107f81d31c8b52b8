//! What this process tells the job's log to hide.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use redact::{Secret, masks};

use super::{Ci, Support};
use crate::error::Result;
use crate::io::Console;

/// A shorter value would hide harmless text.
const SHORTEST: usize = 8;

/// How much of a secret is masked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// The whole, its parts and pieces: some hundred masks, for a secret that the job's log has not heard of.
    Pieces,
    /// The whole value alone, for one whose pieces another command has masked, or that no other program gets.
    Whole,
}

/// What the job's log was told to hide by this process. Nothing is told twice.
#[derive(Default)]
pub struct Masking {
    told: Mutex<Told>,
    /// Whether what is printed goes elsewhere, or between another program's lines.
    unheard: AtomicBool,
}

#[derive(Default)]
struct Told {
    secrets: Vec<Secret>,
    /// When pieces were told last.
    last: Option<Instant>,
}

impl Masking {
    /// Makes the job's log hide these secrets.
    ///
    /// # Errors
    /// Fails if one might not be hidden.
    pub fn tell<'s>(&self, ci: &dyn Ci, console: &Console, secrets: impl Iterator<Item = &'s Secret>, extent: Extent) -> Result<()> {
        if self.unheard.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut told = self.told();
        let mut values = Vec::new();
        for secret in secrets {
            if told.secrets.contains(secret) {
                continue;
            }
            told.secrets.push(secret.clone());
            match extent {
                Extent::Pieces => values.extend(masks(secret)),
                Extent::Whole if secret.expose().len() < SHORTEST => {}
                Extent::Whole => values.push(secret.expose().to_owned()),
            }
        }
        if !values.is_empty() && ci.mask(&values, &|lines| console.line(lines))? == Support::Done && extent == Extent::Pieces {
            told.last = Some(Instant::now());
        }
        Ok(())
    }

    /// When the log was last told of a secret that it had not heard of.
    #[must_use]
    pub fn last(&self) -> Option<Instant> {
        self.told().last
    }

    /// From now on what is printed does not reach the job's log in whole lines, so nothing is masked there.
    pub fn stop(&self) {
        self.unheard.store(true, Ordering::Relaxed);
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
