//! When a token is to be renewed, and when to try again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Held;
use crate::clock::Millis;

/// How a token is renewed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RenewBy {
    /// The refresh token first; where it is spent or there is none, by minting again.
    #[default]
    Auto,
    /// The refresh token only.
    Refresh,
    /// Minting again only: the old token lives out its time.
    Mint,
}

impl RenewBy {
    /// The words of `--renew-by`.
    pub const WORDS: [(&str, RenewBy); 3] = [("auto", RenewBy::Auto), ("refresh", RenewBy::Refresh), ("mint", RenewBy::Mint)];

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
    pub(super) fn is_auto(&self) -> bool {
        *self == RenewBy::Auto
    }
}

/// Whether a token can be used as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// No need to renew it.
    Fresh,
    /// Renew it if that is possible, else use it.
    Due,
    /// Renew it, or fail.
    Unusable,
}

/// Due when a third of the life is left.
const DUE: u64 = 3;
/// Unusable by default when less than so much is left, or than a tenth of the life, if that is less.
const LEAST: Millis = 60_000;
/// A clock that was set back by less than this is not noticed.
const BACKWARD: Millis = 1000;

/// The least that must be left of a token of this life (in milliseconds) to be of use.
#[must_use]
pub fn default_min_ttl(life: Millis) -> Millis {
    LEAST.min(life / 10)
}

/// What a token needs now. `late` (0 to 1) puts the point at which it is due off by up to a tenth of the third, so that jobs that began together don't renew together.
#[must_use]
pub fn need(held: &Held, now: Millis, min_ttl: Option<Millis>, late: f64) -> Need {
    let in_doubt = match held.in_doubt {
        false => Need::Fresh,
        // The pair is still there: its refresh token tells whether it was spent.
        true if held.grant.refresh_token.is_some() => Need::Due,
        true => return Need::Unusable,
    };
    let (Some(end), Some(life)) = (held.grant.ends_at(), held.grant.life()) else { return in_doubt };
    let left = end.saturating_sub(now);
    if left == 0 || left < min_ttl.unwrap_or_else(|| default_min_ttl(life)) {
        return Need::Unusable;
    }
    // Set back, the clock no longer tells what is left.
    let set_back = now.saturating_add(BACKWARD) < held.grant.issued_at.saturating_mul(1000);
    if set_back || left <= due(life, late) { Need::Due } else { in_doubt }
}

/// When a token is due; none: never.
#[must_use]
pub fn due_at(held: &Held, late: f64) -> Option<Millis> {
    Some(held.grant.ends_at()?.saturating_sub(due(held.grant.life()?, late)))
}

fn due(life: Millis, late: f64) -> Millis {
    life / DUE - part(life, late / 30.0)
}

/// So much of a span; a fraction outside 0 to 1 counts as the nearest.
fn part(span: Millis, fraction: f64) -> Millis {
    Duration::from_millis(span).mul_f64(fraction.clamp(0.0, 1.0)).as_millis().try_into().unwrap_or_default()
}

/// The last renewal failed, because the platform could not be asked or gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trouble {
    /// The pause that follows, before chance shortens it.
    pub pause: Millis,
    /// When it was, by this machine's clock.
    pub since: Millis,
    /// When the next may be tried.
    pub not_before: Millis,
}

/// The first pause.
const FIRST: Millis = 1000;
/// The longest pause: five minutes.
const LONGEST: Millis = 300_000;
/// While the token is good, several tries fit into what is left; but never more than so many a second: one in 200 ms.
const CLOSEST: Millis = 200;

impl Trouble {
    /// One more failure. The pauses double, from a second to minutes; as long as something is `left` of the token, no pause is
    /// longer than a quarter of it. `jitter` (0 to 1) takes up to half of a pause away.
    #[must_use]
    pub fn after(before: Option<&Self>, now: Millis, left: Millis, jitter: f64) -> Self {
        let pause = before.map_or(FIRST, |before| before.pause.saturating_mul(2)).clamp(CLOSEST, LONGEST);
        let pause = if left > 0 { pause.min((left / 4).max(CLOSEST)) } else { pause };
        Self { pause, since: now, not_before: now.saturating_add(pause - part(pause, jitter / 2.0)) }
    }

    /// The same, but not before the platform has said.
    #[must_use]
    pub fn not_before(mut self, wait: Duration) -> Self {
        let wait = Millis::try_from(wait.as_millis()).unwrap_or(Millis::MAX);
        self.not_before = self.not_before.max(self.since.saturating_add(wait));
        self
    }

