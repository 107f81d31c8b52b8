//! Renew the session's token, by its refresh token or by minting again: mask, remember, hand over again.

use std::pin::Pin;
use std::time::{Duration, Instant};

use super::mint::{awaited, take_back};
use super::{Job, LOCK, REQUEST, with_access};
use crate::access::{LEFT_BEHIND, Patience, is_spent};
use crate::clock::Millis;
use crate::deliver::rewrite;
use crate::error::{Error, Fate, Kind, Result};
use crate::os;
use crate::redact::Secret;
use crate::session::{Held, Locked, Need, RenewBy, Session, State, Trouble, need};

/// The most time for one try while the token is still good.
const TRY: Duration = Duration::from_secs(10);
/// The least.
const SHORTEST_TRY: Duration = Duration::from_millis(200);
/// How long a keeper is waited for that should have renewed the token.
const KEEPER: Duration = Duration::from_secs(10);
const SPENT: &str = "The refresh token may be spent, and the old token dead.";

/// Tells the number of the signal that asks to stop.
pub type Stop = Box<dyn Fn() -> Pin<Box<dyn Future<Output = u8>>>>;

/// Renews the token of one session.
pub struct Renewer<'r, 'a, 'c> {
    pub job: &'r mut Job<'a, 'c>,
    pub session: Session,
    /// As this command was asked to; else as the session says.
    pub by: Option<RenewBy>,
    pub role: Role,
    pub stop: Stop,
    /// What the last try met, where the session could not remember it.
    pub trouble: Option<Trouble>,
    /// A token may have been left behind that lives for long: another try could leave one more.
    pub minted_blindly: bool,
}

/// For whom the token is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Somebody waits for it.
    Waited,
    /// A keeper whose talk the job's log shows.
    Keeper,
    /// A keeper whose talk goes to a file: no log hides what it is asked to from there.
    LoggedKeeper,
    /// The keeper of a program, which says nothing of what went well. It has standard error together with the program, whose
    /// half a line before a mask would have the log show the token.
    Exec,
}

impl Role {
    /// Whether the log does what it is told from here.
    fn is_heard(self) -> bool {
        matches!(self, Role::Waited | Role::Keeper)
    }
}

struct Means {
    refresh: Option<Secret>,
    /// The credential, or why there is none.
    mint: std::result::Result<Secret, &'static str>,
}

impl<'r, 'a, 'c> Renewer<'r, 'a, 'c> {
    /// For a command that somebody waits for.
    pub fn new(job: &'r mut Job<'a, 'c>, session: Session, by: Option<RenewBy>) -> Self {
        let stop: Stop = Box::new(|| Box::pin(os::stop_request()));
        Self { job, session, by, role: Role::Waited, stop, trouble: None, minted_blindly: false }
    }

    /// The token, good for at least `min_ttl` milliseconds (absent: a minute, or a tenth of its life). One that is fresh costs no network and no lock.
    ///
    /// # Errors
    /// When there is none, or it is unusable and can't be renewed.
    pub fn usable(&mut self, min_ttl: Option<Millis>) -> Result<Held> {
        let (late, started) = (crate::random::fraction(), Instant::now());
        let mut state = self.session.read()?;
        if let Some(text) = &state.keeper_gave_up {
            self.job.console.warn(text);
        }
        loop {
            let held = self.current(&state)?.clone();
            let found = need(&held, self.job.millis(), min_ttl, late);
            if found == Need::Fresh {
                return Ok(held);
            }
            if let (Some(min_ttl), Some(life)) = (min_ttl, held.grant.life())
                && min_ttl >= life
            {
                let what = format!("no token of this session lives longer than {} s", life / 1000);
                return Err(Error::input(what, "Give a shorter --min-ttl, or mint one that lives longer with --expiry."));
            }
            let kept = self.session.has_keeper();
            if kept && found == Need::Due && !held.in_doubt {
                return Ok(held);
            }
            let waits = started.elapsed() < if kept { KEEPER } else { LOCK };
            match self.renew_if_free(&state, min_ttl, late) {
                Ok(true) => return Ok(self.current(&self.session.read()?)?.clone()),
                // Another is at it, or should be.
                Ok(false) if waits => {}
                Err(error) if waits && kept && error.kind() == Kind::NoCredential => {}
                Ok(false) if found == Need::Due => return Ok(self.as_it_is(&held, "another process has been renewing it for long")),
                Ok(false) => return Err(self.unusable(&held, self.session.is_held())),
                Err(error) if found == Need::Due && !matches!(error.kind(), Kind::Interrupted(_)) => {
                    return Ok(self.as_it_is(&held, &error.to_string()));
                }
                Err(error) => return Err(self.unusable(&held, error)),
            }
            // Not all at once again.
            std::thread::sleep(Duration::from_millis(5).mul_f64(1.0 + 3.0 * crate::random::fraction()));
            state = self.session.read()?;
        }
    }

