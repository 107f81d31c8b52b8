//! The one way in which a token is issued: prepared, asked for, remembered, masked. If something fails before it is handed over, it is
//! taken back. A first token and a renewed one go the same way.

use std::time::Duration;

use redact::Secret;

use super::advice::explained;
use super::end::{end, end_itself, left_alive};
use super::{Context, Stop};
use crate::api::{
    Auth, Client, IssuedToken, LEFT_BEHIND, LEFT_BY_EXCHANGE, Limits, PlatformUrl, RetryBudget, Revoked, TokenRequest, max_life,
};
use crate::ci::Extent;
use crate::credential::{self, Asking, Credential, Issuing};
use crate::deliver::{Targets, take_away};
use crate::error::{Error, Kind, Outcome, Refusal, Result};
use crate::io::AtomicFile;
use crate::io::clock::{self, Timestamp, in_words};
use crate::options::{RenewBy, Revoke, shown};
use crate::session::{AtEnd, Lost, Owner, SessionGuard, State, StoredToken, WrittenFile};

/// How long to wait for a token that is on its way when the job is stopped. GitHub's runner gives 7.5 s in all.
const LAST_WAIT: Duration = Duration::from_secs(4);
/// Time limit for revoking a token that nobody will get.
const CLEAN_UP: Duration = Duration::from_secs(3);

/// What to issue as a token that renews no other. It is checked before anything is created.
pub struct NewToken<'c> {
    /// The platform.
    pub platform: PlatformUrl,
    /// How it is issued, and issued again.
    pub issuing: Issuing,
    /// What proves who asks for it.
    pub credential: &'c Credential,
    /// What happens to it when the session ends.
    pub at_end: AtEnd,
    /// How it is renewed.
    pub renew_by: RenewBy,
    /// The longest life to accept.
    pub max_life: Option<Duration>,
    /// Who ends the session.
    pub owner: Owner,
}

impl<'c> NewToken<'c> {
    /// Reads what was asked for, the credential last.
    ///
    /// # Errors
    /// Fails if an input is wrong, or there is no credential.
    pub fn new(cx: &'c Context, request: TokenRequest) -> Result<Self> {
        let renewal = &cx.options.renewal;
        if renewal.by == Some(RenewBy::Refresh) && !request.refreshable {
            let given = renewal.by_source.as_ref().map(ToString::to_string).unwrap_or_default();
            return Err(Error::input(format!("{given}: refresh needs a refresh token"), "Ask for one with --refreshable."));
        }
        let max_life = max_life(&cx.options.token)?;
        credential::check_parts(&cx.options.credential)?;
        let platform = cx.platform_or_fail()?;
        let at_end = if cx.options.session.revoke == Revoke::Never { AtEnd::Keep } else { AtEnd::Revoke };
        cx.transport()?;
        let credential = cx.credential_or_fail()?;
        credential.check(&cx.asking(cx.limits()))?;
        if credential.is_last_resort() {
            cx.asking(cx.limits()).route(&platform)?.check_shown()?;
        }
        cx.mask_credential(credential)?;
        if let Some(exposure) = cx.options.diagnostics.verbose.then(|| cx.exposure()).flatten() {
            cx.console.say(&exposure);
        }
        let renew_by = renewal.by.unwrap_or_default();
        let owner = if cx.action.is_some() { Owner::Action } else { Owner::Job };
        Ok(Self { platform, issuing: credential.issuing(request), credential, at_end, renew_by, max_life, owner })
    }
}