    /// How long still to wait; zero when the clock was set back since.
    #[must_use]
    pub fn wait(&self, now: Millis) -> Millis {
        if now.saturating_add(BACKWARD) < self.since { 0 } else { self.not_before.saturating_sub(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Millis = 1_800_000_000_000;

    fn held(life: Option<u64>, age: Millis) -> Held {
        let issued_at = (NOW - age) / 1000;
        let grant = serde_json::json!({"access_token": "x", "expires_in": life, "issued_at": issued_at});
        let order = serde_json::json!({"refreshable": false, "include_reference_token": false});
        let held = serde_json::json!({"platform": "https://x.io", "order": order, "grant": grant, "revoke": true, "files": []});
        serde_json::from_value(held).unwrap()
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
            let need = |age| need(&held(Some(life), age), NOW, None, 0.0);
            assert_eq!(
                [need(fresh), need(due - due % 1000), need(unusable)],
                if life == 1 { [Need::Fresh, Need::Fresh, Need::Unusable] } else { [Need::Fresh, Need::Due, Need::Unusable] },
                "{life}"
            );
        }
        // What is left within the second counts for a token of few seconds.
        assert_eq!(need(&held(Some(2), 0), NOW + 1330, None, 0.0), Need::Fresh);
        assert_eq!(need(&held(Some(2), 0), NOW + 1340, None, 0.0), Need::Due);
        assert_eq!(need(&held(Some(2), 0), NOW + 1810, None, 0.0), Need::Unusable);
        assert_eq!(need(&held(Some(1), 0), NOW + 700, None, 0.0), Need::Due);
        assert_eq!(need(&held(Some(1), 0), NOW + 1000, None, 0.0), Need::Unusable);
    }

    #[test]
    fn a_token_without_an_end_is_always_fresh_and_one_that_ended_before_it_came_never() {
        assert_eq!(need(&held(None, 1_000_000_000), NOW, None, 0.0), Need::Fresh);
        assert_eq!(need(&held(None, 0), NOW, Some(1_000_000), 0.0), Need::Fresh);
        assert_eq!(due_at(&held(None, 0), 0.0), None);
        assert_eq!(need(&held(Some(0), 0), NOW, None, 0.0), Need::Unusable);
        assert_eq!(need(&held(Some(60), 90_000), NOW, Some(0), 0.0), Need::Unusable);
    }

    #[test]
    fn a_clock_that_jumps_forward_ends_the_token_and_one_that_jumps_back_makes_it_due() {
        let held = held(Some(3600), 0);
        assert_eq!(need(&held, NOW + 86_400_000, None, 0.0), Need::Unusable);
        assert_eq!(need(&held, NOW - 86_400_000, None, 0.0), Need::Due);
        assert_eq!(need(&held, NOW - 500, None, 0.0), Need::Fresh);
        let trouble = Trouble { pause: 9, since: NOW, not_before: NOW + 7_200_000 };
        assert_eq!((trouble.wait(NOW + 5), trouble.wait(NOW - 86_400_000), trouble.wait(NOW + 7_200_001)), (7_199_995, 0, 0));
    }

    #[test]
    fn jitter_makes_a_token_due_later_and_never_sooner() {
        let held = held(Some(3600), 0);
        assert_eq!(due_at(&held, 0.0), Some(NOW + 2_400_000));
        assert_eq!(due_at(&held, 1.0), Some(NOW + 2_520_000));
        assert_eq!(need(&held, NOW + 2_450_000, None, 1.0), Need::Fresh);
    }

    #[test]
    fn min_ttl_beats_the_default_both_ways() {
        let held = held(Some(3600), 3_500_000);
        assert_eq!(need(&held, NOW, None, 0.0), Need::Due);
        assert_eq!(need(&held, NOW, Some(300_000), 0.0), Need::Unusable);
        assert_eq!(need(&held, NOW + 80_000, Some(0), 0.0), Need::Due);
    }

    #[test]
    fn the_pauses_between_failed_renewals_grow_to_minutes() {
        let (mut trouble, mut gaps) = (None, Vec::new());
        for _ in 0..12 {
            let next = Trouble::after(trouble.as_ref(), NOW, 0, 0.0);
            gaps.push(next.wait(NOW) / 1000);
            trouble = Some(next);
        }
        assert_eq!(gaps, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
        let last = Trouble { pause: u64::MAX, since: 0, not_before: 0 };
        assert_eq!(Trouble::after(Some(&last), NOW, 0, 1.0).wait(NOW), 150_000);
        // As long as the token is good, there is time for several tries.
        assert_eq!(Trouble::after(Some(&last), NOW, 40_000, 0.0).wait(NOW), 10_000);
        assert_eq!(Trouble::after(None, NOW, 100, 0.0).wait(NOW), 200);
        assert_eq!(Trouble::after(None, NOW, 0, 0.0).not_before(Duration::from_secs(3600)).wait(NOW), 3_600_000);
    }
}
