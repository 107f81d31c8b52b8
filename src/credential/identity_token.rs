//! The identity token: where it comes from, and what it says.

use std::time::Duration;

use redact::Secret;
use reqwest::Url;
use serde_json::Value;

use super::reading::{is_lasting_file, read_file, read_stdin, token};
use super::{Asking, CredentialPlace, command};
use crate::api::PlatformUrl;
use crate::api::claims::{self, Claims, audiences, claims, header, seconds};
use crate::ci::{IdToken, IdTokenRequest};
use crate::error::{Error, Kind, Result};
use crate::io::clock::{Timestamp, in_words};
use crate::options::table::{OIDC_TOKEN_COMMAND, OIDC_TOKEN_FILE, OIDC_TOKEN_ID, OIDC_TOKEN_STDIN, OIDC_TOKEN_VAR};
use crate::options::{InputValue, Source, shown};
use crate::os;

/// How long a command may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How much the clocks of a CI and of this machine may differ.
const SKEW: Duration = Duration::from_secs(60);
const EXPIRED: &str = "has expired";
const WHAT: &str = "identity token";

/// Where the identity token comes from.
pub enum IdentitySource {
    /// A file, which others may rewrite, and the token that was in it first.
    File(InputValue, Secret),
    /// One that can't be asked for again.
    Once {
        /// What to call its place in a message.
        place: String,
        /// The variable that holds it.
        variable: Option<String>,
        /// The token.
        token: Secret,
        /// Where its audience is set, in words that follow "set it".
        audience: &'static str,
    },
    /// A command of the user's.
    Command(InputValue),
    /// The CI's own way, which can be used again.
    Ci(IdToken),
}

const BY_WHOEVER: &str = "where the token is made";

impl IdentitySource {
    /// Finds it: what the user named, else the CI's own way, else what jf's tools left.
    ///
    /// # Errors
    /// Fails if it was named and can't be read.
    pub fn find(place: &mut CredentialPlace, audience: Option<&str>) -> Result<Self> {
        let options = &place.options.credential;
        let named = [&OIDC_TOKEN_ID, &OIDC_TOKEN_FILE, &OIDC_TOKEN_STDIN, &OIDC_TOKEN_COMMAND, &OIDC_TOKEN_VAR];
        let named = named.into_iter().filter_map(|option| Some((option, options.get(option)?)));
        // jf's tools pass one on in a variable, where it may be left from an earlier step.
        let named = named.filter(|(option, given)| option.name != OIDC_TOKEN_ID.name || !matches!(given.source, Source::Variable(_)));
        let Some((option, given)) = named.min_by_key(|(_, given)| given.source.rank()) else {
            return Ok(Self::of_the_ci(place, audience));
        };
        let once = |place: String, variable, text: &str| {
            let token = token(given, text, &format!("the {WHAT} in {place}"), &format!("It must hold one whole {WHAT}."))?;
            Ok(Self::Once { place, variable, token, audience: BY_WHOEVER })
        };
        match option.name {
            name if name == OIDC_TOKEN_FILE.name => {
                let (token, place) = (read_token(given)?, shown(&given.text));
                let can_be_read_again = is_lasting_file(given);
                let once = |token| Self::Once { place, variable: None, token, audience: BY_WHOEVER };
                Ok(if can_be_read_again { Self::File(given.clone(), token) } else { once(token) })
            }
            name if name == OIDC_TOKEN_STDIN.name => once("standard input".into(), None, &read_stdin(given, place.stdin, WHAT)?),
            name if name == OIDC_TOKEN_ID.name => once(given.source.to_string(), None, &given.text),
            name if name == OIDC_TOKEN_COMMAND.name => Ok(Self::Command(given.clone())),
            _ => {
                let what = format!("the variable {} is not set, or empty", shown(&given.text));
                let unset = || given.wrong(what, format!("Name the variable that holds the {WHAT}."));
                once(given.text.clone(), Some(given.text.clone()), place.environment.get(&given.text)?.ok_or_else(unset)?)
            }
        }
    }

    /// The CI's own way, else what jf's tools left.
    pub fn of_the_ci(place: &CredentialPlace, audience: Option<&str>) -> Self {
        let left = place.options.credential.get(&OIDC_TOKEN_ID).filter(|given| matches!(given.source, Source::Variable(_)));
        let left = || left.and_then(|given| Some((given.source.to_string(), Secret::new(&given.text).ok()?)));
        match place.ci.id_token(audience) {
            IdToken::Variable { name, token, audience } => Self::Once { place: name.clone(), variable: Some(name), token, audience },
            IdToken::Unavailable(why) => match left() {
                Some((name, token)) => Self::Once { place: name.clone(), variable: Some(name), token, audience: BY_WHOEVER },
                None => Self::Ci(IdToken::Unavailable(why)),
            },
            found => Self::Ci(found),
        }
    }

    /// Why there is none here, if that is known.
    pub fn check(&self) -> Result<()> {
        match self {
            Self::Ci(IdToken::Unavailable(why)) => {
                Err(Error::new(Kind::NoCredential, "the CI gives this job no identity token", format!("{}.", why.trim_end_matches('.'))))
            }
            _ => Ok(()),
        }
    }

