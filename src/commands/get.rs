//! The session's token, good for as long as is asked; renewed first when it must.

use super::Job;
use super::renew::Renewer;
use crate::clock;
use crate::deliver::Format;
use crate::inputs::options::{FORMAT, MIN_TTL, OUTPUT_REFRESH_TOKEN, RENEW_BY};
use crate::inputs::seconds;
use crate::session::{RenewBy, Session};

pub fn run(mut job: Job) -> anyhow::Result<()> {
    let format = job.inputs.own_word(&FORMAT, &Format::WORDS[..Format::PRINTED])?.unwrap_or(Format::Token);
    let min_ttl = job.inputs.text(&MIN_TTL)?.map(|given| seconds(&given)).transpose()?.map(|least| least * 1000);
    let by = job.inputs.word(&RENEW_BY, &RenewBy::WORDS)?;
    let refresh_token = job.inputs.switch(&OUTPUT_REFRESH_TOKEN)?;
    let session = Session::of_job(job.inputs, job.ci)?;
    let mut held = Renewer::new(&mut job, session, by).usable(min_ttl)?;
    if !held.masked {
        job.console.mask(held.grant.secrets());
    }
    // Who keeps the answer for `expires_in` counts from now on, not from the mint.
    let (end, now) = (held.grant.expires_at(), clock::seconds((job.now)()));
    held.grant.expires_in = end.map(|end| end.saturating_sub(now));
    held.grant.issued_at = now;
    job.print(held, format, refresh_token)
}
