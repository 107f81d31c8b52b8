//! The credential: what proves who the job is. One file per kind, one line in `KINDS`.

mod access_token;
mod certificate;
mod command;
mod identity_token;
mod oidc;

use std::ffi::OsString;
use std::io::Read;
use std::pin::Pin;
use std::time::SystemTime;

use redact::Secret;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::api::{Auth, Client, Clients, ExchangeRequest, IssuedToken, Limits, PlatformUrl, Route, TokenRequest, Transport};
use crate::ci::Ci;
use crate::error::{Error, Kind, Result};
use crate::io::clock::Timestamp;
use crate::io::{Console, Environment};
use crate::options::{CredentialOptions, InputValue, Options, Source, shown, table};

/// Where a credential is looked for.
pub struct Place<'p> {
    /// What was asked for.
    pub options: &'p Options,
    /// The environment variables.
    pub environment: &'p Environment,
    /// The CI.
    pub ci: &'p dyn Ci,
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
    /// Whether to show the requests.
    pub verbose: bool,
    /// Whether plain http to another machine is allowed.
    pub insecure_http: bool,
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

    /// Runs `work` with a client for this platform, or another service.
    ///
    /// # Errors
    /// Fails as `work` does, or if the client can't be set up.
    pub async fn with_client<T>(&self, platform: &PlatformUrl, work: impl AsyncFnOnce(&Client<'_>) -> Result<T>) -> Result<T> {
        let http = self.clients.http(self.route(platform)?, self.environment, self.console, self.now)?;
        work(&Client::new(&http, platform, self.limits, self.console, self.verbose)).await
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
    /// Reads it.
    find: fn(&mut Place) -> Result<Credential>,
}

/// Every kind of credential but the last resort.
const KINDS: [&KindOfCredential; 2] = [&access_token::KIND, &oidc::KIND];

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

    /// What requests prove themselves with, if nobody has to be asked for it.
    fn at_hand(&self) -> Option<Auth> {
        self.token().cloned().map(Auth::Bearer)
    }

    /// Checks, before anything is created, that it can be asked for.
    fn check(&self, _asking: &Asking<'_>) -> Result<()> {
        Ok(())
    }

    /// What requests to this platform prove themselves with. Some kinds have to ask for it first.
    fn authenticate<'a>(&'a self, platform: &'a PlatformUrl, asking: &'a Asking<'a>) -> Asked<'a, Auth>;

    /// What an exchange proves itself with.
    fn identify<'a>(&'a self, asking: &'a Asking<'a>) -> Asked<'a, Auth> {
        let _ = asking;
        Box::pin(std::future::ready(Err(Error::new(Kind::NoCredential, "the credential here is no identity token", ""))))
    }

    /// Ends what it asked for on the way, if that would live for long.
    fn release<'a>(&'a self, _client: &'a Client<'a>) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
        Box::pin(std::future::ready(()))
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
    fn for_keeper(&self) -> Option<(&'static str, &Secret)> {
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
        self.from.release(client).await;
        issued.map_err(|error| self.from.explain(error, issuing))
    }

    /// Until when it can be used again, if that is known, and where it is.
    #[must_use]
    pub fn ends(&self) -> Option<(String, Timestamp)> {
        self.from.ends()
    }

    /// The secret that a keeper gets by its standard input, and the flag that says so.
    #[must_use]
    pub fn for_keeper(&self) -> Option<(&'static str, &Secret)> {
        self.from.for_keeper()
    }

    /// The variables that a keeper needs: the options of this kind as they were given, and what else it asks with. No variable holds what it
    /// gets by its standard input.
    #[must_use]
    pub fn variables_for_keeper(&self, options: &CredentialOptions, environment: &Environment) -> Vec<(OsString, OsString)> {
        if self.is_last_resort() {
            // It gets the client certificate in any case.
            return Vec::new();
        }
        let ours = |option: &table::Opt| self.kind.named_by.iter().chain(self.kind.details).any(|own| own.name == option.name);
        let by_stdin = |option: &table::Opt| option.name.ends_with("-stdin") || option.name == table::ACCESS_TOKEN.name;
        let given = options.given.iter().filter(|(option, _)| ours(option) && !by_stdin(option));
        let given = given.map(|(option, given)| (option.variable.into(), given.text.clone().into()));
        let asked_with = self.hidden_variables().into_iter().filter_map(|name| Some((name.into(), environment.os(name)?)));
        given.chain(asked_with).collect()
    }
}

/// How a token is issued. The session remembers it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Issuing {
    /// By `POST /access/api/v1/tokens`.
    Mint(TokenRequest),
    /// By `POST /access/api/v1/oidc/token`.
    Exchange(ExchangeRequest),
    /// By an exchange, whose token mints this one.
    ExchangeAndMint {
        /// What the identity token is exchanged for.
        exchange: ExchangeRequest,
        /// What is minted with that.
        mint: TokenRequest,
    },
}

impl Issuing {
    /// The same without `force_revocable`, for a platform that refuses it.
    #[must_use]
    pub fn without_force_revocable(&self) -> Self {
        let without = |wanted: &TokenRequest| TokenRequest { force_revocable: false, ..wanted.clone() };
        match self {
            Issuing::Mint(wanted) => Issuing::Mint(without(wanted)),
            Issuing::ExchangeAndMint { exchange, mint } => Issuing::ExchangeAndMint { exchange: exchange.clone(), mint: without(mint) },
            Issuing::Exchange(wanted) => Issuing::Exchange(wanted.clone()),
        }
    }

