//! The CI's identity token as the credential: exchanged at one of the platform's OIDC providers for an access token, which is handed over, or
//! mints another one if something was asked for that only a mint can give.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redact::Secret;

use super::identity_token::{IdentitySource, IdentityToken};
use super::{Asked, Asking, Credential, CredentialPlace, CredentialSource, Issuing, KindOfCredential};
use crate::api::claims::{claims, seconds};
use crate::api::{Auth, ExchangeRequest, IssuedToken, PlatformUrl, TokenRequest, project_key};
use crate::ci::JobContext;
use crate::error::{Error, Kind, Result};
use crate::io::clock::Timestamp;
use crate::options::table::{
    APPLICATION_KEY, OIDC_AUDIENCE, OIDC_IDENTITY_MAPPING, OIDC_PROVIDER, OIDC_PROVIDER_TYPE, OIDC_TOKEN_COMMAND, OIDC_TOKEN_FILE,
    OIDC_TOKEN_ID, OIDC_TOKEN_STDIN, OIDC_TOKEN_VAR, Opt, REPOSITORY,
};
use crate::options::{InputValue, Source, shown};

pub const KIND: KindOfCredential = KindOfCredential {
    name: "an OIDC provider",
    named_by: &[&OIDC_PROVIDER],
    details: &[
        &OIDC_AUDIENCE,
        &OIDC_PROVIDER_TYPE,
        &OIDC_IDENTITY_MAPPING,
        &OIDC_TOKEN_FILE,
        &OIDC_TOKEN_STDIN,
        &OIDC_TOKEN_COMMAND,
        &OIDC_TOKEN_VAR,
        &OIDC_TOKEN_ID,
        &REPOSITORY,
        &APPLICATION_KEY,
    ],
    unnamed: super::never,
    brings_platform: false,
    find,
};

/// An exchanged token that has less than this left is not used for another request.
const SHORTEST: Duration = Duration::from_secs(10);
/// An exchanged token that lives longer is revoked once it is not needed any more; others are left to end.
const LEFT_TO_END: Duration = Duration::from_secs(600);

struct Oidc {
    request: ExchangeRequest,
    /// Whether the user asked for something that only a mint can give.
    mints: bool,
    source: IdentitySource,
    /// The claims to show when the platform refuses.
    claims: &'static [&'static str],
    /// The exchanged token, while it is good for more requests.
    exchanged: Mutex<Option<IssuedToken>>,
    /// What the last identity token said of itself.
    said: Mutex<String>,
}

fn find(place: &mut CredentialPlace) -> Result<Credential> {
    let options = &place.options.credential;
    let Some(provider) = options.get(&OIDC_PROVIDER) else { return Err(super::report::none(place)) };
    let text = |option: &Opt| options.get(option).map(|given| given.text.clone());
    let of_jf = |name: &str| place.environment.get(name).ok().flatten().map(str::to_owned);
    let token = &place.options.token;
    let mints = token.needs_a_mint();
    let or_jfs = |given: Option<&InputValue>, name: &str| {
        given.cloned().or_else(|| Some(InputValue { text: of_jf(name)?, source: Source::Variable(name.into()) }))
    };
    let job = of_the_job(place.ci.job_context(), &of_jf);
    let request = ExchangeRequest {
        provider_name: name(provider)?,
        project_key: or_jfs(token.project.as_ref(), "JFROG_CLI_BUILD_PROJECT").as_ref().map(project_key).transpose()?,
        application_key: text(&APPLICATION_KEY).or_else(|| of_jf("JFROG_CLI_APPLICATION_KEY")),
        provider_type: or_jfs(options.get(&OIDC_PROVIDER_TYPE), "JFROG_CLI_OIDC_PROVIDER_TYPE").as_ref().map(provider_type).transpose()?,
        audience: text(&OIDC_AUDIENCE),
        identity_mapping_name: text(&OIDC_IDENTITY_MAPPING),
        include_reference_token: token.reference && !mints,
        repo: text(&REPOSITORY).or_else(|| job.repo.clone()),
        ..job
    };
    options.get(&OIDC_IDENTITY_MAPPING).map(|mapping| super::reading::check_replaced(mapping, &mapping.text)).transpose()?;
    let source = provider.source.clone();
    let oidc = Oidc::new(request, mints, place)?;
    Ok(Credential { from: Box::new(oidc), kind: &KIND, source })
}

