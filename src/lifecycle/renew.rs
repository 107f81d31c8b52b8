//! Renews the session's token, by its refresh token or by issuing it again: masks, remembers and hands over the new one.

use std::time::{Duration, Instant};

use redact::Secret;

use super::issue::{Answer, Ask, Remember, Transaction};
use super::{Context, LOCK, REQUEST, Stop};
use crate::api::claims::{claims, user};
use crate::api::{Limits, RetryBudget};
use crate::ci::{Export, Extent, IdToken};
use crate::credential::Credential;
use crate::deliver::{Rewrites, Rewritten};
use crate::error::{Error, Kind, Outcome, Refusal, Result};
use crate::io::clock::Timestamp;
use crate::io::random;
use crate::options::{RenewBy, Source, shown};
use crate::session::{Backoff, Freshness, RefusedCredential, Session, SessionGuard, State, StoredToken, freshness};

/// The longest time for one try while the token is still good.
const TRY: Duration = Duration::from_secs(10);
/// The shortest time for such a try.
const SHORTEST_TRY: Duration = Duration::from_millis(200);
/// How long to wait for a keeper that should have renewed the token.
const KEEPER: Duration = Duration::from_secs(10);

/// What to do where a session holds no token.
pub const MINT_FIRST: &str = "Mint one first: jf-token create; outside a CI with --session, and here with the same --session.";

/// The token of one session, renewed when necessary. Everything that needs it gets it here, on any thread.
pub struct TokenSource<'t> {
    cx: &'t Context,
    /// The session.
    pub session: Session,
    /// The way to renew, if this command was told one; else the session says.
    by: Option<RenewBy>,
    role: Role,
    stop: Stop<'t>,
    /// The pause after the last failure, if the session could not remember it.
    pub(super) backoff: Option<Backoff>,
    /// Whether a long-lived token may have been left behind, so that another try could leave one more.
    pub(super) issued_blindly: bool,
}

/// For whom the token is renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A command that somebody waits for.
    Waited,
    /// A keeper whose messages are in the job's log.
    Keeper,
    /// A keeper whose messages go to a file, from where it can't mask anything in the job's log.
    LoggedKeeper,
    /// The keeper of a program. It reports no success. It shares standard error with the program: half a line that the program left there
    /// would turn a mask command into text that shows the token.
    Exec,
}

impl Role {
    /// Whether what is printed here reaches the job's log, so that the token can be masked there.
    fn is_heard(self) -> bool {
        matches!(self, Role::Waited | Role::Keeper)
    }
}

/// What a token can be renewed with.
struct Means<'t> {
    refresh: Option<Secret>,
    /// The credential, or why it can't be used.
    issue: std::result::Result<&'t Credential, &'static str>,
}

impl Means<'_> {
    /// The secrets that the platform is asked to accept.
    fn secrets(&self) -> impl Iterator<Item = &Secret> + Clone {
        self.refresh.iter().chain(self.issue.ok().map(Credential::secrets).unwrap_or_default())
    }
}

impl<'t> TokenSource<'t> {
    /// For a command that somebody waits for.
    #[must_use]
    pub fn new(cx: &'t Context, session: Session) -> Self {
        let by = cx.options.renewal.by;
        Self { cx, session, by, role: Role::Waited, stop: Stop::Signal, backoff: None, issued_blindly: false }
    }

    /// For a keeper in this role.
    #[must_use]
    pub fn for_keeper(cx: &'t Context, session: Session, role: Role, stop: Stop<'t>) -> Self {
        Self { role, stop, ..Self::new(cx, session) }
    }

