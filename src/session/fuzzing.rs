//! What the fuzz target `state` calls.

use std::time::Duration;

use zeroize::Zeroizing;

use super::{State, due_at, freshness, salvage};
use crate::io::clock::Timestamp;

/// Reads a state file of the session `s` and uses each of its numbers. Returns how it is written again; `None` if it is not read.
#[must_use]
pub fn rewritten(text: &[u8]) -> Option<Zeroizing<String>> {
    let _ = salvage::tokens(&String::from_utf8_lossy(text));
    let mut state = State::parse(text, "s")?;
    for now in [0, 1_800_000_000_000, u64::MAX].map(Timestamp::from_millis) {
        for stored in state.tokens() {
            let _ = (due_at(stored, 1.0), freshness(stored, now, Some(Duration::MAX), 0.5), freshness(stored, now, None, 1.0));
        }
        let _ = state.backoff.as_ref().map(|backoff| backoff.wait(now));
        let _ = state.refused.as_ref().map(|refused| (refused.again.wait(now), refused.remembered()));
    }
    let written = state.to_json().ok();
    if let Some(current) = state.current.clone() {
        state.replace(current, Timestamp::from_millis(u64::MAX));
    }
    written
}
