//! The credential: what proves who the job is. One file per kind, one line in `KINDS`.

mod access_token;
mod certificate;
mod command;
mod identity_token;
mod issuing;
mod jf_configuration;
pub mod mapping;
mod oidc;
mod reading;
mod report;
mod ssh;

use std::io::Read;
use std::path::PathBuf;
use std::pin::Pin;
use std::rc::Rc;
use std::time::SystemTime;

use redact::Secret;

use crate::api::{Auth, Client, Clients, InFlight, IssuedToken, Limits, PlatformUrl, Route, TokenRequest, Transport};
use crate::ci::{Ci, Extent, Masking};
use crate::error::{Error, Kind, Result};
use crate::io::clock::Timestamp;
use crate::io::{Console, Environment};
use crate::options::{CredentialOptions, InputValue, Options, Source, table};

pub use identity_token::{Identity, IdentitySource};
pub use issuing::Issuing;
pub use ssh::answer_ssh;

/// Where a credential is looked for.
pub struct CredentialPlace<'p> {
    /// What was asked for.
    pub options: &'p Options,
    /// The environment variables.
    pub environment: &'p Environment,
    /// The CI.
    pub ci: &'p dyn Ci,
    /// Whether this is a CI's job, or our GitHub Action.
    pub in_job: bool,
    /// Whether this is a step of our own action.
    pub in_action: bool,
    /// Standard input.
    pub stdin: &'p mut dyn Read,
}

/// What a credential asks with that is not at hand.
pub struct Asking<'c> {
    /// The environment variables.
    pub environment: &'c Environment,
    /// Where to print.
    pub console: &'c Console,
    /// How the platform is reached, or what is wrong with it.
    pub transport: Result<&'c Transport>,
    /// The platform that was given.
    pub given: Option<PlatformUrl>,
    /// The HTTP clients of the process.
    pub clients: &'c Clients,
    /// The clock.
    pub now: fn() -> SystemTime,
    /// How long to try.
    pub limits: Limits,
    /// The requests on their way.
    pub in_flight: Rc<InFlight>,
    /// Whether to show the requests.
    pub verbose: bool,
    /// Whether plain http to another machine is allowed.
    pub insecure_http: bool,
    /// The CI.
    pub ci: &'c dyn Ci,
    /// What the job's log was told to hide.
    pub masking: &'c Masking,
    /// What a server may know from an earlier command, and repeat.
    pub known: Vec<&'c Secret>,
}

impl Asking<'_> {
    /// The way to a platform or service.
    ///
    /// # Errors
    /// Fails if something that was given for the way is wrong.
    pub fn route<'r>(&'r self, url: &'r PlatformUrl) -> Result<Route<'r>> {
        let transport = self.transport.as_ref().copied().map_err(Clone::clone)?;
        Ok(Route { transport, url, is_given: self.given.as_ref() == Some(url) })
    }

    /// Makes the job's log hide what was asked for and is no token of the session's.
    ///
    /// # Errors
    /// Fails if it might not be hidden.
    pub fn mask<'s>(&self, secrets: impl IntoIterator<Item = &'s Secret>) -> Result<()> {
        self.masking.tell(self.ci, self.console, secrets.into_iter(), Extent::Whole)
    }

    /// Runs `work` with a client for this platform, or another service.
    ///
    /// # Errors
    /// Fails as `work` does, or if the client can't be set up.
    pub async fn with_client<T>(&self, platform: &PlatformUrl, work: impl AsyncFnOnce(&Client<'_>) -> Result<T>) -> Result<T> {
        let http = self.clients.http(self.route(platform)?, self.environment, self.console, self.now)?;
        let client = Client::new(&http, platform, self.limits, self.console, self.verbose, self.in_flight.clone());
        client.expect(self.known.iter().copied());
        work(&client).await
    }
}