/// The types that jf takes, in any case. `Generic OpenID Connect` is what another of JFrog's programs sends.
const PROVIDER_TYPES: [&str; 4] = ["GitHub", "Azure", "GenericOidc", "Generic OpenID Connect"];

fn provider_type(given: &InputValue) -> Result<String> {
    let known = PROVIDER_TYPES.into_iter().find(|known| known.eq_ignore_ascii_case(given.text.trim()));
    let unknown = || given.wrong(format!("'{}' is no type of a provider", shown(&given.text)), "Use GitHub, Azure or GenericOidc.");
    known.map(str::to_owned).ok_or_else(unknown)
}

/// jf's variables for the job override what the CI says.
fn of_the_job(context: JobContext, of_jf: &dyn Fn(&str) -> Option<String>) -> ExchangeRequest {
    ExchangeRequest {
        job_id: of_jf("JFROG_CLI_CI_JOB_ID").or(context.job),
        run_id: of_jf("JFROG_CLI_CI_RUN_ID").or(context.run),
        repo: of_jf("JFROG_CLI_CI_VCS_URL").or(context.repository),
        revision: of_jf("JFROG_CLI_CI_VCS_REVISION").or(context.revision),
        branch: of_jf("JFROG_CLI_CI_BRANCH").or(context.branch),
        ..ExchangeRequest::default()
    }
}

fn name(given: &InputValue) -> Result<String> {
    let name = given.text.trim();
    super::reading::check_replaced(given, name)?;
    if name.is_empty() || name.contains(|c: char| c.is_control() || c == '/') {
        return Err(given.wrong(format!("'{}' is not the name of a provider", shown(name)), "Give the name that the platform lists."));
    }
    Ok(name.to_owned())
}

/// The credential of a session whose token came by this exchange.
pub fn remembered(exchange: &ExchangeRequest, place: &mut CredentialPlace) -> Option<Credential> {
    let source = IdentitySource::of_the_ci(place, exchange.audience.as_deref());
    source.check().ok()?;
    let oidc = Oidc::with(exchange.clone(), false, source, place);
    Some(Credential { from: Box::new(oidc), kind: &KIND, source: Source::Variable(OIDC_PROVIDER.variable.into()) })
}

impl Oidc {
    fn new(request: ExchangeRequest, mints: bool, place: &mut CredentialPlace) -> Result<Self> {
        let source = IdentitySource::find(place, request.audience.as_deref())?;
        Ok(Self::with(request, mints, source, place))
    }

    fn with(request: ExchangeRequest, mints: bool, source: IdentitySource, place: &CredentialPlace) -> Self {
        Self { request, mints, source, claims: place.ci.claims(), exchanged: Mutex::default(), said: Mutex::default() }
    }

    async fn identity(&self, asking: &Asking<'_>) -> Result<IdentityToken> {
        let identity = self.source.token(self.request.audience.as_deref(), asking).await?;
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = identity.summary(self.claims);
        Ok(identity)
    }

    /// The exchanged token, a new one if the last has no time left.
    async fn exchange(&self, platform: &PlatformUrl, asking: &Asking<'_>) -> Result<Secret> {
        let now = Timestamp::from((asking.now)());
        let is_good = |token: &&IssuedToken| token.expires_at().is_none_or(|end| end.since(now) > SHORTEST);
        let last = self.exchanged().as_ref().filter(is_good).map(|token| token.access_token.clone());
        if let Some(token) = last {
            return Ok(token);
        }
        let identity = Auth::Identity(self.identity(asking).await?.token);
        let exchanged = asking.with_client(platform, async |client| client.exchange(&self.request, &identity).await).await;
        let exchanged = exchanged.map_err(|error| self.explain_exchange(error))?;
        asking.mask(exchanged.secrets())?;
        let token = exchanged.access_token.clone();
        *self.exchanged() = Some(exchanged);
        Ok(token)
    }

