//! The job's identity, and what a platform makes of it: nothing here is exchanged.

use super::Context;
use crate::api::{Auth, Claims, Client, IdentityMapping, Provider, quoted_groups};
use crate::credential::mapping::{Difference, differences, fingerprint, mismatches, missing_claims, risks};
use crate::credential::{Credential, Identity};
use crate::error::{Error, Kind, Result};
use crate::options::table::{OIDC_IDENTITY_MAPPING, OIDC_PROVIDER};
use crate::options::{InputValue, Source};
use crate::{api, credential};

/// The life of a token if an identity mapping says none, in seconds (documented).
const USUAL_LIFE: u64 = 60;
/// What JFrog's Terraform provider takes, in seconds.
const LIVES: std::ops::RangeInclusive<u64> = 60..=86400;
const USER: &str = "applied-permissions/user";
const ROLES: &str = "applied-permissions/roles:";

/// What a provider makes of a job.
pub struct LookUp {
    /// The provider.
    pub provider: Provider,
    /// Why it would not take the token.
    pub problems: Vec<String>,
    /// Its identity mappings, in the order in which they are tried.
    pub mappings: Vec<Verdict>,
}

/// Whether a job matches an identity mapping.
pub struct Verdict {
    /// The mapping.
    pub mapping: IdentityMapping,
    /// What keeps the job from matching.
    pub differs: Vec<Difference>,
    /// Whether it is the one that would be used.
    pub is_used: bool,
    /// Claims that it makes the token of and that the job does not have: the exchange fails.
    pub lacks: Vec<String>,
    /// Why others could match it too.
    pub risks: Vec<String>,
}

/// The provider that was named.
///
/// # Errors
/// Fails if it can't be the name of one.
pub fn provider_name(cx: &Context) -> Result<Option<String>> {
    cx.options.credential.get(&OIDC_PROVIDER).map(api::provider_name).transpose()
}

/// Reads the provider that was named and its identity mappings, if an access token is at hand.
///
/// # Errors
/// Fails if they can't be read.
pub fn look_up(cx: &Context, identity: &Identity) -> Result<Option<LookUp>> {
    let Some(name) = provider_name(cx)? else { return Ok(None) };
    let Some(auth) = cx.administrator()?.and_then(Credential::at_hand) else {
        cx.console.say(&format!(
            "with an admin's access token (JF_ACCESS_TOKEN, --access-token-file) this also tells which identity mapping of '{name}' fits"
        ));
        return Ok(None);
    };
    let project = cx.options.token.project.as_ref().map(api::project_key).transpose()?;
    let only = cx.options.credential.get(&OIDC_IDENTITY_MAPPING).map(|given| given.text.trim());
    let project = project.as_deref();
    let (provider, mut mappings) = cx.block_on(cx.with_client(&cx.platform_or_fail()?, cx.limits(), async |client| {
        let provider = client.provider(&name, project, &auth).await?;
        Ok((provider, mappings_of(cx, client, &name, project, &auth).await?))
    }))?;
    let claims = &identity.claims;
    let mut judged = Vec::new();
    let mut none_yet = true;
    // Sorting the few that there are would take 10 KiB of the program.
    while let Some(next) = (0..mappings.len()).min_by_key(|at| mappings[*at].rank()) {
        let mapping = mappings.remove(next);
        if only.is_none_or(|only| mapping.name == only) {
            let differs = differences(&mapping, claims, project);
            let matches = differs.is_empty();
            let risks = if matches { risks(&mapping.claims, claims) } else { Vec::new() };
            judged.push(Verdict { differs, is_used: matches && none_yet, lacks: missing_claims(&mapping, claims), risks, mapping });
            none_yet &= !matches;
        }
    }
    Ok(Some(LookUp { problems: mismatches(&provider, claims, &identity.other_audience), provider, mappings: judged }))
}

/// The identity mappings that a request with this project tries: the project's, then those of none. That these are not among the project's
/// is a guess.
async fn mappings_of(cx: &Context, client: &Client<'_>, name: &str, project: Option<&str>, auth: &Auth) -> Result<Vec<IdentityMapping>> {
    let mut mappings = client.identity_mappings(name, project, auth).await?;
    if project.is_none() {
        return Ok(mappings);
    }
    match client.identity_mappings(name, None, auth).await {
        Ok(found) => {
            for mapping in found {
                if mapping.project.is_none() && !mappings.iter().any(|known| known.name == mapping.name) {
                    mappings.push(mapping);
                }
            }
        }
        Err(error) if error.kind() == Kind::Refused => {
            cx.console.warn("this access token may read the project's identity mappings only: others may come after them");
        }
        Err(error) => return Err(error),
    }
    Ok(mappings)
}

impl LookUp {
    /// Why the platform would refuse this job, if it would.
    #[must_use]
    pub fn refusal(&self) -> Option<Error> {
        let refused = |what: &str, help: &str| {
            let what = format!("the platform would refuse this job: the OIDC provider '{}' {what}", self.provider.name());
            Some(Error::new(Kind::Refused, what, help))
        };
        match self.problems.first() {
            Some(problem) => refused(&format!("is for others: {problem}"), "Name another provider, or have an admin change this one."),
            None => match self.mappings.iter().find(|verdict| verdict.is_used) {
                None => refused("has no identity mapping that it matches", "jf-token identity --mapping NAME writes one."),
                Some(Verdict { lacks, .. }) if lacks.is_empty() => None,
                Some(Verdict { lacks, mapping, .. }) => {
                    let what =
                        format!("makes the token of a claim that it does not have, {} (identity mapping '{}')", lacks[0], mapping.name);
                    refused(&what, "Have an admin change that mapping, or one before it match.")
                }
            },
        }
    }
}

