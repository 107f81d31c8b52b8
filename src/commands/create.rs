//! Mint, mask, remember, deliver: in this order.

use std::time::Duration;

use super::revoke::When;
use super::{Job, REQUEST, no_url, with_access};
use crate::access::{Access, Grant, LEFT_BEHIND, Patience, Revoked};
use crate::clock;
use crate::credential;
use crate::deliver::{Delivery, Format, Place, for_people, for_the_step};
use crate::error::{Error, Kind, Result};
use crate::inputs::options::{DRY_RUN, EXPIRY, REVOKE, SESSION};
use crate::inputs::{Order, options};
use crate::os;
use crate::redact::Secret;
use crate::session::{Held, Locked, Session, end};

/// How long a token that is on its way is waited for when the job is stopped. GitHub's runner gives 7.5 s in all.
const LAST_WAIT: Duration = Duration::from_secs(4);
/// Time to revoke a token that nobody will get.
const CLEAN_UP: Duration = Duration::from_secs(3);
/// Tokens of a shorter life (in seconds) are not revocable, unless the platform is configured otherwise.
const USUAL_THRESHOLD: u64 = 21600;
/// How long another process may hold the session.
const LOCK: Duration = Duration::from_secs(60);

pub fn run(mut job: Job) -> anyhow::Result<()> {
    let order = Order::new(job.inputs)?;
    let platform = job.platform()?;
    if job.inputs.switch(&DRY_RUN)? {
        return Ok(job.console.data(&format!("{}\n", order.body()))?);
    }
    let platform = platform.ok_or_else(no_url)?;
    let patience = job.patience()?;
    let revoke = job.inputs.word(&REVOKE, &When::WORDS)?.unwrap_or_default();
    let mut delivery = Delivery::prepare(job.inputs, job.ci)?;
    let session = remembered(&job)?;
    if session.is_none() && delivery.goes_nowhere() {
        return Err(Error::input("--format none: nothing would get the token", "Give --token-file, --output-file or --session too.").into());
    }
    let credential = credential::require(job.inputs, job.stdin)?.secret;
    advise(&mut job, &order)?;

    let mut locked = session.map(|session| session.lock(LOCK)).transpose()?;
    // The next version of the state file is begun now: what could go wrong with it must do so while there is no token.
    let draft = locked.as_ref().map(Locked::draft).transpose()?;
    delivery.begin()?;
    if let Some(locked) = &locked {
        job.ci.save_state("SESSION", locked.name())?;
    }

    let minted = with_access(&job, &platform, patience, REQUEST, async |access| mint(access, &order, &credential).await);
    let (grant, stopped) = match minted {
        Ok(minted) => minted,
        Err(error) => {
            // No token, nothing to remember: not even an empty folder stays.
            drop(draft);
            let _ = locked.filter(|locked| locked.state.tokens.is_empty()).map(Locked::settle);
            return Err(error.into());
        }
    };
    job.console.mask(grant.secrets());
    let held = Held { platform, order, grant, revoke: revoke != When::Never, files: delivery.files().collect() };
    let kept = match (&mut locked, draft) {
        (Some(locked), Some(draft)) => {
            locked.state.tokens.push(held.clone());
            locked.save(draft)
        }
        _ => Ok(()),
    };
    let handed_over = kept.and_then(|()| match stopped {
        Some(signal) => Err(Error::new(Kind::Interrupted(signal), "stopped while the token was on its way", "")),
        None => hand_over(&job, delivery, &held, locked.as_ref()),
    });
    Ok(handed_over.or_else(|error| undo(&job, &held, &credential, locked, error))?)
}

/// In a CI every token is remembered; elsewhere only where a name or a folder was given, else it is only printed, as by jf.
fn remembered(job: &Job) -> Result<Option<Session>> {
    let wanted = job.ci.is_ci() || job.inputs.text(&SESSION)?.is_some() || job.inputs.environment.get(options::HOME)?.is_some();
    wanted.then(|| Session::for_mint(job.inputs, job.ci)).transpose()
}

