//! End the session's tokens, and remove what was written for them.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use super::{Job, REQUEST, no_url, with_access};
use crate::access::{Patience, Revoked};
use crate::error::{Error, Kind, Result};
use crate::inputs::Given;
use crate::inputs::options::{REVOKE, SESSION, TOKEN_ID};
use crate::redact::Secret;
use crate::session::{Held, Session, end, remove};

/// All the time there is at the end of an action: on a cancel the runner kills after 7.5 s.
const IN_ACTION: Duration = Duration::from_secs(5);

/// What is to happen to a token when the job ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum When {
    /// It lives on.
    Never,
    /// It is revoked; in an action a failure is only a warning.
    #[default]
    AtEnd,
    /// It is revoked; a failure fails the job.
    Strict,
}

impl When {
    /// The words for it.
    pub const WORDS: [(&str, When); 7] = [
        ("true", When::AtEnd),
        ("false", When::Never),
        ("strict", When::Strict),
        ("1", When::AtEnd),
        ("0", When::Never),
        ("yes", When::AtEnd),
        ("no", When::Never),
    ];
}

pub fn run(mut job: Job) -> anyhow::Result<()> {
    if job.ci.is_action() {
        if job.ci.saved_session().is_none() && job.inputs.text(&SESSION)?.is_none() {
            // The step before failed early, and said why: there is nothing of ours.
            return Ok(());
        }
    } else if let Some(id) = job.inputs.text(&TOKEN_ID)? {
        return Ok(one(&mut job, &id)?);
    }
    let when = job.inputs.word(&REVOKE, &When::WORDS)?.unwrap_or_default();
    let session = Session::find(job.inputs, job.ci)?;
    match end_session(&mut job, &session, when, false) {
        Err(error) if job.ci.is_action() && when != When::Strict => {
            job.console.warn(&format!("{error}\n{}", error.next()));
            Ok(())
        }
        done => Ok(done?),
    }
}

/// Ends the tokens of a session and removes what was written for them. `quiet`: only what went wrong is told.
///
/// # Errors
/// When a token may still be alive, or a file still there.
pub fn end_session(job: &mut Job, session: &Session, when: When, quiet: bool) -> Result<()> {
    let started = Instant::now();
    let patience = job.patience()?;
    // It may be renewing right now, and is to let go of the session.
    session.stop_keeper();
    // After the end of an action's own session nobody comes back for it: then the message is all there is.
    let comes_back = !job.ci.is_action() || job.inputs.text(&SESSION)?.is_some();
    let mut locked = session.lock(if job.ci.is_action() { IN_ACTION } else { REQUEST })?;
    // One that can't be read any more must not keep the tokens alive: they can end themselves.
    let credential = job.credential().ok().flatten().map(|found| found.secret);
    let its_platform = job.platform().ok().flatten();
    let held = std::mem::take(&mut locked.state.tokens);
    if locked.was_cut_off() || locked.state.left_behind {
        job.console.warn("an earlier step was stopped, or an answer lost, while a token was on its way: one may be alive that nobody knows of; look for it in the platform's list of tokens");
    } else if held.is_empty() && !job.ci.is_action() && !quiet {
        let others = session.others();
        let others = if others.is_empty() { String::new() } else { format!("; there are others, for --session: {}", others.join(", ")) };
        job.console.say(&format!("nothing to revoke: the session '{}' holds no token{others}", locked.name()));
    }
    if let Some(why) = &locked.state.keeper_gave_up {
        job.console.warn(why);
    }
    let mut failures: Vec<Error> = held.iter().flat_map(|held| &held.files).filter_map(|file| remove(&file.path).err()).collect();
    let (ending, staying): (Vec<_>, Vec<_>) = held.into_iter().partition(|held| when != When::Never && held.revoke);
    for held in staying.iter().filter(|held| !quiet && !held.replaced) {
        job.console.say(&format!("{} was to live on; it {}", held.grant.name(), job.end_of(held)));
    }
    let mut earlier = 0;
    for tokens in by_platform(ending) {
        let left = if job.ci.is_action() { IN_ACTION.saturating_sub(started.elapsed()) } else { patience.0.max(REQUEST) };
        // For those that can do nothing any more, one try is enough.
        let patience = Patience(if tokens.iter().all(|held| is_over(job, held)) { Duration::ZERO } else { patience.0.min(left) });
        // The credential is for one platform, and goes to no other.
        let credential = credential.as_ref().filter(|_| tokens.first().map(|held| &held.platform) == its_platform.as_ref());
        for (held, ended) in end_all(job, tokens, credential, patience, left) {
            let name = held.grant.name().to_owned();
            match ended {
                Ok(Revoked::Done) if held.replaced => earlier += 1,
                Ok(Revoked::NotFound) if held.replaced => {}
                Ok(Revoked::NotRevocable) if is_over(job, &held) => {}
                Ok(Revoked::Done | Revoked::NotFound) if quiet => {}
                Ok(Revoked::Done) => job.console.say(&format!("revoked {name}")),
                Ok(Revoked::NotFound) => job.console.say(&format!("{name} was not alive any more")),
                Ok(Revoked::NotRevocable) => job.console.say(&format!(
                    "{name} is too short-lived for the platform to revoke; by itself it {} (force-revocable makes such a token revocable)",
                    job.end_of(&held)
                )),
                Err(error) if is_over(job, &held) => {
                    if !held.replaced && !quiet {
                        job.console.say(&format!("{name} {} by itself (revoking it was tried: {error})", job.end_of(&held)));
                    }
                }
                Err(error) => {
                    failures.push(error.about(&format!("{name} could not be revoked, and {}", job.end_of(&held))));
                    if comes_back {
                        let files = held.files.iter().filter(|file| file.path.exists()).cloned().collect();
                        locked.state.tokens.push(Held { files, ..held });
                    }
                }
            }
        }
    }
    if earlier > 0 && !quiet {
        job.console.say(&format!("revoked {earlier} earlier {}", if earlier == 1 { "token" } else { "tokens" }));
    }
    // A token that lives weighs more than a file that stays.
    failures.splice(0..0, locked.settle().err());
    let last = failures.pop();
    for error in failures {
        job.console.warn(&error.to_string());
    }
    last.map_or(Ok(()), Err)
}