    /// The request for the token; `None` if nothing but an identity mapping says what it is.
    #[must_use]
    pub fn request(&self) -> Option<&TokenRequest> {
        match self {
            Issuing::Mint(wanted) | Issuing::ExchangeAndMint { mint: wanted, .. } => Some(wanted),
            Issuing::Exchange(_) => None,
        }
    }

    /// The exchange by which, or for which, it was issued.
    #[must_use]
    pub fn exchange(&self) -> Option<&ExchangeRequest> {
        match self {
            Issuing::Mint(_) => None,
            Issuing::Exchange(exchange) | Issuing::ExchangeAndMint { exchange, .. } => Some(exchange),
        }
    }

    /// Whether a token that is left behind ends soon by itself, so that it does little harm.
    #[must_use]
    pub fn ends_within_the_hour(&self) -> bool {
        self.request().is_none_or(TokenRequest::ends_within_the_hour)
    }
}

/// The credential that the options give, if any. A flag beats an input, which beats a variable; one that was named and is wrong is an error,
/// and the next is not tried. A client certificate is the credential if there is no other.
///
/// # Errors
/// Fails if it is invalid, or if two kinds of the same precedence are given.
pub fn find(place: &mut Place) -> Result<Option<Credential>> {
    let options = &place.options.credential;
    let mut named: Vec<_> = KINDS.into_iter().filter_map(|kind| Some((kind, kind.named(options)?))).collect();
    named.sort_by_key(|(_, given)| given.source.rank());
    let Some((kind, first)) = named.first() else {
        let is_given = certificate::KIND.named_by.iter().chain(certificate::KIND.details).any(|option| options.get(option).is_some());
        return is_given.then(|| (certificate::KIND.find)(place)).transpose();
    };
    if let Some((other, second)) = named.get(1).filter(|(_, second)| second.source.rank() == first.source.rank()) {
        let what =
            format!("{} gives {}, and {} gives {}: which one is the credential?", first.source, kind.name, second.source, other.name);
        return Err(Error::input(what, "Give one of them, or name the one that is meant by a flag."));
    }
    (kind.find)(place).map(Some)
}

/// The credential by which a token of this session was issued, where the options name none: it can be asked for again if the CI itself vouches
/// for the job.
#[must_use]
pub fn remembered(issuing: &Issuing, place: &mut Place) -> Option<Credential> {
    oidc::remembered(issuing.exchange()?, place)
}

/// The error for a missing credential, and what to do. A user and a password are refused with jf's own reason.
#[must_use]
pub fn missing(options: &CredentialOptions) -> Error {
    let instead = "Give an access token of the platform by JF_ACCESS_TOKEN, the action's input access-token, --access-token-file or --access-token-stdin.";
    match options.password.as_ref().or(options.user.as_ref()) {
        Some(given) => {
            let what = format!("{}: authenticating with access token is currently mandatory for creating access tokens", given.source);
            Error::new(Kind::NoCredential, what, instead)
        }
        None => Error::new(Kind::NoCredential, "there is no credential", instead),
    }
}

/// Longer than any token, in bytes.
const LONGEST: u64 = 1 << 16;

/// Reads a file that holds a secret and nothing else. `what` is its name in a message.
///
/// # Errors
/// Fails if it can't be read, or holds no text.
fn read_file(given: &InputValue, what: &str) -> Result<Zeroizing<String>> {
    let place = shown(&given.text);
    let read = |bytes: &mut Vec<u8>| std::fs::File::open(&given.text).and_then(|file| file.take(LONGEST + 1).read_to_end(bytes));
    text_of(given, &place, what, read).map_err(|error| error.with_help(&format!("Name a file that holds the {what} and nothing else.")))
}

/// Reads standard input, which holds a secret and nothing else. `what` is its name in a message.
///
/// # Errors
/// Fails if it can't be read, or holds no text.
fn read_stdin(given: &InputValue, stdin: &mut dyn Read, what: &str) -> Result<Zeroizing<String>> {
    text_of(given, "standard input", what, |bytes| stdin.take(LONGEST + 1).read_to_end(bytes))
}

fn text_of(
    given: &InputValue,
    place: &str,
    what: &str,
    read: impl FnOnce(&mut Vec<u8>) -> std::io::Result<usize>,
) -> Result<Zeroizing<String>> {
    let right = format!("It must hold the {what} and nothing else.");
    let mut bytes = Zeroizing::new(Vec::new());
    read(&mut bytes).map_err(|error| given.wrong(format!("can't read {place}: {error}"), &right))?;
    if bytes.len() as u64 > LONGEST {
        return Err(given.wrong(format!("{place} holds more than {} KiB", LONGEST >> 10), right));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| given.wrong(format!("{place} holds no text"), &right))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(given.wrong(format!("{place} is empty"), right));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Refuses the name of a variable that stands where its value should.
///
/// # Errors
/// Fails if it does.
fn check_replaced(given: &InputValue, text: &str) -> Result<()> {
    if text.trim_start().starts_with('$') {
        let help = "Is it set for this job, branch and environment?";
        return Err(given.wrong("this is the name of a variable that was not replaced by its value", help));
    }
    Ok(())
}