fn advise(job: &mut Job, order: &Order) -> Result<()> {
    if order.expires_in == Some(0) && job.ci.is_ci() {
        let source = job.inputs.text(&EXPIRY)?.map(|given| given.source.to_string()).unwrap_or_default();
        job.console.warn(&format!("{source} is 0: the token has no end, and outlives the job if it is not revoked"));
    }
    let short = order.expires_in.is_some_and(|life| (1..USUAL_THRESHOLD).contains(&life));
    if short && !order.force_revocable && job.ci.is_ci() {
        job.console.say("so short-lived a token can usually not be revoked when the job ends; force-revocable makes it revocable");
    }
    if job.inputs.text(&options::PASSWORD)?.is_some() {
        job.console.warn("the password is not used: the access token is the credential");
    }
    Ok(())
}

/// From the moment the request may have been sent, a request to stop waits for the answer: a token that nobody
/// knows of could not be revoked. Returns the token, and the signal that came meanwhile.
async fn mint(access: &Access<'_>, order: &Order, credential: &Secret) -> Result<(Grant, Option<u8>)> {
    let mint = access.mint(order, credential);
    tokio::pin!(mint);
    let signal = tokio::select! {
        grant = &mut mint => return Ok((grant?, None)),
        signal = os::stop_request() => signal,
    };
    let stopped = |what: &str, next: &str| Err(Error::new(Kind::Interrupted(signal), what, next));
    if !access.stop() {
        let next = if access.lost_an_answer() { LEFT_BEHIND } else { "" };
        return stopped("stopped between two tries", next);
    }
    match tokio::time::timeout(LAST_WAIT, mint).await {
        Ok(Ok(grant)) => Ok((grant, Some(signal))),
        Ok(Err(error)) if !access.lost_an_answer() => stopped(&format!("stopped, and no token came: {error}"), ""),
        Ok(Err(error)) => stopped(&format!("stopped: {error}"), LEFT_BEHIND),
        Err(_) => stopped("stopped while a connection or an answer was awaited", LEFT_BEHIND),
    }
}

fn hand_over(job: &Job, delivery: Delivery, held: &Held, locked: Option<&Locked>) -> Result<()> {
    let Held { grant, platform, .. } = held;
    let format = delivery.format.filter(|format| *format != Format::None);
    let refresh_token = delivery.refresh_token;
    let print = || match format {
        Some(format) => job.console.data(&format.print(grant, platform, refresh_token)?),
        None => Ok(()),
    };
    let mut places = delivery.deliver(grant, platform, job.ci, print)?;
    if format.is_some() && !job.ci.is_ci() {
        // Nobody reads a summary: the time zone's file need not be read for one.
        return Ok(());
    }
    places.extend(locked.map(|locked| Place::Session(locked.name().to_owned())));
    let now = clock::seconds((job.now)());
    let zone = clock::zone(&job.inputs.environment);
    if format.is_none() {
        job.console.say(&for_people(grant, platform, &places, now, &zone));
    }
    // The token is in place: a page that can't be written must not take it back.
    job.ci.summarize(&for_the_step(grant, platform, &places, now, &zone)).unwrap_or_else(|error| job.console.warn(&error.to_string()));
    Ok(())
}

/// Nobody will get this token: it is revoked at once. One that can't be stays remembered, where it is.
fn undo(job: &Job, held: &Held, credential: &Secret, locked: Option<Locked>, error: Error) -> Result<()> {
    let ended =
        with_access(job, &held.platform, Patience(Duration::ZERO), CLEAN_UP, async |access| end(access, held, Some(credential)).await);
    let advice = match &ended {
        Ok(Revoked::Done | Revoked::NotFound) => "The new token was revoked.".to_owned(),
        Ok(Revoked::NotRevocable) => "The new token is too short-lived to be revoked.".to_owned(),
        Err(error) => format!("The new token, {}, could not be revoked: {error}", held.grant.name()),
    };
    if let Some(mut locked) = locked.filter(|_| ended.is_ok()) {
        locked.state.tokens.pop();
        // The failure that brought us here is the one to tell.
        let _ = locked.settle();
    }
    Err(error.with_advice(&advice))
}
