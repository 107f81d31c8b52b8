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
use crate::io::clock::in_words;
use crate::io::remove;
use crate::options::Revoke;
use crate::session::{AtEnd, Session, SessionGuard, StoredToken};

/// Revokes one token: by the credential if there is one; else, or if the platform refuses that, by the token itself, which may always
/// revoke itself.
///
/// # Errors
/// Fails if the token may still be valid.
pub async fn end(client: &Client<'_>, stored: &StoredToken, bearer: Option<&Secret>) -> Result<Revoked> {
    let id = &stored.token.token_id;
    if let Some(bearer) = bearer.filter(|_| !id.is_empty()) {
        match client.revoke(id, bearer).await {
            // The credential here may not be the one of the minting step, or may be invalid by now. The token can still revoke itself.
            Err(error) if error.kind() == Kind::Refused && error.refusal().is_some() => {}
            settled => return settled,
        }
    }
    end_itself(client, &stored.token.access_token).await
}

async fn end_itself(client: &Client<'_>, token: &Secret) -> Result<Revoked> {
    match client.revoke("me", token).await {
        // The platform says that the token is dead. If it refuses for another reason, such as the token's audience, the token may be alive.
        Err(error) if matches!(error.refusal(), Some(Refusal::Expired | Refusal::Revoked)) => Ok(Revoked::Done),
        settled => settled,
    }
}

/// Revokes the tokens of a session and removes what was written for them. `quiet`: reports only what went wrong.
///
/// # Errors
/// Fails if a token may still be valid, or a file still exists.
pub fn end_session(cx: &Context, session: &Session, revoke: Revoke, quiet: bool) -> Result<()> {
    let started = Instant::now();
    // The keeper may be renewing right now. Make it release the session.
    session.stop_keeper();
    let patience = if cx.action.is_some() { Action::END } else { REQUEST };
    let mut guard = match session.lock(patience) {
        Ok(guard) => guard,
        Err(error) if session.read().is_err() => return Err(end_what_can_be_read(cx, session, error)),
        Err(error) => return Err(error),
    };
    let (replaced, named) = guard.state.take_tokens();
    tell_what_went_wrong_before(cx, &guard, replaced.is_empty() && named.is_empty() && !quiet);
    for stored in named.iter().filter(|stored| cx.action.is_some() && is_over(cx, stored)) {
        let since = stored.token.expires_at().map(|end| cx.now().since(end)).unwrap_or_default();
        cx.console.warn(&format!("the token ended {} before the job: set expiry or keep-fresh", in_words(since)));
    }
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

/// Reports what an earlier process left: a token that nobody knows of, the reason why the keeper gave up or, if `tell_nothing`, nothing.
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
    /// How many replaced tokens were revoked.
    earlier: usize,
    quiet: bool,
    started: Instant,
}

impl Ending<'_> {
    /// Revokes tokens of one platform, all at the same time, within the time that is left.
    fn end_tokens(&mut self, tokens: Vec<(StoredToken, bool)>) {
        let budget = self.cx.limits().budget.0;
        let left = if self.cx.action.is_some() { Action::END.saturating_sub(self.started.elapsed()) } else { budget.max(REQUEST) };
        // If all of them have expired, one try is enough.
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
                "{name} {}; by itself it {}",
                if stored.issuing.request().force_revocable {
                    "is not revocable for the platform, though force-revocable was asked for"
                } else {
                    "is too short-lived for the platform to revoke (force-revocable makes such a token revocable)"
                },
                cx.end_of(&stored)
            )),
            Err(error) if is_over(cx, &stored) => {
                if !replaced && !self.quiet {
                    cx.console.say(&format!("{name} {} by itself (revoking it was tried: {error})", cx.end_of(&stored)));
                }
            }
            Err(error) => {
                self.failures.push(error.about(&format!("{name} could not be revoked, and {}", cx.end_of(&stored))));
                // Nobody comes back to a session of the action's own after its post step, so the message is all that is left.
                if cx.action.is_none() || cx.options.session.name.is_some() {
                    self.keep(stored, replaced);
                }
            }
        }
    }

    /// Puts a token that may still be valid back into the session, for the next try.
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
        // The last failure is the one returned: a token that is still valid matters more than a file that is still there.
        self.failures.splice(0..0, self.guard.settle().err());
        let last = self.failures.pop();
        for error in self.failures {
            self.cx.console.warn(&error.to_string());
        }
        last.map_or(Ok(()), Err)
    }
}

/// Revokes every token of one platform. The results are in the same order.
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

/// What may revoke tokens of this platform besides themselves: the credential, if it is for this platform, because it must not be sent to
/// another. One that can't be read any more counts as none, so that the tokens can still revoke themselves.
async fn bearer_for(cx: &Context, platform: &PlatformUrl) -> Option<Secret> {
    let credential: &Credential = cx.credential().ok().flatten()?;
    if cx.platform().ok().flatten().as_ref() != Some(platform) {
        return None;
    }
    credential.authenticate().await.ok()
}

/// Awaits all futures at once. The results are in the same order. (A library's join costs 12 KiB, for the few tokens of a job.)
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

/// Whether a token has expired, and nothing can renew it.
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

/// For a session file that can't be read: every token found in it revokes itself. The file stays, because it may contain more. Returns the
/// error with what was done.
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