/// Issues a token that renews no other, into a session if one is to remember it. The files that will hold it are begun before.
///
/// # Errors
/// Fails if no token was issued, or it was taken back.
pub async fn issue<'t>(
    cx: &'t Context,
    session: Option<&'t mut SessionGuard>,
    new: &NewToken<'_>,
    targets: &mut Targets,
) -> Result<Rollback<'t>> {
    if session.is_some() && new.issuing.exchange().is_some() {
        say_until_when(cx, new);
    }
    let mut transaction = Transaction::begin(cx, session)?;
    if let Some(session) = &mut transaction.session
        && session.state.is_empty()
    {
        session.state.owner = new.owner;
    }
    let asked = match targets.check(&new.platform).and_then(|()| targets.begin()) {
        Ok(()) => ask_for_the_first(cx, &mut transaction, new).await,
        Err(error) => Err(error),
    };
    let (answer, issuing) = match asked {
        Ok(asked) => asked,
        Err(error) => return Err(transaction.abandon(error)),
    };
    let stored = StoredToken {
        platform: new.platform.clone(),
        issuing,
        token: answer.token,
        at_end: new.at_end,
        files: targets.files(),
        variable: targets.variable().cloned(),
        renew_by: new.renew_by,
        max_life: new.max_life,
        in_doubt: false,
        // What an action prints goes to the job's log. The standard error of other commands may go elsewhere.
        masked: cx.action.is_some(),
        unheard: false,
    };
    let rollback = transaction.remember(stored, Remember { masks: true, replaces: false }, new.credential.at_hand()).await?;
    warn_of_its_life(cx, &rollback.stored);
    if let Some(text) = targets.left_out(&rollback.stored) {
        cx.console.say(&text);
    }
    match answer.stopped {
        None => Ok(rollback),
        Some(signal) => Err(rollback.undo(Error::new(Kind::Interrupted(signal), "stopped while the token was being issued", "")).await),
    }
}

/// Asks for the token. If the platform refuses what jf-token chose itself, says so, and leaves out what can be left out. Also returns what was
/// asked for in the end.
async fn ask_for_the_first(cx: &Context, transaction: &mut Transaction<'_>, new: &NewToken<'_>) -> Result<(Answer, Issuing)> {
    let mut ask =
        async |issuing: &Issuing| transaction.ask(&new.platform, Ask::Issue(issuing, new.credential), cx.limits(), Stop::Signal).await;
    let (mut issuing, options) = (new.issuing.clone(), &cx.options.token);
    let mut asked = ask(&issuing).await;
    if let Err(error) = &asked
        && issuing.request().is_some_and(|request| request.force_revocable)
        && options.force_revocable.is_none()
        && error.status() == Some(400)
        && error.refusal() != Some(Refusal::WrongField)
    {
        cx.console.say(&format!(
            "{error}; asking once more without force-revocable, which platforms before 7.50.3 don't know: the token may not be revocable"
        ));
        issuing = issuing.without_force_revocable();
        asked = ask(&issuing).await;
    }
    let life = issuing.request().and_then(|request| request.expires_in).filter(|_| options.expiry.is_none());
    match (asked, life) {
        (Ok(answer), _) => Ok((answer, issuing)),
        (Err(error), Some(life)) if is_about_life(&error) => Err(error.with_advice(&format!(
            "The life of {} is jf-token's own choice: give a shorter one with --expiry, or the platform's own with --expiry=default.",
            in_words(life)
        ))),
        (Err(error), _) => Err(explained(cx, new.credential, error)),
    }
}

/// Whether the platform refused the life that was asked for. With a 401, it is the credential that has expired.
fn is_about_life(error: &Error) -> bool {
    error.kind() == Kind::Refused && error.status() != Some(401) && error.to_string().to_lowercase().contains("expir")
}

/// Says until when a token can be renewed by an identity token that can't be asked for again.
fn say_until_when(cx: &Context, new: &NewToken) {
    let Some((place, end)) = new.credential.ends() else { return };
    let zone = clock::zone(&cx.environment);
    let end = clock::local_and_relative(end, cx.now(), &zone);
    let then = if new.issuing.request().is_some_and(|request| request.refreshable) { ", and after that by its refresh token" } else { "" };
    cx.console.say(&format!("the identity token in {place} ends {end}: until then the access token can be renewed{then}"));
}

/// In a CI, a longer life that nobody asked for gets a warning.
const LONG: Duration = Duration::from_secs(86400);

/// Warns if the token's life is not what was asked for.
fn warn_of_its_life(cx: &Context, stored: &StoredToken) {
    let token = &stored.token;
    let words = |life: Option<Duration>| life.map_or_else(|| "for ever".into(), |life| format!("for {} s", life.as_secs()));
    let lives = words(token.expires_in);
    let Some(request) = stored.issuing.request() else {
        if cx.ci.is_ci() && token.expires_in.is_none_or(|life| life > LONG) {
            cx.console.warn(&format!("the identity mapping gave a token that lives {lives}: set its expires_in"));
        }
        return;
    };
    match &cx.options.token.expiry {
        Some(given) if request.expires_in.is_some_and(|asked| asked != token.expires_in.unwrap_or_default()) => {
            let asked = words(request.expires_in.filter(|asked| !asked.is_zero()));
            cx.console
                .warn(&format!("{} asked for a token that lives {asked}, and the platform gave one that lives {lives}", given.source));
        }
        _ if request.expires_in.is_none() && cx.ci.is_ci() && token.expires_in.is_none_or(|life| life > LONG) => {
            cx.console.warn(&format!("no life was asked for, and the token lives {lives}: set expiry"));
        }
        _ => {}
    }
}

