//! Spans of time.

use std::time::Duration;

use super::{InputValue, shown};
use crate::error::Result;

/// Reads a span of time: a plain number of seconds, or a number with a unit, such as `45s`, `90m`, `12h`, `7d` or `2w`.
///
/// # Errors
/// Fails if it is none of these, is negative, or is more than 136 years (2³² seconds).
pub fn read(given: &InputValue) -> Result<Duration> {
    let text = given.text.as_str();
    let right = "Use whole seconds (3600) or a number with s, m, h, d or w (90m, 12h, 7d).";
    if text.starts_with('-') {
        return Err(given.wrong(format!("'{}' is negative", shown(text)), right));
    }
    // As jf has it.
    let unsigned = text.strip_prefix('+').unwrap_or(text);
    let digits = unsigned.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &unsigned[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86400,
        "w" => 7 * 86400,
        _ => return Err(given.wrong(format!("'{}' has an unknown unit", shown(text)), right)),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(given.wrong(format!("'{}' is not a span of time", shown(text)), right));
    }
    // The platform counts milliseconds internally. This limit is far above any life that makes sense.
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
    match number.filter(|seconds| u32::try_from(*seconds).is_ok()) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err(given.wrong(format!("'{}' is more than 136 years", shown(text)), "Use 0 for a token without an end.")),
    }
}
