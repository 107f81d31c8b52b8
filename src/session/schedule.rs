//! When to renew a token, and when to try again.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use redact::Secret;
use serde::{Deserialize, Serialize};

use super::StoredToken;
use crate::error::{Error, Kind, Refusal};
use crate::io::clock::{self, Timestamp, part};
use crate::io::random;

/// Whether a token can be used as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// No need to renew it.
    Fresh,
    /// Renew it if possible, else use it.
    Due,
    /// Renew it, or fail.
    Unusable,
}

/// A token is due when a third of its life is left.
const DUE: u32 = 3;
/// A token is unusable by default when less than this is left, or less than a tenth of its life if that is shorter.
const LEAST: Duration = Duration::from_secs(60);
/// A clock that is set back by less than this goes unnoticed.
const BACKWARD: Duration = Duration::from_secs(1);

/// How much must be left of a token of this life for it to be usable, by default.
#[must_use]
pub fn default_min_ttl(life: Duration) -> Duration {
    LEAST.min(life / 10)
}

/// What a token needs now. `min_ttl` is how much must be left for it to be usable. `late` (0 to 1) delays the point when it is due by up to
/// a tenth of a third of its life, so that jobs that started together don't renew together.
#[must_use]
pub fn freshness(stored: &StoredToken, now: Timestamp, min_ttl: Option<Duration>, late: f64) -> Freshness {
    let in_doubt = match stored.in_doubt {
        false => Freshness::Fresh,
        // The pair is still there: using its refresh token will show whether it is spent.
        true if stored.token.refresh_token.is_some() => Freshness::Due,
        true => return Freshness::Unusable,
    };
    let (Some(end), Some(life)) = (stored.token.expires_at(), stored.token.expires_in) else { return in_doubt };
    let left = end.since(now);
    if left.is_zero() || left < min_ttl.unwrap_or_else(|| default_min_ttl(life)) {
        return Freshness::Unusable;
    }
    // If the clock was set back, it no longer tells how much is left.
    let set_back = now.after(BACKWARD) < stored.token.issued_at;
    if set_back || left <= due(life, late) { Freshness::Due } else { in_doubt }
}

/// When a token is due; `None` if it never is.
#[must_use]
pub fn due_at(stored: &StoredToken, late: f64) -> Option<Timestamp> {
    Some(stored.token.expires_at()?.before(due(stored.token.expires_in?, late)))
}

fn due(life: Duration, late: f64) -> Duration {
    (life / DUE).saturating_sub(part(life, late / 30.0))
}

/// The pause after a renewal that failed but may succeed later.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Backoff {
    /// The pause, before chance shortens it.
    #[serde(with = "clock::millis")]
    pub pause: Duration,
    /// When the renewal failed, by this machine's clock.
    pub since: Timestamp,
    /// When the next try may start.
    pub not_before: Timestamp,
}

/// The first pause.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(300);
/// The longest wait that a platform may ask for. Without a limit a keeper could sleep for ever.
const LONGEST_ASKED: Duration = Duration::from_secs(3600);
/// The shortest pause, before chance shortens it. While the token is good, several tries fit into what is left of it.
const CLOSEST: Duration = Duration::from_millis(200);

impl Backoff {
    /// The pause after one more failure. Pauses double, from a second to five minutes. While some of the token's life is `left`, a pause is
    /// at most a quarter of that. `jitter` (0 to 1) shortens it by up to a half.
    #[must_use]
    pub fn after(before: Option<&Self>, now: Timestamp, left: Duration, jitter: f64) -> Self {
        let pause = before.map_or(FIRST, |before| before.pause.saturating_mul(2)).clamp(CLOSEST, LONGEST);
        let pause = if left.is_zero() { pause } else { pause.min((left / 4).max(CLOSEST)) };
        Self { pause, since: now, not_before: now.after(pause.saturating_sub(part(pause, jitter / 2.0))) }
    }

    /// The same, but no next try before the time that the platform asked to wait.
    #[must_use]
    pub fn not_before(mut self, wait: Duration) -> Self {
        self.not_before = self.not_before.max(self.since.after(wait.min(LONGEST_ASKED)));
        self
    }

