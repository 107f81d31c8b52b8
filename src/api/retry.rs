use std::cell::Cell;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder, Retryable};

use super::request::ApiResponse;
use crate::error::{Error, Outcome, Result};
use crate::io::{Console, random};

/// Whether to repeat a request when nobody knows if it was carried out.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryPolicy {
    /// A read or a revocation: yes.
    Always,
    /// The mint of a token that ends within an hour: yes, with a warning.
    ShortMint,
    /// A mint that could leave a second token behind for long: no.
    LongMint,
    /// An exchange, whose token soon ends by itself: yes.
    Exchange,
    /// A refresh, whose refresh token may be spent: no.
    Refresh,
}

impl RetryPolicy {
    fn allows(self, outcome: Outcome) -> bool {
        match outcome {
            Outcome::NotSent | Outcome::Busy(_) => true,
            Outcome::Unknown => matches!(self, RetryPolicy::Always | RetryPolicy::ShortMint | RetryPolicy::Exchange),
            Outcome::Final => false,
        }
    }
}

/// What is known of the requests on their way that may issue a token: those of all clients that share it.
#[derive(Default)]
pub struct InFlight {
    /// Whether a request is being sent or its answer awaited.
    pub(super) sending: Cell<bool>,
    /// Whether an answer was lost.
    pub(super) lost: Cell<bool>,
    /// Whether no further request may be sent.
    pub(super) stopped: Cell<bool>,
}

/// What is said of the tries of one client: once that it tries again, and once that tries may leave tokens behind.
pub(super) struct RetryLog<'c> {
    console: &'c Console,
    /// Whether the line that was printed says that tries may leave tokens behind.
    said: Cell<Option<bool>>,
}

impl<'c> RetryLog<'c> {
    pub(super) fn new(console: &'c Console) -> Self {
        Self { console, said: Cell::new(None) }
    }

    /// `left`: the time in which new tries are started.
    fn tell(&self, error: &Error, left: Duration, leaves_tokens: bool) {
        if self.said.get().is_some_and(|said| said || !leaves_tokens) {
            return;
        }
        self.said.set(Some(leaves_tokens));
        let warning = if leaves_tokens { ". Each try may leave a token behind, which ends by itself within the hour" } else { "" };
        self.console.say(&format!("{error}; trying again for up to {} s{warning}", left.as_millis().div_ceil(1000)));
    }
}

/// How long to keep starting new tries, counted from the first request. Zero means one try.
#[derive(Clone, Copy, Debug)]
pub struct RetryBudget(pub Duration);

impl RetryBudget {
    /// Repeats the request, as far as the policy allows, with growing pauses until it succeeds or the time is up.
    pub(super) async fn retry<F: Future<Output = Result<ApiResponse>>>(
        self,
        policy: RetryPolicy,
        in_flight: &InFlight,
        log: &RetryLog<'_>,
        mut send: impl FnMut() -> F,
    ) -> Result<ApiResponse> {
        let issues = policy != RetryPolicy::Always;
        let (begun, tries) = (tokio::time::Instant::now(), Cell::new(0_u32));
        let left = || (begun + self.0).saturating_duration_since(tokio::time::Instant::now());
        let pauses = ExponentialBuilder::default().with_min_delay(Duration::from_millis(250)).with_max_delay(Duration::from_secs(8));
        // Full jitter, which backon's own is not: jobs that failed together must not come back together.
        let pauses = pauses.without_max_times().build().map(|pause| pause.mul_f64(random::fraction()));
        let attempt = || {
            let coming = send();
            tries.set(tries.get() + 1);
            async {
                in_flight.sending.set(issues);
                let answer = coming.await;
                in_flight.sending.set(false);
                answer
            }
        };
        let result = attempt
            .retry(pauses)
            .when(|error| {
                in_flight.lost.set(in_flight.lost.get() || issues && error.outcome() == Outcome::Unknown);
                policy.allows(error.outcome()) && !in_flight.stopped.get()
            })
            .adjust(|error, pause| {
                let asked = if let Outcome::Busy(asked) = error.outcome() { asked } else { None };
                let pause = pause.map(|pause| pause.max(asked.unwrap_or_default()))?;
                (pause < left()).then_some(pause)
            })
            .notify(|error, _| log.tell(error, left(), error.outcome() == Outcome::Unknown && policy == RetryPolicy::ShortMint))
            .await;
        let result = result.map_err(|error| error.after_tries(tries.get(), begun.elapsed()));
        let advice = match policy {
            RetryPolicy::ShortMint | RetryPolicy::LongMint => LEFT_BEHIND,
            RetryPolicy::Exchange => LEFT_BY_EXCHANGE,
            RetryPolicy::Always | RetryPolicy::Refresh => return result,
        };
        result.map_err(|error| if in_flight.lost.get() { error.with_advice(advice) } else { error })
    }
}

/// Advice for when a token may exist that nobody knows of.
pub const LEFT_BEHIND: &str =
    "A token may have been created anyway: look for it in the platform's list of tokens. Trying again blindly could leave more.";

/// The same for an exchange.
pub const LEFT_BY_EXCHANGE: &str = "A token may have been issued; it ends when its identity mapping says.";