    /// What to call it in a message.
    pub fn place(&self) -> String {
        match self {
            Self::File(given, _) => shown(&given.text),
            Self::Once { place, .. } => place.clone(),
            Self::Command(given) => given.source.to_string(),
            Self::Ci(_) => "the CI".into(),
        }
    }

    /// What of it is at hand.
    pub fn secrets(&self) -> Vec<&Secret> {
        match self {
            Self::Once { token, .. } | Self::File(_, token) => vec![token],
            Self::Ci(IdToken::Fetch(request)) => vec![&request.bearer],
            _ => Vec::new(),
        }
    }

    /// The variables by which another process could get an identity token.
    pub fn variables(&self) -> Vec<&str> {
        match self {
            Self::Once { variable, .. } => variable.as_deref().into_iter().collect(),
            Self::Ci(IdToken::Fetch(request)) => request.variables.to_vec(),
            _ => Vec::new(),
        }
    }

    /// Whether it can be asked for again when it has expired.
    fn is_lasting(&self) -> bool {
        !matches!(self, Self::Once { .. } | Self::Ci(IdToken::Variable { .. } | IdToken::Unavailable(_)))
    }

    /// The identity token, checked as far as that is possible without the issuer's keys.
    ///
    /// # Errors
    /// Fails if there is none, or the platform would not accept it.
    pub async fn token(&self, wanted: Option<&str>, asking: &Asking<'_>) -> Result<IdentityToken> {
        let identity = self.ask(asking).await?;
        match self.problems(&identity, wanted, asking).into_iter().next() {
            Some(problem) => Err(problem),
            None => Ok(identity),
        }
    }

    /// What the identity token says, also if the platform would not accept it.
    ///
    /// # Errors
    /// Fails if there is none.
    pub async fn look(&self, wanted: Option<&str>, asking: &Asking<'_>) -> Result<Identity> {
        let identity = self.ask(asking).await?;
        let problems = self.problems(&identity, wanted, asking);
        let other_audience = match self {
            Self::Ci(_) if self.is_lasting() => "--oidc-audience asks for another".into(),
            _ => format!("set it {}", self.fixed()),
        };
        Ok(Identity { claims: identity.claims, place: self.place(), is_lasting: self.is_lasting(), other_audience, problems })
    }

    /// Where its audience is set, in words that follow "set it".
    fn fixed(&self) -> &'static str {
        match self {
            Self::Once { audience, .. } => audience,
            _ => BY_WHOEVER,
        }
    }

    fn problems(&self, identity: &IdentityToken, wanted: Option<&str>, asking: &Asking<'_>) -> Vec<Error> {
        let problems = identity.problems(&self.place(), wanted, self.fixed(), (asking.now)().into()).into_iter();
        let explained = problems.map(|error| match self {
            Self::Once { .. } if error.to_string().contains(EXPIRED) => error.with_advice(
                "It can't be asked for again here: a token that must outlive it needs an --expiry of its own, or a refresh token (--refreshable).",
            ),
            _ => error,
        });
        explained.collect()
    }

    async fn ask(&self, asking: &Asking<'_>) -> Result<IdentityToken> {
        self.check()?;
        let token = match self {
            Self::File(given, _) => read_token(given)?,
            Self::Once { token, .. } | Self::Ci(IdToken::Variable { token, .. }) => token.clone(),
            Self::Command(given) => printed(asking, os::shell(&given.text), &given.source.to_string(), "").await?,
            Self::Ci(IdToken::Run { command: words, help }) => {
                let mut words = words.iter();
                let program = words.next().map(String::as_str).unwrap_or_default();
                let mut command = std::process::Command::new(program);
                command.args(words);
                printed(asking, command, program, help).await?
            }
            Self::Ci(IdToken::Fetch(request)) => {
                let origin = origin(request, asking.insecure_http)?;
                asking.with_client(&origin, async |client| client.identity_token(request).await).await?
            }
            Self::Ci(IdToken::Unavailable(_)) => return Err(Error::new(Kind::NoCredential, "there is no identity token", "")),
        };
        asking.mask([&token])?;
        IdentityToken::new(token, &self.place())
    }
}

const SET_BY_THE_CI: &str = "The CI itself sets it: let nothing change it, such as the env of the step or of the job.";

/// The identity token in a file.
fn read_token(given: &InputValue) -> Result<Secret> {
    let text = read_file(given, WHAT)?;
    token(given, &text, &format!("the {WHAT} in {}", shown(&given.text)), &format!("Name a file that holds one whole {WHAT}."))
}