    fn exchanged(&self) -> std::sync::MutexGuard<'_, Option<IssuedToken>> {
        self.exchanged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the platform's refusal of an exchange means. What no mapping matches is answered with is a guess.
    fn explain_exchange(&self, error: Error) -> Error {
        if error.kind() != Kind::Refused {
            return error;
        }
        let provider = shown(&self.request.provider_name);
        let words = error.to_string().to_lowercase();
        let mapping = self.request.identity_mapping_name.as_deref().map(shown);
        let help = match (error.status(), error.refusal().is_some()) {
            (Some(404), true) => format!(
                "The platform has no OIDC provider '{provider}'{}: its admins list them under Administration, Manage Integrations, OpenID Connect.",
                mapping.map(|name| format!(", or that has no identity mapping '{name}'")).unwrap_or_default()
            ),
            (Some(404 | 405), false) => {
                "Nothing there exchanges identity tokens: is the URL that of a JFrog platform, of version 7.77.3 (cloud 7.73.1) or later, whose plan has OpenID Connect?".into()
            }
            (Some(400), _) if words.contains("audience") => format!(
                "The provider '{provider}' wants another audience: compare it with aud below, and set either there or by --oidc-audience."
            ),
            _ if words.contains("expired") => "The identity token is meant to be used at once: take a fresh one. If it is fresh, compare the clocks.".into(),
            (Some(402), _) => "The platform's plan may not have OpenID Connect.".into(),
            _ => format!(
                "Check that the provider '{provider}' is for the issuer below, and that the claims of {} match; jf-token identity --mapping NAME writes one that would.",
                mapping.map_or_else(|| "an identity mapping".into(), |name| format!("its identity mapping '{name}'"))
            ),
        };
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let error = error.with_help(&help);
        if said.is_empty() { error } else { error.with_advice(&format!("The identity token says: {said}.")) }
    }
}

impl CredentialSource for Oidc {
    fn secrets(&self) -> Vec<&Secret> {
        self.source.secrets()
    }

    fn hidden_variables(&self) -> Vec<&str> {
        self.source.variables()
    }

    fn check(&self, _asking: &Asking<'_>) -> Result<()> {
        self.source.check()
    }

    fn authenticate<'a>(&'a self, platform: &'a PlatformUrl, asking: &'a Asking<'a>) -> Asked<'a, Auth> {
        Box::pin(async { Ok(Auth::Bearer(self.exchange(platform, asking).await?)) })
    }

    fn identify<'a>(&'a self, asking: &'a Asking<'a>) -> Asked<'a, Auth> {
        Box::pin(async { Ok(Auth::Identity(self.identity(asking).await?.token)) })
    }

    fn release(&self) -> Option<IssuedToken> {
        self.exchanged().take_if(|token| token.expires_in.is_none_or(|life| life > LEFT_TO_END))
    }

    fn issuing(&self, wanted: TokenRequest) -> Issuing {
        let exchange = self.request.clone();
        if self.mints { Issuing::ExchangeAndMint { exchange, mint: wanted } } else { Issuing::Exchange(exchange) }
    }

    fn ends(&self) -> Option<(String, Timestamp)> {
        let IdentitySource::Once { place, token, .. } = &self.source else { return None };
        let end = seconds(&claims(token)?, "exp")?;
        Some((place.clone(), Timestamp::from_secs(end)))
    }

    fn explain(&self, error: Error, issuing: &Issuing) -> Error {
        match issuing {
            Issuing::Exchange(_) => self.explain_exchange(error),
            _ if error.status() == Some(400) && error.to_string().contains("Invalid formatted name") => {
                error.with_help("The identity mapping names no user, and only a user's token can mint another: leave out what only a mint has (such as expiry), or have an admin give the mapping a username.")
            }
            _ if error.status() == Some(403) => error.with_help(
                "The user of the identity mapping may not ask for that: only an admin may ask for another user, for groups or for admin rights. Leave those options out, and the token has what the identity mapping gives.",
            ),
            _ => error,
        }
    }

    fn for_keeper(&self) -> Option<(&'static str, &str)> {
        match &self.source {
            IdentitySource::Once { token, .. } => Some(("--oidc-token-stdin", token.expose())),
            _ => None,
        }
    }
}