/// The identity mapping to write, without its claims, if one was asked for.
///
/// # Errors
/// Fails on the first option that is wrong.
pub fn new_mapping(cx: &Context) -> Result<Option<IdentityMapping>> {
    let Some(name) = &cx.options.diagnostics.mapping else { return Ok(None) };
    let mapping = IdentityMapping {
        name: api::provider_name(name)?,
        provider: provider_name(cx)?.unwrap_or_else(|| "PROVIDER".into()),
        // The platform's documentation wants the strictest first.
        priority: Some(1),
        ..IdentityMapping::default()
    };
    let wanted = cx.token_request(None, false)?;
    let options = &cx.options.token;
    // JF_USER is meant for other programs.
    let username = options.username.as_ref().filter(|given| !matches!(&given.source, Source::Variable(name) if name == "JF_USER"));
    let scope = scope_of(name, username, options.groups.as_ref(), wanted.scope)?;
    let life = wanted.expires_in.map(|life| life.as_secs());
    if let (Some(0), Some(given)) = (life, &options.expiry) {
        return Err(given.wrong("a token by an identity mapping has an end", "Give its life, such as 10m."));
    }
    if scope.starts_with(ROLES) && wanted.project_key.is_none() {
        // Documented in JFrog's Terraform provider.
        cx.console.warn("roles are given by a mapping of their project only: name it by --project");
    }
    match life {
        None => cx.console.say(&format!("expires_in is {USUAL_LIFE} s, the platform's default; --expiry is for another")),
        Some(life) if !LIVES.contains(&life) => {
            cx.console.warn(&format!("expires_in is {life} s: JFrog's Terraform provider takes 60 s to 24 h only"));
        }
        Some(_) => {}
    }
    let audience = wanted.audience.unwrap_or_else(|| "*@*".into());
    let mut token_spec = Claims::new();
    token_spec.insert("scope".into(), scope.into());
    token_spec.insert("audience".into(), audience.into());
    token_spec.insert("expires_in".into(), life.unwrap_or(USUAL_LIFE).into());
    if let Some(name) = wanted.username.filter(|_| username.is_some()) {
        token_spec.insert("username".into(), name.into());
    }
    Ok(Some(IdentityMapping { description: wanted.description, project: wanted.project_key, token_spec, ..mapping }))
}

/// The scope of the token that a mapping gives: its user's, its groups', or the one that was asked for.
fn scope_of(name: &InputValue, username: Option<&InputValue>, groups: Option<&InputValue>, scope: Option<String>) -> Result<String> {
    Ok(match (username, groups, scope) {
        (None, Some(_), Some(scope)) => quoted_groups(&scope),
        (Some(given), Some(groups), _) => return Err(one_of(given, &groups.source)),
        (Some(_), None, None) => USER.into(),
        (Some(given), None, Some(scope)) if scope != USER && !scope.starts_with(ROLES) => {
            return Err(one_of(given, &Source::Flag("--scope".into())));
        }
        (None, _, Some(scope)) if scope.starts_with(ROLES) || scope == USER => {
            return Err(Error::input(format!("the scope '{USER}' and a scope of roles need a user"), "Give one by --username."));
        }
        (_, _, Some(scope)) => scope,
        (None, _, None) => {
            return Err(name.wrong("what is the token to be?", "Give one of --username, --groups and --scope."));
        }
    })
}

fn one_of(given: &InputValue, other: &Source) -> Error {
    given.wrong(format!("excludes {other}"), "A mapping gives a user, or groups, or a scope; only a scope of roles needs a user too.")
}

/// Fills in the claims that only this job has, and says what to know of them. Returns which jobs have them, in words that follow "jobs".
///
/// # Errors
/// Fails if no claim says which job it is.
pub fn fit(cx: &Context, mapping: &mut IdentityMapping, identity: &Identity) -> Result<String> {
    let found = fingerprint(&identity.claims)?;
    if cx.options.credential.get(&OIDC_PROVIDER).is_none() {
        cx.console.say("PROVIDER stands for the name of the platform's OIDC provider: give it by --oidc-provider");
    }
    for note in &found.notes {
        cx.console.say(note);
    }
    for warning in &found.warnings {
        cx.console.warn(warning);
    }
    mapping.claims = found.claims;
    mapping.description = mapping.description.take().or_else(|| Some(format!("Jobs {}", found.about)));
    Ok(found.about)
}

/// The job's identity token, for a look at it.
///
/// # Errors
/// Fails if there is none.
pub fn identity(cx: &Context) -> Result<Identity> {
    let audience = cx.options.credential.get(&crate::options::table::OIDC_AUDIENCE).map(|given| given.text.as_str());
    let source = cx.with_place(credential::identity_source)?;
    cx.block_on(source.look(audience, &cx.asking(cx.limits())))
}