/// What a new token is asked for with.
#[derive(Clone, Copy)]
pub enum Ask<'p> {
    /// The credential, in the way that the session remembers.
    Issue(&'p Issuing, &'p Credential),
    /// The refresh token of the current token.
    Refresh(&'p StoredToken, &'p Secret),
}

impl Ask<'_> {
    /// What may be alive when no answer comes.
    pub fn lost(self, platform: &PlatformUrl, now: Timestamp) -> Vec<Lost> {
        let (issuing, refreshed) = match self {
            Ask::Issue(issuing, _) => (issuing, false),
            Ask::Refresh(old, _) => (&old.issuing, true),
        };
        let one = || Lost { platform: Some(platform.clone()), since: Some(now), refreshed, ..Lost::default() };
        let request = issuing.request();
        let exchange = issuing.exchange().filter(|_| request.is_none() || !refreshed);
        let exchanged = exchange.map(|exchange| Lost { provider: Some(exchange.provider_name.clone()), ..one() });
        let minted = |request: &TokenRequest| Lost { username: request.username.clone(), life: request.expires_in, ..one() };
        exchanged.into_iter().chain(request.map(minted)).collect()
    }

    async fn send(self, asking: &Asking<'_>, platform: &PlatformUrl, client: &Client<'_>) -> Result<IssuedToken> {
        match self {
            Ask::Issue(issuing, credential) => credential.issue(issuing, platform, asking, client).await,
            Ask::Refresh(old, refresh_token) => {
                let life = old.issuing.request().and_then(|request| request.expires_in).filter(|life| !life.is_zero());
                client.refresh(&old.token, refresh_token, life).await
            }
        }
    }

    /// What to say if the answer was lost.
    fn when_lost(self) -> &'static str {
        match self {
            Ask::Issue(Issuing::Exchange(_), _) => LEFT_BY_EXCHANGE,
            Ask::Issue(..) => LEFT_BEHIND,
            Ask::Refresh(..) => "The refresh token may be spent, and the old token dead.",
        }
    }
}

/// A new token on its way into a session, or into none. What can go wrong with the disk does so when this begins.
pub struct Transaction<'t> {
    cx: &'t Context,
    session: Option<&'t mut SessionGuard>,
    draft: Option<AtomicFile>,
}

/// The token that came back, and whether the job is being stopped meanwhile.
pub struct Answer {
    /// The token.
    pub token: IssuedToken,
    /// The number of the signal that came meanwhile to stop the job.
    pub stopped: Option<u8>,
}

impl<'t> Transaction<'t> {
    /// Begins the next version of the state file, while nothing can be lost.
    ///
    /// # Errors
    /// Fails if there is no room for it.
    pub fn begin(cx: &'t Context, session: Option<&'t mut SessionGuard>) -> Result<Self> {
        // What is said of the token must not have to wait for a file.
        let _ = clock::zone(&cx.environment);
        let mut begun = Self { cx, session, draft: None };
        match begun.session.as_ref().map(|session| session.draft()).transpose() {
            Ok(draft) => begun.draft = draft,
            Err(error) => return Err(begun.abandon(error)),
        }
        Ok(begun)
    }

    /// Ends without a token. A session that holds none is removed, even its folder if that is empty.
    fn abandon(self, error: Error) -> Error {
        if let Some(session) = self.session.filter(|session| session.state.is_empty()) {
            drop(self.draft);
            let _ = session.settle();
        }
        error
    }

    /// Writes what is known before an answer comes, or without one, and begins the next version of the state file.
    ///
    /// # Errors
    /// Fails if it can't be written, or there is no room for the next version.
    pub fn note(&mut self, change: impl FnOnce(&mut State)) -> Result<()> {
        let Some(session) = &mut self.session else { return Ok(()) };
        let next = session.draft();
        change(&mut session.state);
        match self.draft.take() {
            Some(draft) => session.save(draft)?,
            None => session.write()?,
        }
        self.draft = Some(next?);
        Ok(())
    }

