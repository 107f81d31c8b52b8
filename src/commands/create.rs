//! Mint, mask, remember, deliver: in this order.

use super::mint::{Minted, Wanted, mint};
use super::{Job, LOCK, keep};
use crate::clock;
use crate::deliver::{Delivery, Format, Place, for_people, for_the_step};
use crate::error::{Error, Result};
use crate::inputs::Order;
use crate::inputs::options::{self, DRY_RUN, EXPIRY, KEEP_FRESH, SESSION};
use crate::os;
use crate::session::Session;

/// Tokens of a shorter life (in seconds) are not revocable, unless the platform is configured otherwise.
const USUAL_THRESHOLD: u64 = 21600;

pub fn run(mut job: Job) -> anyhow::Result<()> {
    let order = Order::new(job.inputs)?;
    if job.inputs.switch(&DRY_RUN)? {
        job.platform()?;
        return Ok(job.console.data(&format!("{}\n", order.body()))?);
    }
    let mut wanted = Wanted::new(&job, order)?;
    let mut delivery = Delivery::prepare(job.inputs, job.ci)?;
    let session = remembered(&job)?;
    if session.is_none() && delivery.goes_nowhere() {
        return Err(Error::input("--format none: nothing would get the token", "Give --token-file, --output-file or --session too.").into());
    }
    let keeper = match (job.inputs.switch(&KEEP_FRESH)?, &session) {
        (true, None) => return Err(Error::input("--keep-fresh: nothing remembers the token", "Give it a name with --session.").into()),
        (true, Some(_)) => Some(keep::Launch::new(&job)?),
        (false, _) => None,
    };
    wanted.find_credential(&mut job)?;
    advise(&mut job, &wanted.order)?;

    let locked = session.map(|session| session.lock(LOCK)).transpose()?;
    if let Some(locked) = &locked {
        job.ci.save_state("SESSION", locked.name())?;
    }
    let minted = mint(&job, &wanted, locked, &mut delivery)?;
    let handed_over = hand_over(&job, delivery, &minted).and_then(|()| match (keeper, &minted.locked) {
        (Some(keeper), Some(locked)) => keeper.start(&mut job, locked.session()),
        _ => Ok(()),
    });
    Ok(handed_over.or_else(|error| minted.undo(&job, &wanted, error))?)
}

/// In a CI every token is remembered; elsewhere only where a name or a folder was given, else it is only printed, as by jf.
fn remembered(job: &Job) -> Result<Option<Session>> {
    let named = job.inputs.text(&SESSION)?.is_some() || job.inputs.environment.get(options::HOME)?.is_some();
    let wanted = job.ci.is_ci() || (named && !Session::is_of_exec(job.inputs)?);
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

fn hand_over(job: &Job, delivery: Delivery, minted: &Minted) -> Result<()> {
    let grant = &minted.held.grant;
    let platform = &minted.held.platform;
    let session = minted.locked.as_ref().map(|locked| locked.name().to_owned());
    let format = delivery.format.filter(|format| *format != Format::None);
    let refresh_token = delivery.refresh_token;
    let print = || match format {
        Some(format) => job.console.data(&format.print(grant, platform, refresh_token)?),
        None => Ok(()),
    };
    let mut places = delivery.deliver(&minted.held, session.as_deref(), job.ci, print)?;
    if let Some(folder) = os::own_folder().filter(|_| job.ci.is_action()) {
        job.ci.add_to_path(&folder)?;
    }
    if format.is_some() && !job.ci.is_ci() {
        // Nobody reads a summary: the time zone's file need not be read for one.
        return Ok(());
    }
    places.extend(session.map(Place::Session));
    let now = clock::seconds((job.now)());
    let zone = clock::zone(&job.inputs.environment);
    if format.is_none() {
        job.console.say(&for_people(grant, platform, &places, now, &zone));
    }
    // The token is in place: a page that can't be written must not take it back.
    job.ci.summarize(&for_the_step(grant, platform, &places, now, &zone)).unwrap_or_else(|error| job.console.warn(&error.to_string()));
    Ok(())
}