    /// How long to wait; zero if the clock was set back since.
    #[must_use]
    pub fn wait(&self, now: Timestamp) -> Duration {
        if now.after(BACKWARD) < self.since { Duration::ZERO } else { self.not_before.since(now) }
    }
}

/// How often the same refusal came in a row. A single one may come from a proxy in front of a platform that restarts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    status: Option<u16>,
    why: Option<Refusal>,
    first: Timestamp,
    last: Timestamp,
    /// How often it came.
    pub times: u32,
}

/// The fewest that end a keeper.
const SEVERAL: u32 = 4;
/// No restart takes this long.
const LASTING: Duration = Duration::from_secs(300);

impl Refusals {
    /// Counts one more refusal; a different one starts anew.
    #[must_use]
    pub fn after(before: Option<Self>, status: Option<u16>, why: Option<Refusal>, now: Timestamp) -> Self {
        let before = before.filter(|before| (before.status, before.why) == (status, why));
        let (first, times) = before.map_or((now, 0), |before| (before.first, before.times));
        Self { status, why, first, last: now, times: times.saturating_add(1) }
    }

    /// The time from the first to the last.
    #[must_use]
    pub fn span(&self) -> Duration {
        self.last.since(self.first)
    }

    /// Whether another try is useless: it came several times, and for minutes or until the token was `over`.
    #[must_use]
    pub fn are_final(&self, over: bool) -> bool {
        self.times >= SEVERAL && (over || self.span() >= LASTING)
    }
}

/// A credential that the platform refused. Until `again` it is not sent once more.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedCredential {
    /// Which it was.
    pub fingerprint: Fingerprint,
    /// When it was refused first.
    pub first: Timestamp,
    /// When it may be sent again.
    pub again: Backoff,
    /// What the platform said.
    pub what: String,
    /// What to do.
    pub help: String,
}

/// The longest time for which a refused credential is not sent again.
const LONGEST_MEMORY: Duration = Duration::from_secs(60);

impl RefusedCredential {
    /// Remembers a refusal. The pauses double, from a second to a minute.
    #[must_use]
    pub fn after<'s>(before: Option<&Self>, offered: impl Iterator<Item = &'s Secret> + Clone, now: Timestamp, error: &Error) -> Self {
        let before = before.filter(|before| before.fingerprint.is_of(offered.clone()));
        let fingerprint = before.map_or_else(|| Fingerprint::new(offered), |before| before.fingerprint);
        let pause = before.map_or(FIRST, |before| before.again.pause.saturating_mul(2)).clamp(FIRST, LONGEST_MEMORY);
        let again = Backoff { pause, since: now, not_before: now.after(pause) };
        let first = before.map_or(now, |before| before.first);
        Self { fingerprint, first, again, what: error.to_string(), help: error.help().to_owned() }
    }

    /// The remembered refusal as an error.
    #[must_use]
    pub fn remembered(&self) -> Error {
        let since = self.first.rfc3339().unwrap_or_default();
        let what = format!("{} (refused since {since}, and not asked again for each command)", self.what.trim_end_matches('.'));
        let advice = "jf-token refresh asks now, and so does any command with another credential.";
        Error::new(Kind::Refused, what, self.help.clone()).with_advice(advice).answered(401, None)
    }
}

/// Tells secrets apart without revealing them: a hash with a random key.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    key: u64,
    hash: u64,
}