/// A kind of credential.
struct KindOfCredential {
    /// What to call it in a message: `an access token`.
    name: &'static str,
    /// The options of which one names this kind.
    named_by: &'static [&'static table::Opt],
    /// The options that say more about it.
    details: &'static [&'static table::Opt],
    /// Where one is that no option names. It counts only if no option names a credential.
    unnamed: fn(&CredentialPlace) -> Option<Source>,
    /// Whether it brings the platform's address.
    brings_platform: bool,
    /// Reads it.
    find: fn(&mut CredentialPlace) -> Result<Credential>,
}

/// Every kind of credential but the last resort.
const KINDS: [&KindOfCredential; 4] = [&access_token::KIND, &oidc::KIND, &jf_configuration::KIND, &ssh::KIND];

/// Each kind, and the options that name it.
pub fn kinds() -> Vec<(&'static str, Vec<&'static table::Opt>)> {
    KINDS.into_iter().chain([&certificate::KIND]).map(|kind| (kind.name, kind.named_by.to_vec())).collect()
}

/// For kinds that count only if an option names one.
fn never(_place: &CredentialPlace) -> Option<Source> {
    None
}

impl KindOfCredential {
    /// The option that names this kind, the one of the highest precedence.
    fn named<'o>(&self, options: &'o CredentialOptions) -> Option<&'o InputValue> {
        self.named_by.iter().filter_map(|option| options.get(option)).min_by_key(|given| given.source.rank())
    }
}

/// The answer to something that has to be asked for.
type Asked<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + 'a>>;

/// A credential and its source. A process looks for it only once, because a pipe can't be read twice.
pub struct Credential {
    from: Box<dyn CredentialSource>,
    kind: &'static KindOfCredential,
    /// The option that gave it.
    pub source: Source,
}

/// One kind of credential.
trait CredentialSource: Send + Sync {
    /// What of it is at hand that nothing may print, and no started program may get.
    fn secrets(&self) -> Vec<&Secret>;

    /// The variables besides the options' own that a started program must not inherit.
    fn hidden_variables(&self) -> Vec<&str> {
        Vec::new()
    }

    /// The access token at hand, if it is one.
    fn token(&self) -> Option<&Secret> {
        None
    }

    /// The platform to ask, if this kind brings its address and that is known by now. It takes the place of the address that was given.
    fn platform(&self) -> Option<PlatformUrl> {
        None
    }

    /// The user that a token is for where none was asked for; `None`: the platform decides.
    fn user(&self) -> Option<&str> {
        None
    }

    /// The files of a client certificate and its key that come with it.
    fn client_certificate(&self) -> Option<(PathBuf, PathBuf)> {
        None
    }

    /// What requests prove themselves with, if nobody has to be asked for it.
    fn at_hand(&self) -> Option<Auth> {
        self.token().cloned().map(Auth::Bearer)
    }

    /// Checks, before anything is created, that it can be asked for.
    fn check(&self, _asking: &Asking<'_>) -> Result<()> {
        Ok(())
    }

    /// Asks for that platform, if nothing but this knows it.
    fn locate<'a>(&'a self, asking: &'a Asking<'a>) -> Asked<'a, ()> {
        let _ = asking;
        Box::pin(std::future::ready(Ok(())))
    }

    /// What requests to this platform prove themselves with. Some kinds have to ask for it first; one that can name a platform refuses another.
    fn authenticate<'a>(&'a self, platform: &'a PlatformUrl, asking: &'a Asking<'a>) -> Asked<'a, Auth>;

    /// What an exchange proves itself with.
    fn identify<'a>(&'a self, asking: &'a Asking<'a>) -> Asked<'a, Auth> {
        let _ = asking;
        Box::pin(std::future::ready(Err(Error::new(Kind::NoCredential, "the credential here is no identity token", ""))))
    }

    /// Gives up the token that it asked for on the way, if that would live for long.
    fn release(&self) -> Option<IssuedToken> {
        None
    }

    /// How a token is issued by this credential, and issued again.
    fn issuing(&self, wanted: TokenRequest) -> Issuing {
        Issuing::Mint(wanted)
    }

    /// Until when it can be used again, if that is known, and where it is.
    fn ends(&self) -> Option<(String, Timestamp)> {
        None
    }

    /// Adds to a refusal what only this kind knows about it.
    fn explain(&self, error: Error, _issuing: &Issuing) -> Error {
        error
    }

    /// The secret that a keeper gets by its standard input, and the flag that says so.
    fn for_keeper(&self) -> Option<(&'static str, &str)> {
        None
    }
}

