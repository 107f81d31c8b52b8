//! The end of a session: its tokens are revoked, and what was written for them is removed.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use redact::Secret;

use super::{Context, Done, REQUEST};
use crate::api::{Auth, Client, Limits, PlatformUrl, RetryBudget, Revoked};
use crate::ci::Action;
use crate::credential::Credential;
use crate::deliver::take_away;
use crate::error::{Error, Kind, Refusal, Result};
use crate::io::clock::{self, Timestamp, in_words};
use crate::options::{Revoke, shown};
use crate::session::{AtEnd, Lost, Owner, Session, SessionGuard, State, StoredToken, WrittenFile};

/// Revokes one token: by the credential if there is one; else, or if the platform refuses that, by the token itself, which may always
/// revoke itself.
///
/// # Errors
/// Fails if the token may still be valid.
pub async fn end(client: &Client<'_>, stored: &StoredToken, auth: Option<&Auth>) -> Result<Revoked> {
    let id = &stored.token.token_id;
    client.expect(stored.token.secrets());
    if let Some(auth) = auth.filter(|_| !id.is_empty()) {
        match client.revoke(id, auth).await {
            // The credential here may not be the one of the minting step, or may be invalid by now. The token can still revoke itself.
            Err(error) if error.kind() == Kind::Refused && error.refusal().is_some() => {}
            settled => return settled,
        }
    }
    end_itself(client, &stored.token.access_token).await
}

/// Revokes a token by itself.
///
/// # Errors
/// Fails if it may still be valid.
pub async fn end_itself(client: &Client<'_>, token: &Secret) -> Result<Revoked> {
    match client.revoke("me", &Auth::Bearer(token.clone())).await {
        // The platform says that the token is dead. If it refuses for another reason, such as the token's audience, the token may be alive.
        Err(error) if matches!(error.refusal(), Some(Refusal::Expired | Refusal::Revoked)) => Ok(Revoked::Done),
        settled => settled,
    }
}

/// How someone can still end a token that may be alive. Empty if it has no id by which it could be named.
#[must_use]
pub fn how_to_end(platform: &str, id: &str) -> String {
    if id.is_empty() {
        return String::new();
    }
    format!("With an admin's access token, or one of its user: jf-token revoke --url {platform} --token-id {id}")
}

/// Of a token that could not be revoked: until when it lives, why, and who can still end it.
pub fn left_alive(cx: &Context, stored: &StoredToken, error: &Error) -> String {
    let (why, by_hand) = (error.to_string(), how_to_end(stored.platform.as_str(), &stored.token.token_id));
    let text = format!("could not be revoked, and {}: {}. {by_hand}", cx.end_of(stored), why.trim_end_matches('.'));
    text.trim_end().to_owned()
}

/// How a session is ended.
#[derive(Clone, Copy)]
pub struct EndHow {
    /// What happens to its tokens.
    pub revoke: Revoke,
    /// Report only what went wrong.
    pub quiet: bool,
    /// What is printed goes to a file that goes with the session: what should be read stays in the session.
    pub unheard: bool,
    /// When the end began: in the action all sessions share its time limit.
    pub started: Instant,
}

impl EndHow {
    /// From now on.
    #[must_use]
    pub fn new(revoke: Revoke, quiet: bool) -> Self {
        Self { revoke, quiet, unheard: false, started: Instant::now() }
    }
}

/// Ends other sessions of the place than this one: those that nobody else will end, or `all`. In our action's post step nobody else ends the
/// job's, but those of other uses of the action, whether a program uses them or not; elsewhere, those that an `exec` began and no living
/// process uses. Returns how many.
///
/// # Errors
/// Fails if a token may still be valid, or a file still exists. All failures but the last have been reported then.
pub async fn end_others(cx: &Context, own: &Session, how: EndHow, all: bool) -> Result<usize> {
    let mut result = Ok(0);
    let is_post = cx.action.is_some() && own.is_of_one_job();
    for session in own.others_and_coming()? {
        let mut state = match session.read() {
            Ok(state) => state,
            Err(_) if all => {
                // The tokens that can be read in it are ended, and the error says so.
                result = both(cx, result, end_session(cx, &session, how).await.map(|()| 1));
                continue;
            }
            Err(_) => continue,
        };
        if state.is_empty() && state.left_files.is_empty() {
            // A token may be on its way into it, and its process lets go of the lock when it is there; or that process was killed.
            let patience = if all { REQUEST } else { Action::END.saturating_sub(how.started.elapsed()) };
            let guard = if is_post || all { session.lock(patience).map(Some) } else { session.try_lock() };
            let mut guard = match guard {
                Ok(Some(guard)) => guard,
                Err(error) if all => {
                    result = both(cx, result, Err(error));
                    continue;
                }
                _ => continue,
            };
            if guard.state.is_empty() {
                warn_of_lost(cx, &mut guard);
                result = both(cx, result, guard.settle().map(|()| 0));
                continue;
            }
            state = guard.state.clone();
        }
        if all {
            cx.console.say(&format!("the session '{}':", session.name()));
            result = both(cx, result, end_session(cx, &session, how).await.map(|()| 1));
        } else if is_forgotten(&session, state.owner, is_post) {
            cx.console.say(&format!("the session '{}' was left behind", session.name()));
            let ended = end_session(cx, &session, EndHow { revoke: Revoke::AtEnd, ..how }).await;
            result = both(cx, result, ended.map(|()| 1));
        }
    }
    result
}