    /// Renews the token, unless it was renewed meanwhile. False: another process has the lock.
    fn renew_if_free(&mut self, state: &State, min_ttl: Option<Millis>, late: f64) -> Result<bool> {
        self.means(state)?;
        let Some(mut locked) = self.session.try_lock()? else { return Ok(false) };
        let held = self.current(&locked.state)?;
        let (now, in_doubt) = (self.job.millis(), held.in_doubt);
        let found = need(held, now, min_ttl, late);
        if found == Need::Fresh {
            return Ok(true);
        }
        let later = locked.state.trouble.as_ref().map_or(0, |trouble| trouble.wait(now));
        if found == Need::Due && !in_doubt && later > 0 {
            let what = format!("the last try failed, and the next is in {} s", later.div_ceil(1000));
            return Err(Error::new(Kind::Unusable, what, ""));
        }
        self.attempt(&mut locked, found)?;
        let held = self.current(&locked.state)?;
        if need(held, self.job.millis(), min_ttl, late) == Need::Unusable {
            let what = format!("the new token, of {} s, is no longer good for long enough", held.grant.expires_in.unwrap_or_default());
            return Err(Error::new(Kind::Unusable, what, "Mint tokens that live longer: --expiry, or the platform's settings."));
        }
        Ok(true)
    }

    /// One try to renew a token that is due or unusable, under the lock. What may pass is remembered, so that the next try comes later.
    ///
    /// # Errors
    /// When it was not renewed.
    pub fn attempt(&mut self, locked: &mut Locked, found: Need) -> Result<()> {
        let end = self.current(&locked.state)?.grant.ends_at();
        let left = |now: Millis| end.map_or(Millis::MAX, |end| end.saturating_sub(now));
        let (patience, timeout) = match found {
            Need::Unusable if self.role != Role::Waited => (Patience(Duration::ZERO), REQUEST),
            Need::Unusable => (self.job.patience()?, REQUEST),
            _ => (Patience(Duration::ZERO), Duration::from_millis(left(self.job.millis()) / 3).clamp(SHORTEST_TRY, TRY)),
        };
        let done = self.renew(locked, patience, timeout);
        if let Err(error) = &done
            && may_pass(error)
        {
            let now = self.job.millis();
            // What could not be written is known here all the same.
            let before = self.trouble.iter().chain(&locked.state.trouble).max_by_key(|trouble| trouble.pause);
            let mut trouble = Trouble::after(before, now, left(now), crate::random::fraction());
            if let Fate::Busy(Some(wait)) = error.fate() {
                trouble = trouble.not_before(wait);
            }
            self.trouble = Some(trouble.clone());
            locked.state.trouble = Some(trouble);
            // Where it can't be written, other processes try sooner.
            let _ = locked.draft().and_then(|draft| locked.save(draft));
        }
        done
    }