/// The end of every token, asked for at once, within the time that is left.
fn end_all(job: &Job, tokens: Vec<Held>, credential: Option<&Secret>, patience: Patience, left: Duration) -> Vec<(Held, Result<Revoked>)> {
    let Some(platform) = tokens.first().map(|held| held.platform.clone()) else { return Vec::new() };
    let ends = with_access(job, &platform, patience, left.clamp(Duration::from_millis(1), REQUEST), async |access| {
        let ends = tokens.iter().map(|held| async {
            let ended = tokio::time::timeout(left, end(access, held, credential)).await;
            ended.unwrap_or_else(|_| Err(Error::new(Kind::Unreachable, format!("{} did not answer in time", platform.as_str()), "")))
        });
        Ok(all(ends.map(|end| Box::pin(end) as Pin<Box<dyn Future<Output = _>>>).collect()).await)
    });
    let ends = ends.unwrap_or_else(|error| tokens.iter().map(|_| Err(error.clone())).collect());
    tokens.into_iter().zip(ends).collect()
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
fn is_over(job: &Job, held: &Held) -> bool {
    held.grant.refresh_token.is_none() && held.grant.ends_at().is_some_and(|end| end < job.millis())
}

fn by_platform(tokens: Vec<Held>) -> Vec<Vec<Held>> {
    let mut groups: Vec<Vec<Held>> = Vec::new();
    for held in tokens {
        match groups.iter_mut().find(|group| group.iter().any(|other| other.platform == held.platform)) {
            Some(group) => group.push(held),
            None => groups.push(vec![held]),
        }
    }
    groups
}

/// A token that is known by its id alone.
fn one(job: &mut Job, id: &Given) -> Result<()> {
    if id.text == "me" {
        return Err(id.wrong("'me' would end the credential itself", "Give the id of the token to revoke."));
    }
    let id = id.text.as_str();
    let platform = job.platform()?.ok_or_else(no_url)?;
    let credential = job.credential_or_fail()?;
    let revoked = with_access(job, &platform, job.patience()?, REQUEST, async |access| access.revoke(id, &credential).await)?;
    job.console.say(&match revoked {
        Revoked::Done => format!("revoked {id}"),
        Revoked::NotFound => format!("the platform knows no living token {id}"),
        Revoked::NotRevocable => format!("{id} is too short-lived for the platform to revoke; it ends by itself"),
    });
    Ok(())
}