    /// The context it works in.
    #[must_use]
    pub fn context(&self) -> &'t Context {
        self.cx
    }

    /// For whom it renews.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// The token, valid for at least `min_ttl` (`None`: a minute, or a tenth of its life if that is less). If it is fresh, this takes no
    /// lock, sends nothing, and starts no runtime, which would take longer than all else.
    ///
    /// # Errors
    /// Fails if there is none, or if it is unusable and can't be renewed.
    pub fn token(&mut self, min_ttl: Option<Duration>) -> Result<StoredToken> {
        let late = random::fraction();
        let state = self.session.read()?;
        self.warn_if_not_kept(&state);
        let stored = self.current(&state)?;
        if freshness(stored, self.cx.now(), min_ttl, late) == Freshness::Fresh {
            if state.files_behind {
                self.catch_up();
            }
            return Ok(stored.clone());
        }
        self.cx.block_on(self.renewed(state, min_ttl, late))
    }

    /// Says why the token is kept fresh no longer, if a keeper has left word.
    pub fn warn_if_not_kept(&self, state: &State) {
        if let Some(why) = state.why_not_kept() {
            self.cx.console.warn(&why);
        }
    }

    /// The token, renewed by whoever gets the lock.
    async fn renewed(&mut self, mut state: State, min_ttl: Option<Duration>, late: f64) -> Result<StoredToken> {
        let started = Instant::now();
        loop {
            let stored = self.current(&state)?.clone();
            let found = freshness(&stored, self.cx.now(), min_ttl, late);
            if found == Freshness::Fresh {
                return Ok(stored);
            }
            if let (Some(min_ttl), Some(life)) = (min_ttl, stored.token.expires_in)
                && min_ttl >= life
            {
                let what = format!("no token of this session lives longer than {} s", life.as_secs());
                return Err(Error::input(what, "Give a shorter --min-ttl, or mint one that lives longer with --expiry."));
            }
            let kept = self.session.has_keeper();
            if kept && found == Freshness::Due && !stored.in_doubt {
                return Ok(stored);
            }
            let waits = started.elapsed() < if kept { KEEPER } else { LOCK };
            match self.renew_if_free(&state, min_ttl, late).await {
                Ok(true) => return Ok(self.current(&self.session.read()?)?.clone()),
                // Another process renews it, or should.
                Ok(false) if waits => {}
                Err(error) if waits && kept && error.kind() == Kind::NoCredential => {}
                Ok(false) if found == Freshness::Due => {
                    return Ok(self.as_it_is(&stored, "another process has been renewing it for long"));
                }
                Ok(false) => return Err(self.unusable(&stored, self.session.is_held())),
                Err(error) if found == Freshness::Due && !matches!(error.kind(), Kind::Interrupted(_)) => {
                    return Ok(self.as_it_is(&stored, &error.to_string()));
                }
                Err(error) => return Err(self.unusable(&stored, error)),
            }
            // A random pause, so that waiting processes don't all try again at the same time.
            tokio::time::sleep(Duration::from_millis(5).mul_f64(1.0 + 3.0 * random::fraction())).await;
            state = self.session.read()?;
        }
    }

    /// Renews the token, unless it was renewed meanwhile. Returns false if another process holds the lock.
    async fn renew_if_free(&mut self, state: &State, min_ttl: Option<Duration>, late: f64) -> Result<bool> {
        let means = self.means(state)?;
        let Some(mut guard) = self.session.try_lock()? else { return Ok(false) };
        let stored = self.current(&guard.state)?;
        let (now, in_doubt) = (self.cx.now(), stored.in_doubt);
        let found = freshness(stored, now, min_ttl, late);
        if found == Freshness::Fresh {
            return Ok(true);
        }
        let later = guard.state.backoff.as_ref().map_or(Duration::ZERO, |backoff| backoff.wait(now));
        if found == Freshness::Due && !in_doubt && !later.is_zero() {
            let what = format!("the last try failed, and the next is in {} s", later.as_millis().div_ceil(1000));
            return Err(Error::new(Kind::Unusable, what, ""));
        }
        if let Some(refused) = &guard.state.refused
            && !refused.again.wait(now).is_zero()
            && refused.fingerprint.is_of(means.secrets())
        {
            return Err(refused.remembered());
        }
        self.attempt(&mut guard, found).await?;
        let stored = self.current(&guard.state)?;
        if freshness(stored, self.cx.now(), min_ttl, late) == Freshness::Unusable {
            let life = stored.token.expires_in.unwrap_or_default().as_secs();
            let what = format!("the new token, of {life} s, is no longer good for long enough");
            return Err(Error::new(Kind::Unusable, what, "Mint tokens that live longer: --expiry, or the platform's settings."));
        }
        Ok(true)
    }

    /// Tries once to renew a token that is due or unusable, under the lock. If it fails but may succeed later, remembers that, so that the
    /// next try comes after a pause.
    ///
    /// # Errors
    /// Fails if the token was not renewed.
    pub async fn attempt(&mut self, guard: &mut SessionGuard, found: Freshness) -> Result<()> {
        let end = self.current(&guard.state)?.token.expires_at();
        let left = |now: Timestamp| end.map_or(Duration::MAX, |end| end.since(now));
        let once = RetryBudget(Duration::ZERO);
        let limits = match found {
            Freshness::Unusable if self.role != Role::Waited => Limits { budget: once, timeout: REQUEST },
            Freshness::Unusable => self.cx.limits(),
            _ => Limits { budget: once, timeout: (left(self.cx.now()) / 3).clamp(SHORTEST_TRY, TRY) },
        };
        let offered = self.means(&guard.state)?;
        let done = self.renew(guard, limits).await;
        if let Err(error) = &done
            && error.status() == Some(401)
        {
            guard.state.refused = Some(RefusedCredential::after(guard.state.refused.as_ref(), offered.secrets(), self.cx.now(), error));
            let _ = guard.write();
        }
        if let Err(error) = &done
            && (error.may_pass() || (self.role != Role::Waited && error.kind() == Kind::Refused))
        {
            let now = self.cx.now();
            // The session may not have been able to store the last pause, but we know it.
            let before = self.backoff.iter().chain(&guard.state.backoff).max_by_key(|backoff| backoff.pause);
            let mut backoff = Backoff::after(before, now, left(now), random::fraction());
            if let Outcome::Busy(Some(wait)) = error.outcome() {
                backoff = backoff.not_before(wait);
            }
            self.backoff = Some(backoff.clone());
            guard.state.backoff = Some(backoff);
            // If this can't be written, other processes just try sooner.
            let _ = guard.write();
        }
        done
    }

    /// Renews the token now, under the lock.
    ///
    /// # Errors
    /// Fails if it was not renewed. The session then keeps the old token, and what became known of its refresh token.
    pub async fn renew(&mut self, guard: &mut SessionGuard, limits: Limits) -> Result<()> {
        let means = self.means(&guard.state)?;
        let old = self.current(&guard.state)?.clone();
        let mut transaction = Transaction::begin(self.cx, Some(guard))?;
        let rewrites = match Rewrites::begin(&old.files) {
            Ok(rewrites) => rewrites,
            // The token in them is dead already.
            Err(_) if old.token.expires_at().is_some_and(|end| end <= self.cx.now()) => Rewrites::without_room(&old.files),
            Err(error) => return Err(error),
        };
        let refreshed = match &means.refresh {
            Some(refresh_token) => self.refresh(&mut transaction, &old, refresh_token, &means, limits).await?,
            None => None,
        };
        let auth = means.issue.ok().and_then(Credential::at_hand);
        let answer = match (refreshed, means.issue) {
            (Some(answer), _) => {
                transaction.amend(|state| state.lost.retain(|lost| !lost.refreshed));
                answer
            }
            (None, Ok(credential)) => {
                transaction.amend(|state| state.lost.iter_mut().for_each(|lost| lost.refreshed = false));
                self.issue_again(&mut transaction, &old, credential, limits).await?
            }
            (None, Err(why)) => return Err(self.no_means(self.by.unwrap_or(old.renew_by), &old, why)),
        };
        let stored = StoredToken { token: answer.token, in_doubt: false, masked: false, ..old.clone() };
        let how = Remember { masks: self.role.is_heard(), replaces: true };
        let stored = transaction.remember(stored, how, auth).await?.commit();
        self.note_files(guard, rewrites.finish(Some(&old), &stored));
        self.export_again(&stored);
        match answer.stopped {
            Some(signal) => Err(Error::new(Kind::Interrupted(signal), "stopped; the token is renewed and remembered", "")),
            None => Ok(()),
        }
    }

    /// Refreshes the token. `None` if that failed but issuing a new one may still work.
    async fn refresh(
        &self,
        transaction: &mut Transaction<'_>,
        old: &StoredToken,
        refresh_token: &Secret,
        means: &Means<'_>,
        limits: Limits,
    ) -> Result<Option<Answer>> {
        // If this process is killed, the next one must know that the pair may be spent.
        transaction.note(|state| doubt(state, true))?;
        let error = match transaction.ask(&old.platform, Ask::Refresh(old, refresh_token), limits, self.stop).await {
            Ok(answer) => return Ok(Some(answer)),
            Err(error) => error,
        };
        let spent = error.refusal() == Some(Refusal::SpentRefreshToken);
        let lost = if error.may_be_done() { Ask::Refresh(old, refresh_token).lost(&old.platform, self.cx.now()) } else { Vec::new() };
        transaction.note(|state| {
            // Only a new pair removes an older doubt.
            doubt(state, old.in_doubt || spent || !lost.is_empty());
            state.lost.extend(lost);
            if let Some(current) = state.current.as_mut().filter(|_| spent) {
                current.token.refresh_token = None;
            }
        })?;
        let would_meet_the_same =
            matches!(error.outcome(), Outcome::NotSent | Outcome::Busy(_)) || matches!(error.kind(), Kind::Interrupted(_));
        if would_meet_the_same {
            return Err(error);
        }
        if let Err(why) = means.issue {
            return Err(error.with_advice(&format!("It can't be minted anew: {why}. {}.", self.what_to_give(old))));
        }
        self.cx.console.say(&format!("{}; minting a new one instead", error.to_string().trim_end_matches('.')));
        Ok(None)
    }

    async fn issue_again(
        &mut self,
        transaction: &mut Transaction<'_>,
        old: &StoredToken,
        credential: &Credential,
        limits: Limits,
    ) -> Result<Answer> {
        self.cx.mask(credential.secrets().into_iter(), Extent::Whole)?;
        let asked = transaction.ask(&old.platform, Ask::Issue(&old.issuing, credential), limits, self.stop).await;
        if let Err(error) = &asked
            && error.may_be_done()
        {
            // A failure to write is not reported: the first failure matters more.
            let lost = Ask::Issue(&old.issuing, credential).lost(&old.platform, self.cx.now());
            let _ = transaction.note(|state| state.lost.extend(lost));
            self.issued_blindly = !old.issuing.ends_within_the_hour();
        }
        asked
    }

    /// Remembers whether a file still holds the old token. A failure is only reported: the token itself is safe.
    fn note_files(&self, guard: &mut SessionGuard, rewritten: Rewritten) {
        forget_foreign(self.cx, guard, &rewritten);
        let Rewritten { failures, .. } = rewritten;
        for error in &failures {
            self.cx.console.warn(&format!("a file still holds the old token: {error}"));
        }
        if guard.state.files_behind == failures.is_empty() {
            guard.state.files_behind = !failures.is_empty();
            let _ = guard.write();
        }
    }

    /// Writes the files that an earlier process could not write, if no other process is at it.
    fn catch_up(&self) {
        let Ok(Some(mut guard)) = self.session.try_lock() else { return };
        let Some(current) = guard.state.current.clone() else { return };
        let rewritten = Rewrites::without_room(&current.files).finish(guard.state.replaced.last(), &current);
        self.note_files(&mut guard, rewritten);
    }

    /// Puts the new token into the variable that holds the old one.
    fn export_again(&self, stored: &StoredToken) {
        let Some(name) = stored.variable.as_deref().filter(|_| self.role.is_heard()) else { return };
        let variable = Export::Variable { name, value: stored.token.access_token.expose() };
        match self.cx.ci.prepare(&[variable]).and_then(|()| self.cx.ci.export(variable)) {
            // There is no such thing here: this is no step of the job that set it.
            Err(error) if error.kind() == Kind::Input => {}
            Err(error) => self.cx.console.warn(&format!("the variable {name} still holds the old token: {error}")),
            Ok(_) => {}
        }
    }

    /// Checks that there is a way to renew the token from here.
    ///
    /// # Errors
    /// Fails if there is none, and says what would be one.
    pub fn check_means(&self) -> Result<()> {
        let state = self.session.read()?;
        self.means(&state).map(drop)
    }

    fn means(&self, state: &State) -> Result<Means<'t>> {
        let stored = self.current(state)?;
        let by = self.by.unwrap_or(stored.renew_by);
        let refresh = stored.token.refresh_token.clone().filter(|_| by != RenewBy::Mint);
        let issue = if by == RenewBy::Refresh { Err("--renew-by=refresh rules that out") } else { self.credential(state, stored)? };
        match (refresh, issue) {
            (None, Err(_)) if self.role == Role::Waited && self.session.has_keeper() => Err(self.left_to_the_keeper(state)),
            (None, Err(why)) => Err(self.no_means(by, stored, why)),
            (refresh, issue) => Ok(Means { refresh, issue }),
        }
    }

    /// The credential that can issue the token again, or why there is none. Where the options name none that can, it is the CI itself if it
    /// vouched for the job when the token was issued.
    fn credential(&self, state: &State, stored: &StoredToken) -> Result<std::result::Result<&'t Credential, &'static str>> {
        let remembered = || self.cx.remembered_credential(&stored.issuing);
        let issue = match self.cx.credential()? {
            None => Err("there is no credential here to mint a new one with"),
            // The credential is for one platform, and must not be sent to another.
            Some(_) if !self.cx.is_for(&stored.platform)? => {
                Err("the URL here is not the platform that issued it, so the credential here can't mint a new one")
            }
            // In a later step, JF_ACCESS_TOKEN may be the very token that was minted.
            Some(credential) if credential.secrets().into_iter().any(|secret| state.knows(secret)) => {
                Err("the credential here is the session's own token, which can't mint a new one")
            }
            // What came by an exchange comes by another, and not as whatever else the credential here may mint.
            Some(credential) if stored.issuing.exchange().is_some() && !credential.exchanges() => {
                let why = "the token came by an exchange, and the credential here is no OIDC provider, so it can't issue a new one";
                if matches!(credential.source, Source::Flag(_)) {
                    return Ok(Err(why));
                }
                Err(why)
            }
            Some(credential) if is_another_users(credential, stored) => {
                Err("the credential here is another user's than the token, so it can't mint a new one")
            }
            Some(credential) => Ok(credential),
        };
        Ok(issue.or_else(|why| remembered().ok_or(why)))
    }

    /// The error if only the keeper can renew the token.
    fn left_to_the_keeper(&self, state: &State) -> Error {
        let log = self.session.log();
        let help = match &state.backoff {
            None => {
                "It does so when a third of the life is left; until then jf-token get without a longer --min-ttl prints the token.".into()
            }
            Some(_) if log.exists() => format!("The keeper's last try failed, and it tries again: {} says why.", log.display()),
            Some(_) => "The keeper's last try failed, and it tries again.".into(),
        };
        Error::new(Kind::NoCredential, "only its keeper can renew it", help)
    }

    fn no_means(&self, by: RenewBy, stored: &StoredToken, no_credential: &str) -> Error {
        let refresh =
            if stored.token.refresh_token.is_some() { "--renew-by=mint rules out its refresh token" } else { "it has no refresh token" };
        let (what, help) = match by {
            RenewBy::Refresh => {
                ("it has no refresh token".into(), "Mint it with --refreshable, or let it be minted again: --renew-by=auto.".into())
            }
            _ => (format!("{refresh}, and {no_credential}"), format!("{}, or mint it with --refreshable.", self.what_to_give(stored))),
        };
        Error::new(Kind::NoCredential, what, help)
    }

    /// Advice for when the credential here can't issue a token like this one.
    fn what_to_give(&self, stored: &StoredToken) -> String {
        let Some(exchange) = stored.issuing.exchange() else {
            return "Set JF_URL and JF_ACCESS_TOKEN here to those that the first token was minted with".into();
        };
        let why = match self.cx.ci.id_token(exchange.audience.as_deref()) {
            IdToken::Unavailable(why) => format!(" ({})", why.trim_end_matches('.')),
            _ => String::new(),
        };
        let provider = shown(&exchange.provider_name);
        format!("Give an identity token here too{why}, and no other credential than --oidc-provider {provider}")
    }

    fn current<'s>(&self, state: &'s State) -> Result<&'s StoredToken> {
        state.current.as_ref().ok_or_else(|| {
            let what = format!("the session '{}' holds no token", self.session.name());
            let others = self.session.others().unwrap_or_default();
            let help = if others.is_empty() {
                MINT_FIRST.into()
            } else {
                format!("There are others: {}. Name one by --session or JF_TOKEN_SESSION.", others.join(", "))
            };
            Error::new(Kind::NoCredential, what, help)
        })
    }

    /// Reports that the token could not be renewed, and returns it as it is.
    fn as_it_is(&self, stored: &StoredToken, why: &str) -> StoredToken {
        let state = if stored.in_doubt { "may have been ended by a refresh whose answer was lost".into() } else { self.cx.end_of(stored) };
        self.cx.console.say(&format!("the token {state}, and is not renewed yet: {why}"));
        stored.clone()
    }

    fn unusable(&self, stored: &StoredToken, error: Error) -> Error {
        let state = if stored.in_doubt { "was ended by a refresh whose answer was lost".into() } else { self.cx.end_of(stored) };
        error.about(&format!("the token {state} and can't be renewed"))
    }
}