    /// Renews the token now, under the lock.
    ///
    /// # Errors
    /// When it was not renewed: then what was remembered stays, and what could be of use.
    pub fn renew(&mut self, locked: &mut Locked, patience: Patience, timeout: Duration) -> Result<()> {
        let means = self.means(&locked.state)?;
        let held = self.current(&locked.state)?.clone();
        let mut draft = locked.draft()?;
        let mut got = None;
        if let Some(refresh_token) = &means.refresh {
            // Whoever goes on after this process was killed must know that the pair may be spent.
            let doubted = std::mem::replace(&mut draft, locked.draft()?);
            doubt(locked, true);
            locked.save(doubted)?;
            let life = held.order.expires_in.filter(|life| *life > 0);
            let asked = with_access(self.job, &held.platform, patience, timeout, async |access| {
                awaited(access, access.refresh(&held.grant, refresh_token, life), (self.stop)(), SPENT).await
            });
            match asked {
                Ok(answer) => got = Some(answer),
                Err(error) => {
                    // Only a new pair clears an older doubt.
                    doubt(locked, held.in_doubt || is_spent(&error) || may_be_done(&error));
                    if is_spent(&error)
                        && let Some(last) = locked.state.tokens.last_mut()
                    {
                        last.grant.refresh_token = None;
                    }
                    locked.save(draft)?;
                    let would_meet_the_same =
                        matches!(error.fate(), Fate::NotSent | Fate::Busy(_)) || matches!(error.kind(), Kind::Interrupted(_));
                    if would_meet_the_same {
                        return Err(error);
                    }
                    if let Err(why) = means.mint {
                        return Err(error.with_advice(&format!("It can't be minted anew: {why}. {SET_THE_FIRST}.")));
                    }
                    self.job.console.say(&format!("{}; minting a new one instead", error.to_string().trim_end_matches('.')));
                    draft = locked.draft()?;
                }
            }
        }
        let (grant, stopped) = match (got, &means.mint) {
            (Some(answer), _) => answer,
            (None, Ok(credential)) => {
                let asked = with_access(self.job, &held.platform, patience, timeout, async |access| {
                    awaited(access, access.mint(&held.order, credential), (self.stop)(), LEFT_BEHIND).await
                });
                match asked {
                    Ok(answer) => answer,
                    Err(error) => {
                        if may_be_done(&error) {
                            locked.state.left_behind = true;
                            // This failure is the one to tell.
                            let _ = locked.save(draft);
                            self.minted_blindly = !held.order.ends_within_the_hour();
                        }
                        return Err(error);
                    }
                }
            }
            (None, Err(why)) => return Err(no_means(self.by.unwrap_or(held.renew_by), &held, why)),
        };
        if self.role.is_heard() {
            self.job.console.mask(grant.secrets());
        }
        let next = Held { grant, in_doubt: false, masked: false, replaced: false, ..held };
        let before = locked.state.clone();
        locked.state.replace(next.clone(), self.job.millis());
        if let Err(error) = locked.save(draft) {
            locked.state = before;
            let (words, _) = take_back(self.job, &next, means.mint.as_ref().ok());
            return Err(error.with_advice(&words));
        }
        self.hand_over_again(&next);
        match stopped {
            Some(signal) => Err(Error::new(Kind::Interrupted(signal), "stopped; the token is renewed and remembered", "")),
            None => Ok(()),
        }
    }

    /// The files and the variable that hold the token get the new one. What fails is told: the token itself is safe.
    fn hand_over_again(&self, held: &Held) {
        for file in &held.files {
            if let Err(error) = rewrite(file, held) {
                self.job.console.warn(&format!("it still holds the old token: {error}"));
            }
        }
        if let Some(name) = held.variable.as_ref().filter(|name| self.role.is_heard() && self.job.ci.check_variable(name).is_ok())
            && let Err(error) = self.job.ci.set_variable(name, held.grant.access_token.expose())
        {
            self.job.console.warn(&error.to_string());
        }
    }

    /// Whether there is any way to renew the token from here.
    ///
    /// # Errors
    /// When there is none, with what would make one.
    pub fn check_means(&mut self) -> Result<()> {
        let state = self.session.read()?;
        self.means(&state).map(drop)
    }

