//! Times, as people and files write them.

use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use tz::{TimeZone, TimeZoneSettings, UtcDateTime};

use super::{Environment, read_regular_file};

/// A point in time, in whole milliseconds since the start of 1970 (UTC). Calculations saturate at both ends of the range.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(u64);

impl Timestamp {
    /// The point this many milliseconds after the start of 1970.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// The point this many seconds after the start of 1970.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }

    /// Milliseconds since the start of 1970.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since the start of 1970.
    #[must_use]
    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// The start of the second that contains this point. The platform counts whole seconds.
    #[must_use]
    pub const fn whole_second(self) -> Self {
        Self::from_secs(self.as_secs())
    }

    /// The point this much later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(millis_of(span)))
    }

    /// The point this much earlier.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(millis_of(span)))
    }

    /// The time from `earlier` to this point; zero if `earlier` is in fact later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// This point in RFC 3339, in UTC: `2026-11-22T03:04:05Z`. `None` after the year 9999, for which it has no dates.
    #[must_use]
    pub fn rfc3339(self) -> Option<String> {
        let t = UtcDateTime::from_timespec(i64::try_from(self.as_secs()).ok()?, 0).ok().filter(|t| t.year() <= 9999)?;
        Some(format!("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", t.year(), t.month(), t.month_day(), t.hour(), t.minute(), t.second()))
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        Self(millis_of(time.duration_since(UNIX_EPOCH).unwrap_or_default()))
    }
}

fn millis_of(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// This fraction of a span. A fraction outside 0 to 1 is clamped to that range.
#[must_use]
pub fn part(span: Duration, fraction: f64) -> Duration {
    // Limit the span to what milliseconds in a `u64` can hold, so that `mul_f64` can't overflow.
    let span = Duration::from_millis(millis_of(span));
    Duration::from_millis(millis_of(span.mul_f64(fraction.clamp(0.0, 1.0))))
}

/// An optional span as whole seconds, for serde: `#[serde(with = "clock::seconds")]`.
pub mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes whole seconds.
    ///
    /// # Errors
    /// Fails as the serializer does.
    #[expect(clippy::ref_option, reason = "as serde calls it")]
    pub fn serialize<S: Serializer>(span: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        span.map(|span| span.as_secs()).serialize(serializer)
    }

    /// Reads whole seconds.
    ///
    /// # Errors
    /// Fails if the value is not a whole number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_secs))
    }
}

/// A span as whole milliseconds, for serde: `#[serde(with = "clock::millis")]`.
pub mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes whole milliseconds.
    ///
    /// # Errors
    /// Fails as the serializer does.
    pub fn serialize<S: Serializer>(span: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        super::millis_of(*span).serialize(serializer)
    }

    /// Reads whole milliseconds.
    ///
    /// # Errors
    /// Fails if the value is not a whole number.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// The longest description of a time zone that is read, in bytes; those of the systems have 4 KiB at most.
const LONGEST_ZONE: u64 = 1 << 16;

/// The time zone of `TZ`, else this machine's, else UTC. Its file is read once.
#[must_use]
pub fn zone(environment: &Environment) -> TimeZone {
    environment.zone(|| {
        let read = |path: &str| Ok(read_regular_file(Path::new(path), LONGEST_ZONE)?.to_vec());
        let settings = TimeZoneSettings::new(TimeZoneSettings::DEFAULT_DIRECTORIES, read);
        let named = environment.get("TZ").ok().flatten().and_then(|name| settings.parse_posix_tz(name).ok());
        named.or_else(|| settings.parse_local().ok()).unwrap_or_else(TimeZone::utc)
    })
}

/// A point in local time, and its distance from now: `2026-11-22 04:04:05 +01:00 (in 60 minutes)`.
#[must_use]
pub fn local_and_relative(at: Timestamp, now: Timestamp, zone: &TimeZone) -> String {
    let seconds = i64::try_from(at.as_secs()).unwrap_or(i64::MAX);
    let offset = zone.find_local_time_type(seconds).map_or(0, tz::LocalTimeType::ut_offset);
    let Some(wall) = Timestamp::from_secs(at.as_secs().saturating_add_signed(offset.into())).rfc3339() else {
        return "after the year 9999".to_owned();
    };
    let zone = match offset {
        0 => "UTC".to_owned(),
        _ => format!("{}{:02}:{:02}", if offset < 0 { '-' } else { '+' }, offset.abs() / 3600, offset.abs() / 60 % 60),
    };
    format!("{} {zone} ({})", wall.replace('T', " ").trim_end_matches('Z'), relative(at, now))
}