    /// Asks for the token. Once the request may have been sent, a request to stop waits for the answer: a token that nobody knows of could
    /// not be revoked.
    ///
    /// # Errors
    /// Fails if no token came. Says so if one may exist all the same.
    pub async fn ask(&mut self, platform: &PlatformUrl, ask: Ask<'_>, limits: Limits, stop: Stop<'_>) -> Result<Answer> {
        if let Some(draft) = &mut self.draft {
            let lost = ask.lost(platform, self.cx.now());
            let lost: Vec<_> = lost.iter().filter_map(|lost| serde_json::to_string(lost).ok()).collect();
            draft.note(&lost.join("\n"))?;
        }
        let asking = self.cx.asking(limits);
        let mut answer = asking.with_client(platform, async |client| awaited(client, ask, &asking, platform, stop).await).await;
        if let Ask::Issue(_, credential) = ask {
            let mut released = std::pin::pin!(release(self.cx, credential, platform));
            tokio::select! {
                () = &mut released => {}
                signal = stop.requested() => {
                    released.await;
                    if let Ok(answer) = &mut answer {
                        answer.stopped = Some(signal);
                    }
                }
            }
        }
        // Whoever stops waiting leaves the note.
        self.draft.iter_mut().for_each(AtomicFile::forget_note);
        answer
    }

    /// Changes what `remember` will write.
    pub fn amend(&mut self, change: impl FnOnce(&mut State)) {
        if let Some(session) = &mut self.session {
            change(&mut session.state);
        }
    }

    /// Remembers the token and hides it in the job's log: beside the others or, if it is a renewed one, in the place of the current one.
    ///
    /// # Errors
    /// Fails if either is not possible; the token is then taken back.
    pub async fn remember(self, stored: StoredToken, how: Remember, auth: Option<Auth>) -> Result<Rollback<'t>> {
        let stored = StoredToken { unheard: !how.masks, ..stored };
        let before = self.session.as_ref().map(|session| session.state.clone());
        let rollback = Rollback { cx: self.cx, session: self.session, before, stored, auth, written: Vec::new() };
        let (mut rollback, draft) = (rollback, self.draft);
        let checked = |rollback: &Rollback| check_life(&rollback.stored).and_then(|()| rollback.check_user(how));
        // A redactor knows it before its masks are printed.
        let saved = rollback.save(draft, how.replaces);
        let mask = |rollback: &Rollback| if how.masks { rollback.cx.mask(rollback.stored.token.secrets(), Extent::Pieces) } else { Ok(()) };
        match saved.and_then(|()| mask(&rollback)).and_then(|()| checked(&rollback)) {
            Ok(()) => Ok(rollback),
            Err(error) => Err(rollback.undo(error).await),
        }
    }
}

fn check_life(stored: &StoredToken) -> Result<()> {
    let Some(most) = stored.max_life.filter(|most| stored.token.expires_in.is_none_or(|life| life > *most)) else { return Ok(()) };
    let lives = stored.token.expires_in.map_or_else(|| "for ever".into(), |life| format!("for {} s", life.as_secs()));
    let what = format!("the platform gave a token that lives {lives}, and max-life allows {} s", most.as_secs());
    Err(Error::new(Kind::Unusable, what, "Ask for a shorter life with --expiry, or allow a longer one."))
}

/// How a token is remembered.
#[derive(Clone, Copy)]
pub struct Remember {
    /// Whether what is printed here reaches the job's log, so that the token can be masked there.
    pub masks: bool,
    /// Whether it takes the place of the current token.
    pub replaces: bool,
}

/// A token that exists but is not handed over yet: either it is, or everything that was begun is undone.
#[must_use]
pub struct Rollback<'t> {
    cx: &'t Context,
    session: Option<&'t mut SessionGuard>,
    before: Option<State>,
    /// The token.
    pub stored: StoredToken,
    auth: Option<Auth>,
    /// The files that were written with it.
    pub written: Vec<WrittenFile>,
}