    fn means(&mut self, state: &State) -> Result<Means> {
        let held = self.current(state)?;
        let by = self.by.unwrap_or(held.renew_by);
        let refresh = held.grant.refresh_token.clone().filter(|_| by != RenewBy::Mint);
        let credential = if by == RenewBy::Refresh { None } else { self.job.credential()?.map(|found| found.secret) };
        let mint = match credential {
            None if by == RenewBy::Refresh => Err("--renew-by refresh leaves that out"),
            None => Err("there is no credential here to mint a new one with"),
            // The credential is for one platform, and goes to no other.
            Some(_) if self.job.platform()?.as_ref() != Some(&held.platform) => {
                Err("the URL here is not the platform's that minted it, so the credential here can't mint a new one")
            }
            // What a step calls JF_ACCESS_TOKEN may be the very token that was minted for it.
            Some(secret) if state.secrets().any(|ours| *ours == secret) => {
                Err("what stands here as the credential is the session's own token, which can't mint a new one")
            }
            Some(secret) => Ok(secret),
        };
        match (refresh, mint) {
            (None, Err(_)) if self.role == Role::Waited && self.session.has_keeper() => Err(self.left_to_the_keeper(state)),
            (None, Err(why)) => Err(no_means(by, held, why)),
            (refresh, mint) => Ok(Means { refresh, mint }),
        }
    }

    /// Nothing here can renew the token, but its keeper can.
    fn left_to_the_keeper(&self, state: &State) -> Error {
        let log = self.session.log();
        let next = match &state.trouble {
            None => "It does so when a third of the life is left: take what there is with jf-token get, without a longer --min-ttl.".into(),
            Some(_) if log.exists() => format!("The keeper's last try failed, and it tries again: {} says why.", log.display()),
            Some(_) => "The keeper's last try failed, and it tries again.".into(),
        };
        Error::new(Kind::NoCredential, "only its keeper has what renews it", next)
    }

    fn current<'s>(&self, state: &'s State) -> Result<&'s Held> {
        state.tokens.last().ok_or_else(|| {
            let what = format!("the session '{}' holds no token", self.session.name());
            let others = self.session.others();
            let next = if others.is_empty() {
                "Mint one first: jf-token create; outside a CI with --session, and here with the same --session.".into()
            } else {
                format!("There are others: {}. Say which by --session, or JF_TOKEN_SESSION.", others.join(", "))
            };
            Error::new(Kind::NoCredential, what, next)
        })
    }

    /// The token that is there, though it could not be renewed.
    fn as_it_is(&self, held: &Held, why: &str) -> Held {
        let state = if held.in_doubt { "may have been ended by a refresh whose answer was lost".into() } else { self.job.end_of(held) };
        self.job.console.say(&format!("the token {state}, and is not renewed yet: {why}"));
        held.clone()
    }

    fn unusable(&self, held: &Held, error: Error) -> Error {
        let state = if held.in_doubt { "was ended by a refresh whose answer was lost".into() } else { self.job.end_of(held) };
        error.about(&format!("the token {state} and can't be renewed"))
    }
}

fn doubt(locked: &mut Locked, in_doubt: bool) {
    if let Some(last) = locked.state.tokens.last_mut() {
        last.in_doubt = in_doubt;
    }
}

/// Whether the same may work later, with nothing changed. What stands in front of a platform that is being restarted says 404 and 403 too.
pub fn may_pass(error: &Error) -> bool {
    let from_elsewhere = error.status().is_some() && error.said().is_none();
    error.fate() != Fate::Final || from_elsewhere || matches!(error.kind(), Kind::Unreachable | Kind::Unusable | Kind::Local)
}

/// Whether what was asked for may have been done, though no answer told so: it was lost, or something else's page came instead.
fn may_be_done(error: &Error) -> bool {
    error.fate() == Fate::Lost || (error.kind() == Kind::Unusable && error.status().is_none())
}

/// What to do where nothing can mint.
const SET_THE_FIRST: &str = "Set JF_URL and JF_ACCESS_TOKEN here to those of the first mint";

fn no_means(by: RenewBy, held: &Held, no_mint: &str) -> Error {
    let refresh =
        if held.grant.refresh_token.is_some() { "--renew-by mint keeps its refresh token out" } else { "it has no refresh token" };
    let (what, next) = match by {
        RenewBy::Refresh => {
            ("it has no refresh token".into(), "Mint it with --refreshable, or let it be minted again: --renew-by auto.".into())
        }
        _ => (format!("{refresh}, and {no_mint}"), format!("{SET_THE_FIRST}, or mint it with --refreshable.")),
    };
    Error::new(Kind::NoCredential, what, next)
}