impl Credential {
    /// What of it is at hand that nothing may print, and no started program may get.
    #[must_use]
    pub fn secrets(&self) -> Vec<&Secret> {
        self.from.secrets()
    }

    /// The access token at hand, if it is one.
    #[must_use]
    pub fn token(&self) -> Option<&Secret> {
        self.from.token()
    }

    /// The platform to ask, if the credential brings its address and that is known by now.
    #[must_use]
    pub fn platform(&self) -> Option<PlatformUrl> {
        self.from.platform()
    }

    /// The user that a token is for where none was asked for; `None`: the platform decides.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.from.user()
    }

    /// The files of a client certificate and its key that come with it.
    #[must_use]
    pub fn client_certificate(&self) -> Option<(PathBuf, PathBuf)> {
        self.from.client_certificate()
    }

    /// The variables besides the options' own that a started program must not inherit.
    #[must_use]
    pub fn hidden_variables(&self) -> Vec<&str> {
        self.from.hidden_variables()
    }

    /// Checks, before anything is created, that it can be asked for.
    ///
    /// # Errors
    /// Fails if it can't.
    pub fn check(&self, asking: &Asking<'_>) -> Result<()> {
        self.from.check(asking)
    }

    /// Whether this option can name its kind.
    #[must_use]
    pub fn is_named_by(&self, option: &table::Opt) -> bool {
        self.kind.named_by.iter().any(|own| own.name == option.name)
    }

    /// Asks for that platform, if nothing but this credential knows it.
    ///
    /// # Errors
    /// Fails if there is no answer.
    pub async fn locate(&self, asking: &Asking<'_>) -> Result<()> {
        self.from.locate(asking).await
    }

    /// What requests to this platform prove themselves with. It may be a token that has to be asked for: then only for what can't be done
    /// without.
    ///
    /// # Errors
    /// Fails if it had to be asked for and was not given.
    pub async fn authenticate(&self, platform: &PlatformUrl, asking: &Asking<'_>) -> Result<Auth> {
        self.from.authenticate(platform, asking).await
    }

    /// What requests prove themselves with, if nobody has to be asked for it.
    #[must_use]
    pub fn at_hand(&self) -> Option<Auth> {
        self.from.at_hand()
    }

    /// Whether it counts only where there is no other: the client certificate, which may be there for TLS alone.
    #[must_use]
    pub fn is_last_resort(&self) -> bool {
        self.kind.name == certificate::KIND.name
    }

    /// Whether it is an identity token that is exchanged.
    #[must_use]
    pub fn exchanges(&self) -> bool {
        self.kind.name == oidc::KIND.name
    }

    /// How a token is issued by this credential, and issued again.
    #[must_use]
    pub fn issuing(&self, wanted: TokenRequest) -> Issuing {
        self.from.issuing(wanted)
    }

    /// Issues a token.
    ///
    /// # Errors
    /// Fails if none came back.
    pub async fn issue(&self, issuing: &Issuing, platform: &PlatformUrl, asking: &Asking<'_>, client: &Client<'_>) -> Result<IssuedToken> {
        let issued = match issuing {
            Issuing::Exchange(wanted) => client.exchange(wanted, &self.from.identify(asking).await?).await,
            Issuing::Mint(wanted) | Issuing::ExchangeAndMint { mint: wanted, .. } => {
                let auth = self.from.authenticate(platform, asking).await?;
                client.mint(wanted, &auth).await
            }
        };
        issued.map_err(|error| self.from.explain(error, issuing))
    }

    /// Gives up the token that it asked for on the way, if that would live for long. Somebody has to end it.
    #[must_use]
    pub fn release(&self) -> Option<IssuedToken> {
        self.from.release()
    }

    /// What it is, what gave it, and what else was given that comes after it.
    #[must_use]
    pub fn because(&self, options: &CredentialOptions) -> String {
        let others = in_order(options).filter(|(kind, _)| kind.name != self.kind.name);
        let others: Vec<_> = others.map(|(_, given)| given.source.to_string()).collect();
        let before = if others.is_empty() { String::new() } else { format!(", which comes before {}", others.join(" and ")) };
        let given = match &self.source {
            Source::Configuration => "is its default".into(),
            source => format!("{source} gives"),
        };
        format!("{} that {given}{before}", self.kind.name)
    }

    /// Until when it can be used again, if that is known, and where it is.
    #[must_use]
    pub fn ends(&self) -> Option<(String, Timestamp)> {
        self.from.ends()
    }

    /// The secret that a keeper gets by its standard input, and the flag that says so.
    #[must_use]
    pub fn for_keeper(&self) -> Option<(&'static str, &str)> {
        self.from.for_keeper()
    }

    /// The variables that a keeper needs: the options of this kind as they were given, and what else it asks with. No variable holds what it
    /// gets by its standard input.
    #[must_use]
    pub fn variables_for_keeper(&self, options: &CredentialOptions, environment: &Environment) -> Vec<(String, String)> {
        if self.is_last_resort() {
            // It gets the client certificate in any case.
            return Vec::new();
        }
        let ours = |option: &table::Opt| self.kind.named_by.iter().chain(self.kind.details).any(|own| own.name == option.name);
        let names_it = [table::ACCESS_TOKEN.name, table::OIDC_TOKEN_ID.name, table::SERVER_ID.name, table::SSH_PASSPHRASE.name];
        let by_stdin = |option: &table::Opt| option.name.ends_with("-stdin") || names_it.contains(&option.name);
        let given = options.given.iter().filter(|(option, _)| ours(option) && !by_stdin(option));
        let given = given.map(|(option, given)| (option.variable.into(), given.text.clone()));
        let asks = self.for_keeper().is_none();
        let asked_with = self.hidden_variables().into_iter().filter(|_| asks);
        let asked_with = asked_with.filter_map(|name| Some((name.into(), environment.os(name)?.into_string().ok()?)));
        given.chain(asked_with).collect()
    }
}