impl Rollback<'_> {
    fn save(&mut self, draft: Option<AtomicFile>, replaces: bool) -> Result<()> {
        let Some(session) = &mut self.session else { return Ok(()) };
        if replaces {
            session.state.replace(self.stored.clone(), self.cx.now());
        } else {
            session.state.add(self.stored.clone());
        }
        draft.map_or_else(|| session.write(), |draft| session.save(draft))
    }

    /// A renewed token must not be that of another user, whatever credential is here by now. Who comes by an exchange, its mapping says.
    fn check_user(&self, how: Remember) -> Result<()> {
        let old = self.before.as_ref().and_then(|before| before.current.as_ref());
        let old = old.filter(|old| how.replaces && old.issuing.exchange().is_none());
        match old.and_then(|old| old.token.username()).zip(self.stored.token.username()) {
            Some((was, is)) if !was.eq_ignore_ascii_case(&is) => {
                let what = format!("the new token is one of '{}', and the old one was of '{}'", shown(&is), shown(&was));
                Err(Error::new(Kind::NoCredential, what, "Give the credential that the first token was minted with."))
            }
            _ => Ok(()),
        }
    }

    /// Keeps the token, once it is handed over.
    pub fn commit(self) -> StoredToken {
        self.stored
    }

    /// Takes back a token that nobody will get: removes its files and revokes it. A token that can't be revoked stays remembered, so that the
    /// end of the session revokes it. Returns `error` with what became of the token.
    pub async fn undo(self, error: Error) -> Error {
        for file in &self.written {
            // The first failure is the one to report.
            let _ = take_away(file, Some(&self.stored));
        }
        let left = self.cx.ci.retract();
        let error = if left.is_empty() {
            error
        } else {
            error.with_advice(&format!("What was written to {} could not be taken back.", left.join(" and ")))
        };
        let (cx, stored, auth) = (self.cx, &self.stored, self.auth.as_ref());
        let limits = Limits { budget: RetryBudget(Duration::ZERO), timeout: CLEAN_UP };
        let ended = cx.with_client(&stored.platform, limits, async |client| end(client, stored, auth).await).await;
        if let (Some(session), Some(before)) = (self.session, self.before) {
            session.state = before;
            if !matches!(ended, Ok(Revoked::Done | Revoked::NotFound)) {
                session.state.replaced.push(StoredToken { files: Vec::new(), ..stored.clone() });
            }
            // A failure to write is not reported: the first failure matters more.
            let _ = session.settle();
        }
        error.with_advice(&match ended {
            Ok(Revoked::Done | Revoked::NotFound) => "The new token was revoked.".to_owned(),
            Ok(Revoked::NotRevocable) => format!("The new token, {}, can't be revoked, and {}.", stored.token.name(), cx.end_of(stored)),
            Err(error) => format!("The new token, {}, {}", stored.token.name(), left_alive(cx, stored, &error)),
        })
    }
}

/// Ends the token that the credential asked for on the way, or says until when it lives.
pub async fn release(cx: &Context, credential: &Credential, platform: &PlatformUrl) {
    let Some(token) = credential.release() else { return };
    let limits = Limits { budget: RetryBudget(Duration::ZERO), timeout: CLEAN_UP };
    let ended = cx.with_client(platform, limits, async |client| end_itself(client, &token.access_token).await).await;
    let tell = |what: &str| format!("the token of the exchange, {}, {what}; by itself it {}", token.name(), cx.end_of_token(&token));
    match ended {
        Ok(Revoked::Done | Revoked::NotFound) => {}
        Ok(Revoked::NotRevocable) => cx.console.say(&tell("is too short-lived for the platform to revoke")),
        Err(error) => cx.console.warn(&tell(&format!("could not be revoked ({error})"))),
    }
}

async fn awaited(client: &Client<'_>, ask: Ask<'_>, asking: &Asking<'_>, platform: &PlatformUrl, stop: Stop<'_>) -> Result<Answer> {
    let request = ask.send(asking, platform, client);
    tokio::pin!(request);
    let signal = tokio::select! {
        token = &mut request => return Ok(Answer { token: token?, stopped: None }),
        signal = stop.requested() => signal,
    };
    let stopped = |what: &str| Error::new(Kind::Interrupted(signal), what, "");
    let lost = |what: &str| Err(Error::new(Kind::Interrupted(signal), what, ask.when_lost()).with_outcome(Outcome::Unknown));
    if !client.stop() {
        return if client.lost_an_answer() { lost("stopped between two tries") } else { Err(stopped("stopped between two tries")) };
    }
    match tokio::time::timeout(LAST_WAIT, request).await {
        Ok(Ok(token)) => Ok(Answer { token, stopped: Some(signal) }),
        Ok(Err(error)) if !client.lost_an_answer() => Err(stopped(&format!("stopped, and no token came: {error}"))),
        Ok(Err(error)) => lost(&format!("stopped: {error}")),
        Err(_) => lost("stopped while a connection or an answer was awaited"),
    }
}
