//! A new token: minted though the job may be stopped meanwhile, masked, remembered, or taken back.

use std::time::Duration;

use super::revoke::When;
use super::{Job, REQUEST, no_url, with_access};
use crate::access::{Access, Grant, LEFT_BEHIND, Patience, Revoked};
use crate::deliver::Delivery;
use crate::error::{Error, Fate, Kind, Result};
use crate::inputs::options::{RENEW_BY, REVOKE};
use crate::inputs::{Order, PlatformUrl};
use crate::os;
use crate::redact::Secret;
use crate::session::{Held, Locked, RenewBy, end};

/// How long a token that is on its way is waited for when the job is stopped. GitHub's runner gives 7.5 s in all.
const LAST_WAIT: Duration = Duration::from_secs(4);
/// Time to revoke a token that nobody will get.
const CLEAN_UP: Duration = Duration::from_secs(3);

/// What is to be minted, checked before anything is made.
pub struct Wanted {
    pub order: Order,
    platform: PlatformUrl,
    patience: Patience,
    revoke: bool,
    renew_by: RenewBy,
    pub of_exec: bool,
    pub credential: Option<Secret>,
}

/// A token that is remembered.
pub struct Minted {
    pub held: Held,
    pub locked: Option<Locked>,
}

impl Wanted {
    /// Reads what the order does not say.
    ///
    /// # Errors
    /// When an input is wrong.
    pub fn new(job: &Job, order: Order) -> Result<Self> {
        let platform = job.platform()?.ok_or_else(no_url)?;
        let patience = job.patience()?;
        let revoke = job.inputs.word(&REVOKE, &When::WORDS)?.unwrap_or_default() != When::Never;
        let renew_by = job.inputs.word(&RENEW_BY, &RenewBy::WORDS)?.unwrap_or_default();
        if renew_by == RenewBy::Refresh && !order.refreshable {
            let given = job.inputs.text(&RENEW_BY)?.map(|given| given.source.to_string()).unwrap_or_default();
            return Err(Error::input(format!("{given}: refresh needs a refresh token"), "Ask for one with --refreshable."));
        }
        Ok(Self { order, platform, patience, revoke, renew_by, of_exec: false, credential: None })
    }

    /// Reads the credential, which is the last of all inputs.
    ///
    /// # Errors
    /// When there is none.
    pub fn find_credential(&mut self, job: &mut Job) -> Result<()> {
        self.credential = Some(job.credential_or_fail()?);
        Ok(())
    }
}

/// Mints a token, has the log hide it and remembers it. The files that will hold it are begun before.
///
/// # Errors
/// When there is no token, or it was taken back.
pub fn mint(job: &Job, wanted: &Wanted, mut locked: Option<Locked>, delivery: &mut Delivery) -> Result<Minted> {
    let Some(credential) = &wanted.credential else { return Err(Error::new(Kind::NoCredential, "there is no credential", "")) };
    // The next version of the state file is begun now: what could go wrong with it must do so while there is no token.
    let draft = locked.as_ref().map(Locked::draft).transpose();
    let begun = draft.and_then(|draft| delivery.begin().map(|()| draft));
    let minted = begun.and_then(|draft| {
        let asked = with_access(job, &wanted.platform, wanted.patience, REQUEST, async |access| {
            awaited(access, access.mint(&wanted.order, credential), os::stop_request(), LEFT_BEHIND).await
        });
        asked.map(|(grant, stopped)| (grant, stopped, draft))
    });
    let (grant, stopped, draft) = match minted {
        Ok(minted) => minted,
        Err(error) => {
            // No token, nothing to remember: not even an empty folder stays.
            let _ = locked.filter(|locked| locked.state.tokens.is_empty()).map(Locked::settle);
            return Err(error);
        }
    };
    job.console.mask(grant.secrets());
    let held = Held {
        platform: wanted.platform.clone(),
        order: wanted.order.clone(),
        grant,
        revoke: wanted.revoke,
        files: delivery.files(),
        variable: delivery.variable().cloned(),
        renew_by: wanted.renew_by,
        in_doubt: false,
        // What an action prints is the log's; another's standard error may be caught.
        masked: job.ci.is_action(),
        of_exec: wanted.of_exec,
        replaced: false,
    };
    let kept = match (&mut locked, draft) {
        (Some(locked), Some(draft)) => {
            locked.state.tokens.push(held.clone());
            locked.state.trouble = None;
            locked.save(draft)
        }
        _ => Ok(()),
    };
    let minted = Minted { held, locked };
    match (kept, stopped) {
        (Ok(()), None) => Ok(minted),
        (Err(error), _) => minted.undo(job, wanted, error),
        (Ok(()), Some(signal)) => {
            minted.undo(job, wanted, Error::new(Kind::Interrupted(signal), "stopped while the token was on its way", ""))
        }
    }
}

impl Minted {
    /// Nobody will get this token: it is revoked at once. One that can't be stays remembered, where it is.
    ///
    /// # Errors
    /// Always: with what brought us here, and what became of the token.
    pub fn undo<T>(self, job: &Job, wanted: &Wanted, error: Error) -> Result<T> {
        let (words, ended) = take_back(job, &self.held, wanted.credential.as_ref());
        if let Some(mut locked) = self.locked.filter(|_| ended) {
            locked.state.tokens.pop();
            // The failure that brought us here is the one to tell.
            let _ = locked.settle();
        }
        Err(error.with_advice(&words))
    }
}

/// Revokes a token at once. Returns what became of it in words, and whether it is settled.
pub fn take_back(job: &Job, held: &Held, credential: Option<&Secret>) -> (String, bool) {
    let ended = with_access(job, &held.platform, Patience(Duration::ZERO), CLEAN_UP, async |access| end(access, held, credential).await);
    let words = match &ended {
        Ok(Revoked::Done | Revoked::NotFound) => "The new token was revoked.".to_owned(),
        Ok(Revoked::NotRevocable) => "The new token is too short-lived to be revoked.".to_owned(),
        Err(error) => format!("The new token, {}, could not be revoked: {error}", held.grant.name()),
    };
    (words, ended.is_ok())
}

/// From the moment the request may have been sent, a request to `stop` waits for the answer: a token that nobody knows of
/// could not be revoked. Returns the token, and the number of the signal that came meanwhile.
///
/// # Errors
/// When no token came; `left_behind` is added where one may exist all the same.
pub async fn awaited(
    access: &Access<'_>,
    request: impl Future<Output = Result<Grant>>,
    stop: impl Future<Output = u8>,
    left_behind: &str,
) -> Result<(Grant, Option<u8>)> {
    tokio::pin!(request);
    let signal = tokio::select! {
        grant = &mut request => return Ok((grant?, None)),
        signal = stop => signal,
    };
    let stopped = |what: &str| Error::new(Kind::Interrupted(signal), what, "");
    let lost = |what: &str| Err(Error::new(Kind::Interrupted(signal), what, left_behind).with_fate(Fate::Lost));
    if !access.stop() {
        return if access.lost_an_answer() { lost("stopped between two tries") } else { Err(stopped("stopped between two tries")) };
    }
    match tokio::time::timeout(LAST_WAIT, request).await {
        Ok(Ok(grant)) => Ok((grant, Some(signal))),
        Ok(Err(error)) if !access.lost_an_answer() => Err(stopped(&format!("stopped, and no token came: {error}"))),
        Ok(Err(error)) => lost(&format!("stopped: {error}")),
        Err(_) => lost("stopped while a connection or an answer was awaited"),
    }
}