impl Fingerprint {
    /// Of these secrets, in this order.
    #[must_use]
    pub fn new<'s>(secrets: impl Iterator<Item = &'s Secret>) -> Self {
        Self::keyed(random::number(), secrets)
    }

    /// Whether it is of these.
    #[must_use]
    pub fn is_of<'s>(self, secrets: impl Iterator<Item = &'s Secret>) -> bool {
        Self::keyed(self.key, secrets) == self
    }

    fn keyed<'s>(key: u64, secrets: impl Iterator<Item = &'s Secret>) -> Self {
        let mut hash = DefaultHasher::new();
        key.hash(&mut hash);
        secrets.for_each(|secret| secret.expose().hash(&mut hash));
        Self { key, hash: hash.finish() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_secs(1_800_000_000);

    const fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn stored(life: Option<u64>, age: u64) -> StoredToken {
        let issued_at = NOW.before(ms(age)).whole_second();
        let token = serde_json::json!({"access_token": "x", "expires_in": life, "issued_at": issued_at});
        let request = serde_json::json!({"refreshable": false, "include_reference_token": false});
        let stored = serde_json::json!({"platform": "https://x.io", "issuing": {"mint": request}, "token": token});
        serde_json::from_value(stored).unwrap()
    }

    fn needs(stored: &StoredToken, now: Timestamp, late: f64) -> Freshness {
        freshness(stored, now, None, late)
    }

    #[test]
    fn a_token_is_due_when_a_third_is_left_and_unusable_shortly_before_its_end() {
        const YEAR: u64 = 31_536_000;
        for (life, fresh, due, unusable) in [
            (3600, 2_399_000, 2_400_000, 3_541_000),
            (60, 39_000, 40_000, 54_001),
            (1, 0, 999, 1000),
            (YEAR, 0, YEAR * 667, YEAR * 1000 - 59_000),
        ] {
            let need = |age| needs(&stored(Some(life), age), NOW, 0.0);
            assert_eq!(
                [need(fresh), need(due - due % 1000), need(unusable)],
                if life == 1 {
                    [Freshness::Fresh, Freshness::Fresh, Freshness::Unusable]
                } else {
                    [Freshness::Fresh, Freshness::Due, Freshness::Unusable]
                },
                "{life}"
            );
        }
        // For a token of a few seconds, fractions of a second count.
        let (two, one) = (stored(Some(2), 0), stored(Some(1), 0));
        assert_eq!(needs(&two, NOW.after(ms(1330)), 0.0), Freshness::Fresh);
        assert_eq!(needs(&two, NOW.after(ms(1340)), 0.0), Freshness::Due);
        assert_eq!(needs(&two, NOW.after(ms(1810)), 0.0), Freshness::Unusable);
        assert_eq!(needs(&one, NOW.after(ms(700)), 0.0), Freshness::Due);
        assert_eq!(needs(&one, NOW.after(ms(1000)), 0.0), Freshness::Unusable);
    }

    #[test]
    fn a_token_without_an_end_is_always_fresh_and_one_that_ended_before_it_came_never() {
        assert_eq!(needs(&stored(None, 1_000_000_000), NOW, 0.0), Freshness::Fresh);
        assert_eq!(freshness(&stored(None, 0), NOW, Some(ms(1_000_000)), 0.0), Freshness::Fresh);
        assert_eq!(due_at(&stored(None, 0), 0.0), None);
        assert_eq!(needs(&stored(Some(0), 0), NOW, 0.0), Freshness::Unusable);
        assert_eq!(freshness(&stored(Some(60), 90_000), NOW, Some(Duration::ZERO), 0.0), Freshness::Unusable);
    }

    #[test]
    fn a_clock_that_jumps_forward_ends_the_token_and_one_that_jumps_back_makes_it_due() {
        let stored = stored(Some(3600), 0);
        assert_eq!(needs(&stored, NOW.after(ms(86_400_000)), 0.0), Freshness::Unusable);
        assert_eq!(needs(&stored, NOW.before(ms(86_400_000)), 0.0), Freshness::Due);
        assert_eq!(needs(&stored, NOW.before(ms(500)), 0.0), Freshness::Fresh);
        let backoff = Backoff { pause: ms(9), since: NOW, not_before: NOW.after(ms(7_200_000)) };
        let waits = [NOW.after(ms(5)), NOW.before(ms(86_400_000)), NOW.after(ms(7_200_001))].map(|now| backoff.wait(now));
        assert_eq!(waits, [ms(7_199_995), ms(0), ms(0)]);
    }

    #[test]
    fn jitter_makes_a_token_due_later_and_never_sooner() {
        let stored = stored(Some(3600), 0);
        assert_eq!(due_at(&stored, 0.0), Some(NOW.after(ms(2_400_000))));
        assert_eq!(due_at(&stored, 1.0), Some(NOW.after(ms(2_520_000))));
        assert_eq!(needs(&stored, NOW.after(ms(2_450_000)), 1.0), Freshness::Fresh);
    }

    #[test]
    fn min_ttl_beats_the_default_both_ways() {
        let stored = stored(Some(3600), 3_500_000);
        assert_eq!(needs(&stored, NOW, 0.0), Freshness::Due);
        assert_eq!(freshness(&stored, NOW, Some(ms(300_000)), 0.0), Freshness::Unusable);
        assert_eq!(freshness(&stored, NOW.after(ms(80_000)), Some(Duration::ZERO), 0.0), Freshness::Due);
    }

    #[test]
    fn the_pauses_between_failed_renewals_grow_to_minutes() {
        let (mut backoff, mut gaps) = (None, Vec::new());
        for _ in 0..12 {
            let next = Backoff::after(backoff.as_ref(), NOW, Duration::ZERO, 0.0);
            gaps.push(next.wait(NOW).as_secs());
            backoff = Some(next);
        }
        assert_eq!(gaps, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        let last = Backoff { pause: Duration::MAX, since: Timestamp::default(), not_before: Timestamp::default() };
        assert_eq!(Backoff::after(Some(&last), NOW, Duration::ZERO, 1.0).wait(NOW), ms(150_000));
        // While the token is good, there is time for several tries.
        assert_eq!(Backoff::after(Some(&last), NOW, ms(40_000), 0.0).wait(NOW), ms(10_000));
        assert_eq!(Backoff::after(None, NOW, ms(100), 0.0).wait(NOW), ms(200));
        assert_eq!(Backoff::after(None, NOW, Duration::ZERO, 0.0).not_before(Duration::from_secs(3600)).wait(NOW), ms(3_600_000));
        assert_eq!(Backoff::after(None, NOW, Duration::ZERO, 0.0).not_before(Duration::MAX).wait(NOW), ms(3_600_000));
    }

    #[test]
    fn a_refusal_is_final_when_it_came_several_times_and_lasts_or_the_token_is_over() {
        let again = |before, status, after| Refusals::after(before, Some(status), None, NOW.after(ms(after)));
        let mut met = None;
        for after in [0, 1000, 3000, 7000] {
            met = Some(again(met, 401, after));
        }
        let met = met.unwrap();
        assert_eq!((met.times, met.are_final(false), met.are_final(true)), (4, false, true));
        assert!(again(Some(met), 401, 300_000).are_final(false) && !again(Some(met), 401, 299_000).are_final(false));
        // Few, however far between, may be two restarts; another one begins anew; a clock that was set back proves nothing.
        assert!(!again(Some(again(None, 401, 0)), 401, 86_400_000).are_final(true));
        assert_eq!(again(Some(met), 403, 400_000).times, 1);
        assert!(!Refusals::after(Some(met), Some(401), None, NOW.before(ms(86_400_000))).are_final(false));
    }

    #[test]
    fn a_refused_credential_is_remembered_for_ever_longer_up_to_a_minute_and_another_not_at_all() {
        let secret = |text| Secret::new(text).unwrap();
        let (ours, other) = (secret("first-credential"), secret("other-credential"));
        let fingerprint = Fingerprint::new([&ours].into_iter());
        assert!(fingerprint.is_of([&ours].into_iter()) && !fingerprint.is_of([&other].into_iter()));
        assert!(fingerprint != Fingerprint::new([&ours].into_iter()), "keyed at random");
        let error = Error::new(Kind::Refused, "401", "");
        let (mut refused, mut now, mut waits) = (None, NOW, Vec::new());
        for _ in 0..8 {
            let next = RefusedCredential::after(refused.as_ref(), [&ours].into_iter(), now, &error);
            waits.push(next.again.wait(now).as_secs());
            now = now.after(next.again.wait(now));
            refused = Some(next);
        }
        assert_eq!((waits, refused.as_ref().unwrap().first), (vec![1, 2, 4, 8, 16, 32, 60, 60], NOW));
        let anew = RefusedCredential::after(refused.as_ref(), [&other].into_iter(), now, &error);
        assert_eq!((anew.first, anew.again.wait(now)), (now, ms(1000)));
    }
}
