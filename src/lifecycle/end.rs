//! The end of a session: its tokens are revoked, and what was written for them is removed.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use redact::Secret;

use super::{Context, REQUEST};
use crate::api::{Client, Limits, PlatformUrl, RetryBudget, Revoked};
use crate::ci::Action;
use crate::credential::Credential;
use crate::error::{Error, Kind, Refusal, Result};
use crate::io::remove;
use crate::options::Revoke;
use crate::session::{AtEnd, Session, SessionGuard, StoredToken};

/// Ends one token: by the credential that it was issued for where that is at hand, else by the token itself, which may always end itself.
///
/// # Errors
/// When the token may still be alive.
pub async fn end(client: &Client<'_>, stored: &StoredToken, bearer: Option<&Secret>) -> Result<Revoked> {
    let id = &stored.token.token_id;
    if let Some(bearer) = bearer.filter(|_| !id.is_empty()) {
        match client.revoke(id, bearer).await {
            // The credential of the minting step may be another one, or be gone: the token can still speak for itself.
            Err(error) if error.kind() == Kind::Refused && error.refusal().is_some() => {}
            settled => return settled,
        }
    }
    end_itself(client, &stored.token.access_token).await
}

async fn end_itself(client: &Client<'_>, token: &Secret) -> Result<Revoked> {
    match client.revoke("me", token).await {
        // Dead for the platform already. Refused for another reason (its audience is not this service), it may well live.
        Err(error) if matches!(error.refusal(), Some(Refusal::Expired | Refusal::Revoked)) => Ok(Revoked::Done),
        settled => settled,
    }
}

/// Ends the tokens of a session and removes what was written for them. `quiet`: only what went wrong is told.
///
/// # Errors
/// When a token may still be alive, or a file still there.
pub fn end_session(cx: &Context, session: &Session, revoke: Revoke, quiet: bool) -> Result<()> {
    let started = Instant::now();
    // It may be renewing right now, and is to let go of the session.
    session.stop_keeper();
    let patience = if cx.action.is_some() { Action::END } else { REQUEST };
    let mut guard = match session.lock(patience) {
        Ok(guard) => guard,
        Err(error) if session.read().is_err() => return Err(end_what_can_be_read(cx, session, error)),
        Err(error) => return Err(error),
    };
    let (replaced, named) = guard.state.take_tokens();
    tell_what_went_wrong_before(cx, &guard, replaced.is_empty() && named.is_empty() && !quiet);
    let mut ending = Ending { cx, guard, failures: Vec::new(), earlier: 0, quiet, started };
    let files = replaced.iter().chain(&named).flat_map(|stored| &stored.files);
    ending.failures.extend(files.filter_map(|file| remove(&file.path).err()));
    let tokens = replaced.into_iter().map(|stored| (stored, true)).chain(named.into_iter().map(|stored| (stored, false)));
    let (revoked, kept): (Vec<_>, Vec<_>) = tokens.partition(|(stored, _)| revoke != Revoke::Never && stored.at_end == AtEnd::Revoke);
    for (stored, _) in kept.iter().filter(|(_, replaced)| !quiet && !replaced) {
        cx.console.say(&format!("{} is not revoked, as asked; it {}", stored.token.name(), cx.end_of(stored)));
    }
    for tokens in by_platform(revoked) {
        ending.end_tokens(tokens);
    }
    ending.settle()
}

/// What an earlier process left: a token that nobody knows of, or nothing at all.
fn tell_what_went_wrong_before(cx: &Context, guard: &SessionGuard, tell_nothing: bool) {
    if guard.was_cut_off() || guard.state.lost_a_token {
        cx.console.warn("an earlier step was stopped, or an answer was lost, while a token was being issued: a token may be alive that is not remembered here; look for it in the platform's list of tokens");
    } else if tell_nothing && cx.action.is_none() {
        let others = guard.session().others();
        let others = if others.is_empty() { String::new() } else { format!("; there are others, for --session: {}", others.join(", ")) };
        cx.console.say(&format!("nothing to revoke: the session '{}' holds no token{others}", guard.name()));
    }
    if let Some(why) = &guard.state.keeper_failure {
        cx.console.warn(why);
    }
}

/// A session that is being ended.
struct Ending<'t> {
    cx: &'t Context,
    guard: SessionGuard,
    failures: Vec<Error>,
    /// How many tokens were revoked that a renewed one had replaced.
    earlier: usize,
    quiet: bool,
    started: Instant,
}

