//! CIs of which only facts are known: by which variables to recognise one, what they say of a job, and where its identity token comes from.

use std::hash::{DefaultHasher, Hash, Hasher};

use redact::Secret;
use reqwest::Url;

use super::{Ci, IdToken, JobContext, JobHome, Recognise, none_known};
use crate::io::{Environment, LogStyle, MaskCommand, sorted};

/// What is known of a CI.
pub struct Facts {
    /// Its name, for messages.
    pub name: &'static str,
    /// Any of these variables shows that a job runs there; one with `=`, only if it has that value.
    pub signs: &'static [&'static str],
    /// The variables that together tell two jobs on one machine apart.
    pub job: &'static [&'static str],
    /// How a job gets its identity token for an audience; `None` if no way is known.
    pub id_token: Option<fn(&Environment, Option<&str>) -> IdToken>,
    /// The line by which a program makes its log hide a value.
    pub mask: Option<&'static MaskCommand>,
    /// The claims of its identity token that say which job it is.
    pub claims: &'static [&'static str],
    /// The variables that name the job, the run, the repository's address, the revision and the branch; empty where there is none.
    pub context: [&'static str; 5],
}

impl Facts {
    /// A CI of which nothing is known.
    pub const UNKNOWN: Self = Self { name: "", signs: &[], job: &[], id_token: None, mask: None, claims: &[], context: [""; 5] };
}

impl Recognise for Facts {
    fn detect(&'static self, environment: &Environment) -> Option<Box<dyn Ci>> {
        let shows = |sign: &&str| match sign.split_once('=') {
            Some((name, wanted)) => environment.says(name, |value| value == wanted),
            None => environment.says(sign, |_| true),
        };
        self.signs.iter().any(shows).then(|| Box::new(Known { facts: self, environment: environment.clone() }) as Box<dyn Ci>)
    }
}

struct Known {
    facts: &'static Facts,
    environment: Environment,
}

impl LogStyle for Known {}

impl Ci for Known {
    fn name(&self) -> &'static str {
        self.facts.name
    }

    fn mask_command(&self) -> Option<&'static MaskCommand> {
        self.facts.mask
    }

    fn job(&self) -> JobHome {
        JobHome { id: job_id(&self.environment, self.facts.job), ..JobHome::default() }
    }

    fn id_token(&self, audience: Option<&str>) -> IdToken {
        self.facts.id_token.map_or_else(|| none_known(self.facts.name), |find| find(&self.environment, audience))
    }

    fn claims(&self) -> &'static [&'static str] {
        self.facts.claims
    }

    fn job_context(&self) -> JobContext {
        context(&self.environment, self.facts.context)
    }
}

/// What these variables have to say of a job, in the order of `Facts::context`.
pub fn context(environment: &Environment, names: [&str; 5]) -> JobContext {
    let [job, run, repository, revision, branch] = names.map(|name| text(environment, name).map(str::to_owned));
    JobContext { job, run, repository: repository.map(|address| without_user(&address)), revision, branch }
}

/// An address that a checkout uses may hold its credential.
fn without_user(address: &str) -> String {
    match Url::parse(address) {
        Ok(mut url) if !url.username().is_empty() || url.password().is_some() => {
            let _ = url.set_username("").and_then(|()| url.set_password(None));
            url.into()
        }
        _ => address.to_owned(),
    }
}

/// What tells this job apart, fit for a file name: `None` if none of the variables is set.
pub fn job_id(environment: &Environment, names: &[&str]) -> Option<String> {
    let values: Vec<_> = names.iter().filter_map(|name| text(environment, name)).collect();
    let mut hasher = DefaultHasher::new();
    values.hash(&mut hasher);
    (!values.is_empty()).then(|| format!("{:016x}", hasher.finish()))
}

/// A variable's value, if it has one that can be read.
pub fn text<'e>(environment: &'e Environment, name: &str) -> Option<&'e str> {
    environment.get(name).ok().flatten()
}

/// The identity token in a variable. `audience`: where its audience is set, in words that follow "set it".
pub fn variable(environment: &Environment, name: &str, audience: &'static str) -> Option<IdToken> {
    let token = Secret::new(text(environment, name)?).ok()?;
    Some(IdToken::Variable { name: name.to_owned(), token, audience })
}

/// The identity token in the variable that is meant for a JFrog platform, where the job gives the variables their names: the only one
/// whose name begins with `ours`, else the only one. `None` if there is none.
pub fn one_variable(environment: &Environment, is_such: impl Fn(&str) -> bool, ours: &str, audience: &'static str) -> Option<IdToken> {
    let such = || environment.names("").filter(|name| is_such(name) && text(environment, name).is_some());
    let all = sorted(such().filter(|name| text(environment, name).is_some_and(is_jwt)).map(str::to_owned));
    let mut of_us = all.iter().filter(|name| name.starts_with(ours));
    match (all.as_slice(), of_us.next(), of_us.next()) {
        ([name], ..) | (_, Some(name), None) => variable(environment, name, audience),
        ([], ..) => such().find(|name| name.starts_with(ours)).map(|name| {
            IdToken::Unavailable(format!(
                "{name} holds something, but no identity token (a JWT): was a variable not replaced by its value?"
            ))
        }),
        _ => Some(IdToken::Unavailable(format!("It is given not one but several, in {}: choose by --oidc-token-var NAME", all.join(", ")))),
    }
}

/// Whether this looks like a signed JWT.
fn is_jwt(text: &str) -> bool {
    text.starts_with("ey") && text.split('.').filter(|part| !part.is_empty()).count() == 3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_recorded_without_the_credential_that_a_checkout_uses() {
        for (given, kept) in [
            ("https://ci-token:secret@git.example/o/r.git", "https://git.example/o/r.git"),
            ("https://org@dev.azure.com/org/p/_git/r", "https://dev.azure.com/org/p/_git/r"),
            ("git@github.com:o/r.git", "git@github.com:o/r.git"),
            ("https://git.example/o/r", "https://git.example/o/r"),
        ] {
            assert_eq!(without_user(given), kept);
        }
    }

    #[test]
    fn the_only_variable_or_the_only_one_of_ours_is_taken() {
        let pick = |names: &[&str]| {
            let environment = names.iter().map(|name| (*name, "eyJh.eyJi.c2ln")).chain([("TEXT_ID_TOKEN", "no JWT")]).collect();
            one_variable(&environment, |name| name.ends_with("_ID_TOKEN"), "JF", "")
        };
        let picked = |names: &[&str]| match pick(names) {
            Some(IdToken::Variable { name, .. }) => name,
            other => panic!("{other:?}"),
        };
        assert_eq!(picked(&["VAULT_ID_TOKEN"]), "VAULT_ID_TOKEN");
        assert_eq!(picked(&["VAULT_ID_TOKEN", "JFROG_ID_TOKEN", "A_ID_TOKEN"]), "JFROG_ID_TOKEN");
        for several in [["VAULT_ID_TOKEN", "A_ID_TOKEN"], ["JF_ID_TOKEN", "JFROG_ID_TOKEN"]] {
            assert!(matches!(pick(&several), Some(IdToken::Unavailable(why)) if several.iter().all(|name| why.contains(name))));
        }
        assert!(pick(&[]).is_none());
    }
}