/// The kinds that are given with the highest precedence, each with its source. More than one is a conflict.
fn given(place: &CredentialPlace) -> Vec<(&'static KindOfCredential, Source)> {
    let named = |kind: &'static KindOfCredential| Some((kind, kind.named(&place.options.credential)?.source.clone()));
    let mut given: Vec<_> = KINDS.into_iter().filter_map(named).collect();
    if given.is_empty() {
        given = KINDS.into_iter().filter_map(|kind| Some((kind, (kind.unnamed)(place)?))).collect();
    }
    let is_default = |(_, source): &(_, Source)| *source == Source::Configuration;
    if given.iter().all(is_default)
        && let Some(source) = certificate::given(&place.options.credential)
    {
        return vec![(&certificate::KIND, source)];
    }
    let highest = given.iter().map(|(_, source)| source.rank()).min();
    given.retain(|(_, source)| Some(source.rank()) == highest);
    given
}

/// Whether the credential that is given is of a kind that brings the platform's address. Reads no credential.
#[must_use]
pub fn brings_platform(place: &CredentialPlace) -> bool {
    given(place).iter().any(|(kind, _)| kind.brings_platform)
}

/// The credential that is given, if any. A flag beats an input, which beats a variable; one that was named and is wrong is an error, and the
/// next is not tried. jf's configuration that nobody named is none if it is wrong.
///
/// # Errors
/// Fails if it is invalid, or if two kinds of the same precedence are given.
pub fn find(place: &mut CredentialPlace) -> Result<Option<Credential>> {
    let given = given(place);
    let Some((kind, first)) = given.first() else { return Ok(None) };
    if let Some((other, second)) = given.get(1) {
        let what = format!("{first} gives {}, and {second} gives {}: which one is the credential?", kind.name, other.name);
        let help = format!("Give one of them, or name the one that is meant by a flag. {}", report::looked_for(place));
        return Err(Error::input(what, help));
    }
    match (kind.find)(place) {
        Err(_) if *first == Source::Configuration => Ok(None),
        found => found.map(Some),
    }
}