/// Whether nobody else will end a session of this owner.
pub fn is_forgotten(session: &Session, owner: Owner, is_post: bool) -> bool {
    match owner {
        Owner::Action => false,
        Owner::Job => is_post,
        Owner::Exec if is_post => true,
        Owner::Exec => !session.is_in_use() && !session.has_keeper(),
    }
}

/// The sum of two numbers of sessions that were ended. Of two failures the first is reported here.
pub fn both(cx: &Context, first: Result<usize>, second: Result<usize>) -> Result<usize> {
    match (first, second) {
        (Ok(first), Ok(second)) => Ok(first + second),
        (Err(first), Err(second)) => {
            cx.report(&first);
            Err(second)
        }
        (Err(error), Ok(_)) | (Ok(_), Err(error)) => Err(error),
    }
}

/// A token that ends this soon by itself counts as ended, even where a failure to end one is to fail the job.
const SOON: Duration = Duration::from_secs(600);

/// Revokes the tokens of a session and removes what was written for them. Says what was done.
///
/// # Errors
/// Fails if a token may still be valid, or a file still exists.
pub async fn end_session(cx: &Context, session: &Session, how: EndHow) -> Result<()> {
    let mut done = Done::default();
    let ended = end_session_into(cx, session, how, &mut done).await;
    if let Some(line) = done.line() {
        cx.console.say(&line);
    }
    ended
}

/// The same, but what was done is left for its caller to say.
///
/// # Errors
/// As `end_session`.
pub async fn end_session_into(cx: &Context, session: &Session, how: EndHow, done: &mut Done) -> Result<()> {
    let EndHow { revoke, quiet, unheard, started } = how;
    // The keeper may be renewing right now. Make it release the session.
    session.stop_keeper();
    let patience = if cx.action.is_some() { Action::END } else { REQUEST };
    let mut guard = match session.lock(patience) {
        Ok(guard) => guard,
        // Not for another session, which this system takes for this one.
        Err(error) if error.kind() != Kind::Input && session.read().is_err() => return Err(end_what_can_be_read(cx, session, error).await),
        Err(error) => return Err(error),
    };
    let (replaced, named) = guard.state.take_tokens();
    if !unheard {
        let is_empty = replaced.is_empty() && named.is_empty() && guard.state.left_files.is_empty();
        // That a keeper ended with its process is nobody's business if the token lived long enough without it.
        let is_late = named.iter().any(|stored| stored.token.expires_at().is_some_and(|end| end < cx.now()));
        let why_not_kept = if is_late { guard.state.why_not_kept() } else { guard.state.keeper_failure.clone() };
        tell_what_went_wrong_before(cx, &mut guard, is_empty, quiet);
        if let Some(why) = why_not_kept.filter(|_| !quiet) {
            cx.console.warn(&why);
        }
    }
    for stored in named.iter().filter(|stored| cx.action.is_some() && is_over(cx, stored)) {
        let since = stored.token.expires_at().map(|end| cx.now().since(end)).unwrap_or_default();
        cx.console.warn(&format!("the token ended {} before the job: set expiry or keep-fresh", in_words(since)));
    }
    let strict = revoke == Revoke::Strict;
    done.renewed = std::mem::take(&mut guard.state.renewed);
    let mut ending = Ending { cx, guard, failures: Vec::new(), done, quiet, strict, started };
    let left = std::mem::take(&mut ending.guard.state.left_files);
    for stored in replaced.iter().chain(&named) {
        stored.files.iter().for_each(|file| ending.remove(file, Some(stored)));
    }
    for file in &left {
        ending.remove(file, None);
    }
    let tokens = replaced.into_iter().map(|stored| (stored, true)).chain(named.into_iter().map(|stored| (stored, false)));
    let (revoked, kept): (Vec<_>, Vec<_>) = tokens.partition(|(stored, _)| revoke != Revoke::Never && stored.at_end == AtEnd::Revoke);
    for (stored, _) in kept.iter().filter(|(_, replaced)| !quiet && !replaced) {
        cx.console.say(&format!("{} is not revoked, as asked; it {}", stored.token.name(), cx.end_of(stored)));
    }
    for tokens in by_platform(revoked) {
        ending.end_tokens(tokens).await;
    }
    ending.settle()
}