/// Whether the token that this credential would mint is not that of the same user, as far as that shows before.
fn is_another_users(credential: &Credential, stored: &StoredToken) -> bool {
    let says = stored.issuing.request().is_none_or(|request| request.username.is_some());
    let own = || user(&claims(credential.token()?)?).map(str::to_owned);
    !says && own().zip(stored.token.username()).is_some_and(|(own, user)| !own.eq_ignore_ascii_case(&user))
}

/// Forgets the files that others have replaced, once they are told.
pub(super) fn forget_foreign(cx: &Context, guard: &mut SessionGuard, rewritten: &Rewritten) {
    for path in &rewritten.foreign {
        cx.console.warn(&format!("others have replaced what {} held: it stays as it is, and gets no new token", path.display()));
    }
    if let Some(current) = guard.state.current.as_mut().filter(|_| !rewritten.foreign.is_empty()) {
        current.files.retain(|file| !rewritten.foreign.contains(&file.path));
        // If this can't be written, it is only told again.
        let _ = guard.write();
    }
}

fn doubt(state: &mut State, in_doubt: bool) {
    if let Some(current) = &mut state.current {
        current.in_doubt = in_doubt;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_source_can_be_handed_to_another_thread() {
        fn is_send<T: Send>() {}
        is_send::<TokenSource<'static>>();
    }
}