/// Refuses a part of a credential, by a flag or an input, where nothing names a credential of that kind: another would be used.
///
/// # Errors
/// Fails if there is one.
pub fn check_parts(options: &CredentialOptions) -> Result<()> {
    for kind in KINDS.into_iter().filter(|kind| kind.named(options).is_none()) {
        let mut given = kind.details.iter().filter_map(|option| options.get(option));
        if let Some(part) = given.find(|given| !matches!(given.source, Source::Variable(_))) {
            let names: Vec<_> = kind.named_by.iter().map(|option| option.name).collect();
            return Err(
                part.wrong(format!("is a part of {}, and nothing names one", kind.name), format!("Give {} too.", names.join(" or ")))
            );
        }
    }
    Ok(())
}

/// Why there is no credential: jf's configuration that nobody named may be wrong.
#[must_use]
pub fn missing(place: &mut CredentialPlace) -> Error {
    unusable(place).unwrap_or_else(|| report::none(place))
}

/// Why jf's configuration that nobody named does not count; `None` if it does, or there is none.
#[must_use]
pub fn unusable(place: &mut CredentialPlace) -> Option<Error> {
    let given = given(place);
    let (kind, _) = given.first().filter(|(_, source)| *source == Source::Configuration)?;
    (kind.find)(place).err()
}

/// The files that may hold the credential.
pub fn files(options: &CredentialOptions, environment: &Environment) -> impl Iterator<Item = PathBuf> {
    options.files().map(|given| PathBuf::from(&given.text)).chain(jf_configuration::files(environment))
}

/// The kinds that the options name, the one of the highest precedence first.
fn in_order(options: &CredentialOptions) -> impl Iterator<Item = (&'static KindOfCredential, &InputValue)> {
    let named = move || KINDS.into_iter().filter_map(|kind| Some((kind, kind.named(options)?)));
    // An option is a flag, an input or a variable.
    (0..=2).flat_map(move |rank| named().filter(move |(_, given)| given.source.rank() == rank))
}

/// Where the job's identity token comes from, for who only wants to know what it says: no provider need be named.
///
/// # Errors
/// Fails if it was named and can't be read.
pub fn identity_source(place: &mut CredentialPlace) -> Result<IdentitySource> {
    let audience = place.options.credential.get(&table::OIDC_AUDIENCE).map(|given| given.text.as_str());
    IdentitySource::find(place, audience)
}

/// The access token that the options give, if any, also beside another kind of credential.
///
/// # Errors
/// Fails if it is invalid.
pub fn access_token(place: &mut CredentialPlace) -> Result<Option<Credential>> {
    let options = &place.options.credential;
    let stdin = |option| options.get(option);
    if let (Some(given), Some(other)) = (stdin(&table::ACCESS_TOKEN_STDIN), stdin(&table::OIDC_TOKEN_STDIN)) {
        return Err(given.wrong(format!("{} reads standard input too", other.source), "Give one of the two by a file or a variable."));
    }
    if access_token::KIND.named(options).is_none() {
        return Ok(None);
    }
    (access_token::KIND.find)(place).map(Some)
}

/// The credential by which a token of this session was issued, where the options name none: it can be asked for again if the CI itself vouches
/// for the job.
#[must_use]
pub fn remembered(issuing: &Issuing, place: &mut CredentialPlace) -> Option<Credential> {
    oidc::remembered(issuing.exchange()?, place)
}