/// Reports what an earlier process left: a token that may be alive, or nothing at all. `quiet`: an `exec` ends its own session.
fn tell_what_went_wrong_before(cx: &Context, guard: &mut SessionGuard, is_empty: bool, quiet: bool) {
    if !warn_of_lost(cx, guard) && is_empty && !quiet && cx.action.is_none() {
        let others = guard.session().others().unwrap_or_default();
        let others = if others.is_empty() { String::new() } else { format!("; there are others, for --session: {}", others.join(", ")) };
        cx.console.say(&format!("nothing to revoke: the session '{}' holds no token{others}", guard.name()));
    }
}

/// Names the tokens that may be alive though no answer told of them, and forgets them. Returns whether there were any.
fn warn_of_lost(cx: &Context, guard: &mut SessionGuard) -> bool {
    let lost = std::mem::take(&mut guard.state.lost);
    for lost in &lost {
        cx.console.warn(&warning_of(cx, lost));
    }
    !lost.is_empty()
}

fn warning_of(cx: &Context, lost: &Lost) -> String {
    if let (Some(provider), Some(since), Some(platform)) = (&lost.provider, lost.since, &lost.platform) {
        let (now, zone) = (cx.now(), clock::zone(&cx.environment));
        return format!(
            "an earlier step was stopped, or an answer was lost, while an identity token was being exchanged: a token may be alive that is not remembered here (asked of {} at its OIDC provider '{}' {}); it ends when its identity mapping says, a minute later if that says nothing",
            platform.as_str(),
            shown(provider),
            clock::local_and_relative(since, now, &zone)
        );
    }
    let whom = lost.username.as_deref().map_or_else(|| "the credential's own user".into(), shown);
    let (now, zone) = (cx.now(), clock::zone(&cx.environment));
    let tell = |at: Timestamp| clock::local_and_relative(at, now, &zone);
    let end = match (lost.since, lost.life) {
        (None, _) => String::new(),
        (Some(_), None) => ", with the platform's default life".into(),
        (Some(_), Some(Duration::ZERO)) => ", without an end".into(),
        (Some(since), Some(life)) => format!(", ends {}", tell(since.after(life))),
    };
    let which = match (lost.since, &lost.platform) {
        (Some(since), Some(platform)) => format!(" (asked of {} for {whom} {}{end})", platform.as_str(), tell(since)),
        _ => String::new(),
    };
    format!(
        "an earlier step was stopped, or an answer was lost, while a token was being issued: a token may be alive that is not remembered here{which}; look for it in the platform's list of tokens"
    )
}

/// A session that is being ended.
struct Ending<'t> {
    cx: &'t Context,
    guard: SessionGuard,
    failures: Vec<Error>,
    done: &'t mut Done,
    quiet: bool,
    /// A token that lives on is a failure.
    strict: bool,
    started: Instant,
}