fn relative(at: Timestamp, now: Timestamp) -> String {
    let far = in_words(Duration::from_secs(at.as_secs().abs_diff(now.as_secs())));
    if at.as_secs() > now.as_secs() { format!("in {far}") } else { format!("{far} ago") }
}

/// A span of time in a single unit: `40 minutes`.
#[must_use]
pub fn in_words(span: Duration) -> String {
    let far = span.as_secs();
    let rounded = |unit: u64| far.saturating_add(unit / 2) / unit;
    let (number, unit) = match (rounded(60), rounded(3600)) {
        (0..2, _) => (far, "second"),
        (minutes @ ..120, _) => (minutes, "minute"),
        (_, hours @ ..48) => (hours, "hour"),
        _ => (rounded(86400), "day"),
    };
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}

/// What a `Retry-After` header asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RetryAfter {
    /// This long.
    Wait(Duration),
    /// Neither seconds nor a date.
    Unreadable,
}

/// The wait that a `Retry-After` header asks for, in seconds or by a date (RFC 9110, 10.2.3). A past date is zero; `None` if it is neither.
#[must_use]
pub fn retry_after(header: &str, now: SystemTime) -> RetryAfter {
    let header = header.trim();
    if !header.is_empty() && header.bytes().all(|b| b.is_ascii_digit()) {
        // A number that overflows is still a long wait.
        return RetryAfter::Wait(Duration::from_secs(header.parse().unwrap_or(u64::MAX)));
    }
    let wait = |date: SystemTime| RetryAfter::Wait(date.duration_since(now).unwrap_or_default());
    httpdate::parse_http_date(header).map_or(RetryAfter::Unreadable, wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_as_this_machine_tells_it_and_by_its_distance() {
        let zone = TimeZone::fixed(-12600).unwrap();
        let at = Timestamp::from_secs(1_000_000_000);
        let told = local_and_relative(at, Timestamp::from_secs(999_996_401), &zone);
        assert_eq!(told, "2001-09-08 22:16:40 -03:30 (in 60 minutes)");
        let told = local_and_relative(at, Timestamp::from_secs(1_000_000_001), &TimeZone::utc());
        assert_eq!(told, "2001-09-09 01:46:40 UTC (1 second ago)");
    }

    #[test]
    fn the_ends_of_time_are_no_panic() {
        let (first, last) = (Timestamp::default(), Timestamp::from_secs(u64::MAX));
        assert_eq!(last.after(Duration::MAX), last);
        assert_eq!(first.before(Duration::MAX), first);
        assert_eq!((first.since(last), part(Duration::from_secs(1), 7.0)), (Duration::ZERO, Duration::from_secs(1)));
        let summer = TimeZone::from_posix_tz("CET-1CEST,M3.5.0,M10.5.0/3").unwrap();
        let west = TimeZone::fixed(-43200).unwrap();
        for power in 0..64 {
            for at in [1_u64 << power, (1 << power) - 1, u64::MAX - (1 << power) + 1, u64::MAX - (1 << power)] {
                for zone in [&TimeZone::utc(), &summer, &west] {
                    assert!(!local_and_relative(Timestamp::from_secs(at), first, zone).is_empty());
                    assert!(!local_and_relative(Timestamp::from_millis(at), last, zone).is_empty());
                }
            }
        }
        assert_eq!((local_and_relative(last, first, &TimeZone::utc()).as_str(), last.rfc3339()), ("after the year 9999", None));
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(784_111_770);
        assert_eq!(retry_after("7", now), RetryAfter::Wait(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), RetryAfter::Wait(Duration::from_secs(7)));
        assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:00 GMT", now), RetryAfter::Wait(Duration::ZERO));
        assert_eq!(retry_after("9223372036854775809", now), RetryAfter::Wait(Duration::from_secs(9_223_372_036_854_775_809)));
        assert_eq!(retry_after("99999999999999999999999", now), RetryAfter::Wait(Duration::from_secs(u64::MAX)));
        for unreadable in ["soon", "-5", "1.5", "", "+7"] {
            assert_eq!(retry_after(unreadable, now), RetryAfter::Unreadable, "{unreadable}");
        }
    }
}