impl Ending<'_> {
    /// Ends tokens of one platform, at once, within the time that is left.
    fn end_tokens(&mut self, tokens: Vec<(StoredToken, bool)>) {
        let budget = self.cx.limits().budget.0;
        let left = if self.cx.action.is_some() { Action::END.saturating_sub(self.started.elapsed()) } else { budget.max(REQUEST) };
        // For those that can do nothing any more, one try is enough.
        let all_over = tokens.iter().all(|(stored, _)| is_over(self.cx, stored));
        let budget = RetryBudget(if all_over { Duration::ZERO } else { budget.min(left) });
        let ends = end_all(self.cx, &tokens, budget, left);
        for ((stored, replaced), ended) in tokens.into_iter().zip(ends) {
            self.tell(stored, replaced, ended);
        }
    }

    fn tell(&mut self, stored: StoredToken, replaced: bool, ended: Result<Revoked>) {
        let (cx, name) = (self.cx, stored.token.name());
        match ended {
            Ok(Revoked::Done) if replaced => self.earlier += 1,
            Ok(Revoked::NotFound) if replaced => {}
            Ok(Revoked::NotRevocable) if is_over(cx, &stored) => {}
            Ok(Revoked::Done | Revoked::NotFound) if self.quiet => {}
            Ok(Revoked::Done) => cx.console.say(&format!("revoked {name}")),
            Ok(Revoked::NotFound) => cx.console.say(&format!("{name} was no longer alive")),
            Ok(Revoked::NotRevocable) => cx.console.say(&format!(
                "{name} is too short-lived for the platform to revoke; by itself it {} (force-revocable makes such a token revocable)",
                cx.end_of(&stored)
            )),
            Err(error) if is_over(cx, &stored) => {
                if !replaced && !self.quiet {
                    cx.console.say(&format!("{name} {} by itself (revoking it was tried: {error})", cx.end_of(&stored)));
                }
            }
            Err(error) => {
                self.failures.push(error.about(&format!("{name} could not be revoked, and {}", cx.end_of(&stored))));
                // After the end of an action's own session nobody comes back for it: then the message is all there is.
                if cx.action.is_none() || cx.options.session.name.is_some() {
                    self.keep(stored, replaced);
                }
            }
        }
    }

    /// It lives, and stays remembered for the next try.
    fn keep(&mut self, stored: StoredToken, replaced: bool) {
        let files = stored.files.iter().filter(|file| file.path.exists()).cloned().collect();
        let stored = StoredToken { files, ..stored };
        let state = &mut self.guard.state;
        if replaced {
            state.replaced.push(stored);
        } else {
            state.others.extend(state.current.replace(stored));
        }
    }

    fn settle(mut self) -> Result<()> {
        if self.earlier > 0 && !self.quiet {
            let tokens = if self.earlier == 1 { "token" } else { "tokens" };
            self.cx.console.say(&format!("revoked {} earlier {tokens}", self.earlier));
        }
        // A token that lives weighs more than a file that stays.
        self.failures.splice(0..0, self.guard.settle().err());
        let last = self.failures.pop();
        for error in self.failures {
            self.cx.console.warn(&error.to_string());
        }
        last.map_or(Ok(()), Err)
    }
}

/// The end of every token of one platform, in their order.
fn end_all(cx: &Context, tokens: &[(StoredToken, bool)], budget: RetryBudget, left: Duration) -> Vec<Result<Revoked>> {
    let Some(platform) = tokens.first().map(|(stored, _)| &stored.platform) else { return Vec::new() };
    let limits = Limits { budget, timeout: left.clamp(Duration::from_millis(1), REQUEST) };
    let ends = cx.block_on(async {
        let bearer = bearer_for(cx, platform).await;
        cx.with_client(platform, limits, async |client| {
            let ends = tokens.iter().map(|(stored, _)| async {
                let ended = tokio::time::timeout(left, end(client, stored, bearer.as_ref())).await;
                ended.unwrap_or_else(|_| Err(Error::new(Kind::Unreachable, format!("{} did not answer in time", platform.as_str()), "")))
            });
            Ok(all(ends.map(|end| Box::pin(end) as Pin<Box<dyn Future<Output = _>>>).collect()).await)
        })
        .await
    });
    ends.unwrap_or_else(|error| tokens.iter().map(|_| Err(error.clone())).collect())
}

/// What may end tokens of this platform besides themselves. A credential is for one platform, and goes to no other.
/// One that can't be read any more must not keep the tokens alive.
async fn bearer_for(cx: &Context, platform: &PlatformUrl) -> Option<Secret> {
    let credential: &Credential = cx.credential().ok().flatten()?;
    if cx.platform().ok().flatten().as_ref() != Some(platform) {
        return None;
    }
    credential.authenticate().await.ok()
}

/// The results of all, in their order. (A library's join costs 12 KiB, for the few tokens of a job.)
async fn all<T>(mut futures: Vec<Pin<Box<dyn Future<Output = T> + '_>>>) -> Vec<T> {
    let mut results: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (future, result) in futures.iter_mut().zip(&mut results).filter(|(_, result)| result.is_none()) {
            if let Poll::Ready(value) = future.as_mut().poll(context) {
                *result = Some(value);
            }
        }
        if results.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    results.into_iter().flatten().collect()
}

/// Whether a token is dead without our doing, with nothing that could renew it.
fn is_over(cx: &Context, stored: &StoredToken) -> bool {
    stored.token.refresh_token.is_none() && stored.token.expires_at().is_some_and(|end| end < cx.now())
}

fn by_platform(tokens: Vec<(StoredToken, bool)>) -> Vec<Vec<(StoredToken, bool)>> {
    let mut groups: Vec<Vec<(StoredToken, bool)>> = Vec::new();
    for entry in tokens {
        match groups.iter_mut().find(|group| group.iter().any(|(other, _)| other.platform == entry.0.platform)) {
            Some(group) => group.push(entry),
            None => groups.push(vec![entry]),
        }
    }
    groups
}

/// The session's file can't be read as one: each token that stands in it ends itself. The file stays, for it may hold more.
fn end_what_can_be_read(cx: &Context, session: &Session, error: Error) -> Error {
    let tokens = session.salvage();
    if tokens.is_empty() {
        return error;
    }
    let (mut ended, mut failed) = (0, Vec::new());
    for (platform, token) in &tokens {
        match cx.block_on(cx.with_client(platform, cx.limits(), async |client| end_itself(client, token).await)) {
            Ok(_) => ended += 1,
            Err(error) => failed.push(error),
        }
    }
    for error in &failed {
        cx.console.warn(&format!("a token in it could not be revoked: {error}"));
    }
    error.with_help(&format!(
        "Revoked: {ended} of the {} tokens that can be read in it. Any other lives until its end. Then remove the file.",
        tokens.len()
    ))
}
