//! Renew the session's token now.

use super::renew::Renewer;
use super::{Job, LOCK, REQUEST};
use crate::clock;
use crate::deliver::{Format, Place, for_people};
use crate::error::{Error, Kind};
use crate::inputs::options::{FORMAT, OUTPUT_REFRESH_TOKEN, RENEW_BY};
use crate::session::{RenewBy, Session};

pub fn run(mut job: Job) -> anyhow::Result<()> {
    let format = job.inputs.own_word(&FORMAT, &Format::WORDS)?.filter(|format| *format != Format::None);
    let by = job.inputs.word(&RENEW_BY, &RenewBy::WORDS)?;
    let refresh_token = job.inputs.switch(&OUTPUT_REFRESH_TOKEN)?;
    let patience = job.patience()?;
    let session = Session::of_job(job.inputs, job.ci)?;
    let mut renewer = Renewer::new(&mut job, session, by);
    // Nothing is made on the disk for a session that is not there.
    renewer.check_means()?;
    let mut locked = renewer.session.lock(LOCK)?;
    renewer.renew(&mut locked, patience, REQUEST)?;
    let held = locked.state.tokens.last().ok_or_else(|| Error::new(Kind::Local, "the session was emptied", ""))?;
    if let Some(format) = format {
        return job.print(held.clone(), format, refresh_token);
    }
    let mut places: Vec<_> = held.files.iter().map(|file| Place::File(file.path.clone())).collect();
    let set = held.variable.iter().filter(|name| job.ci.check_variable(name).is_ok());
    places.extend(set.map(|name| Place::Variable(name.clone())));
    places.push(Place::Session(locked.name().to_owned()));
    let (now, zone) = (clock::seconds((job.now)()), clock::zone(&job.inputs.environment));
    job.console.say(&for_people(&held.grant, &held.platform, &places, now, &zone));
    Ok(())
}
