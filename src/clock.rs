//! Times as people and files want them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tz::{TimeZone, UtcDateTime};

use crate::environment::Environment;

/// Seconds since 1970.
pub type Seconds = u64;

/// Milliseconds since 1970, or of a span.
pub type Millis = u64;

/// The time as milliseconds since 1970.
#[must_use]
pub fn millis(time: SystemTime) -> Millis {
    Millis::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()).unwrap_or(Millis::MAX)
}

/// The time as seconds since 1970.
#[must_use]
pub fn seconds(time: SystemTime) -> Seconds {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// RFC 3339 in UTC: `2026-11-22T03:04:05Z`.
#[must_use]
pub fn rfc3339(at: Seconds) -> String {
    let Ok(t) = UtcDateTime::from_timespec(i64::try_from(at).unwrap_or(i64::MAX), 0) else { return format!("@{at}") };
    format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", t.year(), t.month(), t.month_day(), t.hour(), t.minute(), t.second())
}

/// The time zone of `TZ`, else this machine's, else UTC.
#[must_use]
pub fn zone(environment: &Environment) -> TimeZone {
    let named = environment.get("TZ").ok().flatten().and_then(|name| TimeZone::from_posix_tz(name).ok());
    named.or_else(|| TimeZone::local().ok()).unwrap_or_else(TimeZone::utc)
}

/// The time on this machine's clock, and how far off it is: `2026-11-22 04:04:05 +01:00 (in 60 minutes)`.
#[must_use]
pub fn local_and_relative(at: Seconds, now: Seconds, zone: &TimeZone) -> String {
    let seconds = i64::try_from(at).unwrap_or(i64::MAX);
    let offset = zone.find_local_time_type(seconds).map_or(0, tz::LocalTimeType::ut_offset);
    let wall = rfc3339(at.saturating_add_signed(offset.into()));
    let zone = match offset {
        0 => "UTC".to_owned(),
        _ => format!("{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, offset.abs() / 3600, offset.abs() / 60 % 60),
    };
    format!("{} {zone} ({})", wall.replace('T', " ").trim_end_matches('Z'), relative(at, now))
}

fn relative(at: Seconds, now: Seconds) -> String {
    let far = at.abs_diff(now);
    let rounded = |unit: u64| (far + unit / 2) / unit;
    let (number, unit) = match (rounded(60), rounded(3600)) {
        (0..2, _) => (far, "second"),
        (minutes @ ..120, _) => (minutes, "minute"),
        (_, hours @ ..48) => (hours, "hour"),
        _ => (rounded(86400), "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    if at > now { format!("in {number} {unit}{plural}") } else { format!("{number} {unit}{plural} ago") }
}

/// What a `Retry-After` header asks for: seconds, or a date (RFC 9110, 10.2.3).
#[must_use]
pub fn retry_after(header: &str, now: SystemTime) -> Option<Duration> {
    if let Ok(seconds) = header.trim().parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(header.trim()).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_as_this_machine_tells_it_and_by_its_distance() {
        let zone = TimeZone::fixed(-12600).unwrap();
        assert_eq!(local_and_relative(1_000_000_000, 999_996_401, &zone), "2001-09-08 22:16:40 -03:30 (in 60 minutes)");
        assert_eq!(local_and_relative(1_000_000_000, 1_000_000_001, &TimeZone::utc()), "2001-09-09 01:46:40 UTC (1 second ago)");
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(retry_after("7", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), Some(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:00 GMT", now), Some(Duration::ZERO));
        assert_eq!(retry_after("soon", now), None);
    }
}
