use std::cell::Cell;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};

use super::exchange::Answer;
use crate::error::{Fate, Result};

/// Where a line for the user goes while a request is being repeated.
pub type Note<'a> = &'a dyn Fn(&str);

/// What may be repeated when nobody knows whether the work was done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Repeat {
    /// A read or a revocation: everything.
    Always,
    /// A mint of a token that ends within the hour: everything, with a word of warning.
    ShortMint,
    /// A mint that could leave a second token behind for long: nothing.
    LongMint,
    /// A refresh, whose token may be spent: nothing.
    Refresh,
}

impl Repeat {
    fn allows(self, fate: Fate) -> bool {
        match fate {
            Fate::NotSent | Fate::Busy(_) => true,
            Fate::Lost => matches!(self, Repeat::Always | Repeat::ShortMint),
            Fate::Final => false,
        }
    }
}

/// What is known of the requests on their way.
#[derive(Default)]
pub(super) struct Way {
    /// One is being sent, or its answer awaited.
    pub sending: Cell<bool>,
    /// Some answer was lost.
    pub lost: Cell<bool>,
    /// No other is to be sent.
    pub stopped: Cell<bool>,
}

/// How long to go on trying, from the first request on; zero is never.
#[derive(Clone, Copy, Debug)]
pub struct Patience(pub Duration);

impl Patience {
    /// Repeats what may be repeated, with growing pauses, until it works or the time is up.
    pub(super) async fn insist<F: Future<Output = Result<Answer>>>(
        self,
        repeat: Repeat,
        way: &Way,
        note: Note<'_>,
        mut send: impl FnMut() -> F,
    ) -> Result<Answer> {
        let deadline = tokio::time::Instant::now() + self.0;
        let pauses = ExponentialBuilder::default().with_min_delay(Duration::from_millis(250)).with_max_delay(Duration::from_secs(8));
        // Full jitter, which backon's own is not: jobs that failed together must not come back together.
        let pauses = pauses.without_max_times().build().map(|pause| pause.mul_f64(crate::random::fraction()));
        let attempt = || {
            let coming = send();
            async {
                way.sending.set(true);
                let answer = coming.await;
                way.sending.set(false);
                answer
            }
        };
        let result = attempt
            .retry(pauses)
            .when(|error| {
                way.lost.set(way.lost.get() || error.fate() == Fate::Lost);
                repeat.allows(error.fate()) && !way.stopped.get()
            })
            .adjust(|error, pause| {
                let asked = if let Fate::Busy(asked) = error.fate() { asked } else { None };
                let pause = pause.map(|pause| pause.max(asked.unwrap_or_default()))?;
                (pause < deadline.saturating_duration_since(tokio::time::Instant::now())).then_some(pause)
            })
            .notify(|error, pause| {
                let left = error.fate() == Fate::Lost && repeat == Repeat::ShortMint;
                let warning = if left { " One such token may be left behind; it ends by itself within the hour." } else { "" };
                note(&format!("{}; trying again in {}.{} s.{warning}", error, pause.as_secs(), pause.subsec_millis() / 100));
            })
            .await;
        let mints = matches!(repeat, Repeat::ShortMint | Repeat::LongMint);
        result.map_err(|error| if way.lost.get() && mints { error.with_advice(LEFT_BEHIND) } else { error })
    }
}

/// What to do where a token may exist that nobody knows of.
pub const LEFT_BEHIND: &str =
    "A token may have been created all the same: look for it in the platform's list of tokens. Trying again blindly could leave more.";
