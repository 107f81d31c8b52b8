//! Spans of time.

use std::time::Duration;

use super::{InputValue, shown};
use crate::error::Result;

const RIGHT: &str = "Use whole seconds (3600), or numbers with w, d, h, m or s, the longest first (90m, 1h30m, 7d).";

/// Reads a span of time: a plain number of seconds, or numbers with a unit each, such as `45s`, `90m`, `1h30m`, `7d` or `2w`, each unit once
/// and the longest first.
///
/// # Errors
/// Fails if it is none of these, is negative, or is more than 136 years (2³² seconds).
pub fn read(given: &InputValue) -> Result<Duration> {
    let text = given.text.as_str();
    let wrong = |why: &str, right: &str| given.wrong(format!("'{}' {why}", shown(text)), right);
    if text.starts_with('-') {
        return Err(wrong("is negative", RIGHT));
    }
    // As jf has it.
    let seconds = seconds(text.strip_prefix('+').unwrap_or(text)).map_err(|why| wrong(why, RIGHT))?;
    // The platform counts milliseconds internally. This limit is far above any life that makes sense.
    match seconds.filter(|seconds| u32::try_from(*seconds).is_ok()) {
        Some(seconds) => Ok(Duration::from_secs(seconds)),
        None => Err(wrong("is more than 136 years", "Give a shorter one. A token without an end has --expiry=0.")),
    }
}

/// The seconds; `None` if they are too many to count.
fn seconds(text: &str) -> std::result::Result<Option<u64>, &'static str> {
    if !text.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err("is not a span of time");
    }
    let (mut rest, mut total, mut longest) = (text, Some(0_u64), u64::MAX);
    loop {
        let (digits, behind) = rest.split_at(rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len());
        let (unit, next) = behind.split_at(behind.len() - behind.trim_start_matches(|c: char| c.is_ascii_alphabetic()).len());
        if digits.is_empty() {
            return Err("is not a span of time");
        }
        let unit = match unit {
            "" if digits.len() < text.len() => return Err("has a number without a unit"),
            "" | "s" => 1,
            "m" => 60,
            "h" => 3600,
            "d" => 86400,
            "w" => 7 * 86400,
            _ => return Err("has an unknown unit"),
        };
        if unit >= longest {
            return Err("has its units not from the longest to the shortest, each once");
        }
        let part = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        total = total.zip(part).and_then(|(total, part)| total.checked_add(part));
        (rest, longest) = (next, unit);
        if rest.is_empty() {
            return Ok(total);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn a_span_is_seconds_or_units_from_the_longest_to_the_shortest() {
        for (text, meant) in
            [("0", 0), ("3600", 3600), ("45s", 45), ("90m", 5400), ("1h30m", 5400), ("1d12h", 129_600), ("2w1d3h4m5s", 1_307_045)]
        {
            assert_eq!(seconds(text), Ok(Some(meant)), "{text}");
        }
        for text in ["", "h", "1.5", "1h 30m", "1h30", "30m1h", "1h1h", "1h30m10", "5y", "1H", "h1", "1h-1m", "٣h", "1hm"] {
            assert!(seconds(text).is_err(), "{text}");
        }
        for text in ["99999999999999999999", "99999999999999999999w1s", "9999999999999999999w1s"] {
            assert_eq!(seconds(text), Ok(None), "{text}");
        }
    }
}