impl Ending<'_> {
    /// Revokes tokens of one platform, all at the same time, within the time that is left.
    async fn end_tokens(&mut self, tokens: Vec<(StoredToken, bool)>) {
        let budget = self.cx.limits().budget.0;
        let left = if self.cx.action.is_some() { Action::END.saturating_sub(self.started.elapsed()) } else { budget.max(REQUEST) };
        // If all of them have expired, one try is enough.
        let all_over = tokens.iter().all(|(stored, _)| is_over(self.cx, stored));
        let budget = RetryBudget(if all_over { Duration::ZERO } else { budget.min(left) });
        let ends = end_all(self.cx, &tokens, budget, left).await;
        let ends = tokens.into_iter().zip(ends);
        let alive: Vec<_> = ends.filter_map(|((stored, replaced), ended)| self.tell(stored, replaced, ended)).collect();
        let failures: Vec<_> = alike(&alive).iter().map(|alive| self.failure(alive)).collect();
        self.failures.extend(failures);
        // Nobody comes back to a session of the action's own after its post step, so the message is all that is left.
        if self.is_kept() {
            for Alive { stored, replaced, .. } in alive {
                self.keep(stored, replaced);
            }
        }
    }

    /// Whether what is left can be ended by a later command.
    fn is_kept(&self) -> bool {
        self.cx.action.is_none() || self.cx.options.session.name.is_some()
    }

    /// The failure to revoke these tokens: for each when it ends, and who can still end it.
    fn failure(&self, alive: &[&Alive]) -> Error {
        let end = |alive: &&Alive| format!("{} {}", alive.stored.token.name(), self.cx.end_of(&alive.stored));
        let what = match alive {
            [one] => format!("{} could not be revoked, and {}", one.stored.token.name(), self.cx.end_of(&one.stored)),
            all => format!("{} tokens could not be revoked ({})", all.len(), all.iter().map(end).collect::<Vec<_>>().join(", ")),
        };
        let [Alive { stored, error, .. }, ..] = alive else { return Error::new(Kind::Local, what, "") };
        let by_hand = how_to_end(stored.platform.as_str(), if alive.len() == 1 { &stored.token.token_id } else { "ID" });
        let error = error.clone().about(&what);
        // What there is to do about an answer is to end the token in another way.
        let error = if error.status().is_some() { error.with_help("") } else { error };
        let error = if self.is_kept() { error.with_advice("The next jf-token revoke tries again.") } else { error };
        error.with_advice(&by_hand)
    }

    fn remove(&mut self, file: &WrittenFile, stored: Option<&StoredToken>) {
        let is_there = || file.path.symlink_metadata().is_ok();
        let was_there = is_there();
        match take_away(file, stored) {
            Ok(true) if !was_there => {}
            Ok(true) if is_there() => self.done.cleared.push(file.path.clone()),
            Ok(true) => self.done.removed.push(file.path.clone()),
            Ok(false) => {
                self.cx.console.warn(&format!("others have replaced what {} held: it stays as it is", file.path.display()));
            }
            Err(error) => {
                self.failures.push(error.with_advice("The next jf-token revoke tries again."));
                self.guard.state.left_files.push(file.clone());
            }
        }
    }

    /// Reports what became of a token, unless it may still be alive: then returns why.
    fn tell(&mut self, stored: StoredToken, replaced: bool, ended: Result<Revoked>) -> Option<Alive> {
        let (cx, name) = (self.cx, stored.token.name());
        let ends_soon = stored.token.expires_at().is_some_and(|end| end < cx.now().after(SOON));
        match ended {
            Ok(Revoked::Done) if replaced => self.done.earlier += 1,
            Ok(Revoked::NotFound) if replaced => {}
            Ok(Revoked::NotRevocable) if is_over(cx, &stored) => {}
            Ok(Revoked::Done) => self.done.revoked.push(name.to_owned()),
            Ok(Revoked::NotFound) if self.quiet => {}
            Ok(Revoked::NotFound) => cx.console.say(&format!("{name} was no longer alive")),
            // The life that a mapping gives is nothing that the job could change.
            Ok(Revoked::NotRevocable) if self.quiet && ends_soon && stored.issuing.request().is_none() => {}
            Ok(Revoked::NotRevocable) => {
                let why = match stored.issuing.request() {
                    Some(request) if request.force_revocable => "is not revocable for the platform, though force-revocable was asked for",
                    Some(_) => {
                        "is too short-lived for the platform to revoke (force-revocable makes such a token revocable, from Artifactory 7.50.3 on)"
                    }
                    None => "is too short-lived for the platform to revoke",
                };
                let what = format!("{name} {why}; by itself it {}", cx.end_of(&stored));
                if self.strict && !ends_soon {
                    self.failures.push(Error::new(Kind::Refused, what, ""));
                } else {
                    cx.console.say(&what);
                }
            }
            Err(error) if is_over(cx, &stored) => {
                if !replaced && !self.quiet {
                    cx.console.say(&format!("{name} {} by itself (revoking it was tried: {error})", cx.end_of(&stored)));
                }
            }
            Err(error) if self.strict && ends_soon && cx.action.is_some() => {
                cx.console.warn(&format!("{name} could not be revoked; by itself it {} ({error})", cx.end_of(&stored)));
            }
            Err(error) => return Some(Alive { stored, replaced, error }),
        }
        None
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
        // The last failure is the one returned: a token that is still valid matters more than a file that is still there.
        self.failures.splice(0..0, self.guard.settle().err());
        let last = self.failures.pop();
        for error in self.failures {
            self.cx.console.warn(&error.to_string());
        }
        last.map_or(Ok(()), Err)
    }
}