/// The origin of the CI's own service.
fn origin(request: &IdTokenRequest, insecure_http: bool) -> Result<PlatformUrl> {
    let wrong = |why: &str, help: &str| {
        let what = format!("{}, the CI's address for identity tokens, {why}", request.variables.first().unwrap_or(&"the CI's"));
        Error::new(Kind::NoCredential, what, help)
    };
    let url = Url::parse(&request.url).map_err(|_| wrong("is not a URL", SET_BY_THE_CI))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("holds a user or a password", SET_BY_THE_CI));
    }
    let given = InputValue { text: url.origin().ascii_serialization(), source: Source::Named("the CI".into()) };
    PlatformUrl::new(&given, insecure_http).map_err(|error| match url.scheme() {
        "http" => wrong("is plain http to another machine", error.help()),
        _ => wrong("does not begin with https://", SET_BY_THE_CI),
    })
}

/// The identity token that a command prints. `hint`: what else to do where it fails.
async fn printed(asking: &Asking<'_>, command: std::process::Command, name: &str, hint: &str) -> Result<Secret> {
    let printed = command::run(asking, command, name, LIMIT).await?;
    let fail = |why: String| {
        let help = format!("It must print one {WHAT} and nothing else. {hint}");
        Error::new(Kind::NoCredential, format!("{name} {why}"), help.trim_end())
    };
    if !printed.status.success() {
        return Err(fail(printed.failure(&[])));
    }
    Secret::new(&printed.output).map_err(|why| fail(format!("printed no {WHAT}: the output {why}")))
}

/// An identity token and what it says.
pub struct IdentityToken {
    /// The token.
    pub token: Secret,
    header: Claims,
    /// Its claims, which nobody has verified.
    pub claims: Claims,
}

/// What a job's identity token says. It holds nothing of the token but its claims.
pub struct Identity {
    /// Its claims, which nobody has verified.
    pub claims: Claims,
    /// Where it came from.
    pub place: String,
    /// Whether another one can be asked for.
    pub is_lasting: bool,
    /// How to give it another audience.
    pub other_audience: String,
    /// Why the platform would refuse it, as far as that shows without the issuer's keys.
    pub problems: Vec<Error>,
}

impl IdentityToken {
    /// Reads its claims. `place` is where it came from.
    ///
    /// # Errors
    /// Fails if it is not a JWT.
    pub fn new(token: Secret, place: &str) -> Result<Self> {
        match (header(&token), claims(&token)) {
            (Some(header), Some(claims)) => Ok(Self { token, header, claims }),
            _ => Err(bad(place, "is not a JWT", "It has three parts in base64, with dots between them.")),
        }
    }

    /// Why the platform would refuse it, as far as that shows without the issuer's keys. `place` is where it came from, `wanted` the audience
    /// that was asked for, `fixed` where its audience is set.
    pub fn problems(&self, place: &str, wanted: Option<&str>, fixed: &str, now: Timestamp) -> Vec<Error> {
        let mut problems = Vec::new();
        let mut wrong = |why: &str, help: &str| problems.push(bad(place, why, help));
        let algorithm = self.header.get("alg").and_then(Value::as_str).unwrap_or_default();
        if algorithm.eq_ignore_ascii_case("none") || self.token.expose().ends_with('.') {
            wrong("is not signed", "Anybody could have written it. Take the one that the CI made.");
        }
        if self.text("iss").starts_with("jfac@") || self.text("iss").starts_with("jfrt@") {
            wrong("is an access token of a JFrog platform", "Give that by JF_ACCESS_TOKEN or --access-token-file.");
        }
        if let Some(end) = self.time("exp").filter(|end| end.after(SKEW) < now) {
            let help = "Take a fresh one: it is meant to be used at once. If it is fresh, set this machine's clock.";
            wrong(&format!("{EXPIRED} {} ago", in_words(now.since(end))), help);
        }
        if let Some(start) = self.time("nbf").filter(|start| now.after(SKEW) < *start) {
            wrong(&format!("is not valid for another {}", in_words(start.since(now))), "Set this machine's clock, or the issuer's.");
        }
        let audiences = audiences(&self.claims);
        if let Some(wanted) = wanted.filter(|wanted| !audiences.contains(wanted)) {
            let what = format!("is for the audience '{}', not for '{}'", shown(&audiences.join(" ")), shown(wanted));
            wrong(&what, &format!("It can't be chosen here: set it {fixed}, or leave --oidc-audience out."));
        }
        problems
    }

    /// A claim that is a text.
    pub fn text(&self, name: &str) -> &str {
        self.claims.get(name).and_then(Value::as_str).unwrap_or_default()
    }

    fn time(&self, name: &str) -> Option<Timestamp> {
        seconds(&self.claims, name).map(Timestamp::from_secs)
    }

    /// What one needs to know to mend an identity mapping: who issued it for whom, and the CI's own claims.
    pub fn summary(&self, ci: &[&str]) -> String {
        let shown_claim = |name: &&str| Some(format!("{name}={}", claims::shown(self.claims.get(*name)?)));
        ["iss", "aud", "sub"].iter().chain(ci).filter_map(shown_claim).collect::<Vec<_>>().join(", ")
    }
}

fn bad(place: &str, why: &str, help: &str) -> Error {
    Error::new(Kind::NoCredential, format!("the identity token in {place} {why}"), help)
}