/// A token that could not be revoked.
struct Alive {
    stored: StoredToken,
    replaced: bool,
    error: Error,
}

/// The tokens in groups that have the same reason.
fn alike(alive: &[Alive]) -> Vec<Vec<&Alive>> {
    let why = |alive: &Alive| (alive.error.kind(), alive.error.status(), alive.error.refusal());
    grouped(alive.iter(), |one, other| why(one) == why(other))
}

/// Revokes every token of one platform. The results are in the same order.
async fn end_all(cx: &Context, tokens: &[(StoredToken, bool)], budget: RetryBudget, left: Duration) -> Vec<Result<Revoked>> {
    let Some(platform) = tokens.first().map(|(stored, _)| &stored.platform) else { return Vec::new() };
    let limits = Limits { budget, timeout: left.clamp(Duration::from_millis(1), REQUEST) };
    let auth = auth_for(cx, platform);
    let ends = cx.with_client(platform, limits, async |client| {
        let ends = tokens.iter().map(|(stored, _)| async {
            let ended = tokio::time::timeout(left, end(client, stored, auth.as_ref())).await;
            ended.unwrap_or_else(|_| Err(Error::new(Kind::Unreachable, format!("{} did not answer in time", platform.as_str()), "")))
        });
        Ok(all(ends.map(|end| Box::pin(end) as Pin<Box<dyn Future<Output = _>>>).collect()).await)
    });
    let ends = ends.await;
    ends.unwrap_or_else(|error| tokens.iter().map(|_| Err(error.clone())).collect())
}

/// What may revoke tokens of this platform besides themselves: the credential, if it is for this platform, because it must not be sent to
/// another. One that can't be read any more, or would have to be asked for, counts as none: the tokens can revoke themselves.
fn auth_for(cx: &Context, platform: &PlatformUrl) -> Option<Auth> {
    let credential: &Credential = cx.credential().ok().flatten()?;
    if cx.platform().ok().flatten().as_ref() != Some(platform) {
        return None;
    }
    credential.at_hand()
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

/// Ends the tokens of a session that can't be read or written any more. Returns the error with what became of them.
pub async fn end_out_of_reach(cx: &Context, mut known: State, mut error: Error) -> Error {
    let (replaced, named) = known.take_tokens();
    let tokens = replaced.into_iter().chain(named).filter(|stored| stored.at_end == AtEnd::Revoke).map(|stored| (stored, false));
    for tokens in by_platform(tokens.collect()) {
        let ends = end_all(cx, &tokens, RetryBudget(Duration::ZERO), REQUEST).await;
        for ((stored, _), ended) in tokens.iter().zip(ends) {
            let name = stored.token.name();
            error = error.with_advice(&match ended {
                Ok(Revoked::Done | Revoked::NotFound) => format!("{name} was revoked."),
                Ok(Revoked::NotRevocable) => format!("{name} can't be revoked, and {}.", cx.end_of(stored)),
                Err(error) => format!("{name} {}", left_alive(cx, stored, &error)),
            });
        }
    }
    error
}

/// Whether a token has expired, and nothing can renew it.
fn is_over(cx: &Context, stored: &StoredToken) -> bool {
    stored.token.refresh_token.is_none() && stored.token.expires_at().is_some_and(|end| end < cx.now())
}

fn by_platform(tokens: Vec<(StoredToken, bool)>) -> Vec<Vec<(StoredToken, bool)>> {
    grouped(tokens, |(one, _), (other, _)| one.platform == other.platform)
}

/// Puts those together that belong together.
fn grouped<T>(all: impl IntoIterator<Item = T>, belong: impl Fn(&T, &T) -> bool) -> Vec<Vec<T>> {
    let mut groups: Vec<Vec<T>> = Vec::new();
    for one in all {
        match groups.iter_mut().find(|group| group.iter().any(|other| belong(other, &one))) {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    groups
}

/// For a session file that can't be read: every token found in it revokes itself. The file stays, because it may contain more. Returns the
/// error with what was done.
async fn end_what_can_be_read(cx: &Context, session: &Session, error: Error) -> Error {
    let tokens = session.salvage();
    if tokens.is_empty() {
        return error;
    }
    let (mut ended, mut failed) = (0, Vec::new());
    for (platform, token) in &tokens {
        match cx.with_client(platform, cx.limits(), async |client| end_itself(client, token).await).await {
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
