//! A server of jf's configuration as the credential: its access token and its address, from the file that jf keeps or from what `jf c export`
//! prints, in a variable `JF_ENV_…`. Nothing of it is ever written, and its refresh token is not spent.

mod decryption;
mod parse;

use std::io;
use std::path::{Path, PathBuf};

use redact::{Secret, one_line};
use zeroize::Zeroizing;

use self::decryption::Key;
use self::parse::{Entry, LONGEST, parse_export, parse_file};
use super::{Asked, Asking, Credential, CredentialPlace, CredentialSource, Issuing, KindOfCredential};
use crate::api::claims::{claims, user_name};
use crate::api::{Auth, PlatformUrl};
use crate::error::{Error, Kind, Result};
use crate::io::{Environment, HOME_OF_JF, sorted};
use crate::options::table::{EXPORTED, SERVER_ID};
use crate::options::{InputValue, Source, shown};
use crate::os;

pub const KIND: KindOfCredential = KindOfCredential {
    name: "a server of jf's configuration",
    named_by: &[&SERVER_ID],
    details: &[],
    unnamed,
    brings_platform: true,
    find,
};

/// The names of jf's file, the newest first. A later jf reads an older one.
const FILES: [&str; 2] = ["jfrog-cli.conf.v6", "jfrog-cli.conf.v5"];
/// How many servers a message lists.
const LISTED: usize = 10;

struct Server {
    token: Secret,
    platform: PlatformUrl,
    /// What else must not be printed.
    others: Vec<Secret>,
    user: Option<String>,
    client_certificate: Option<(PathBuf, PathBuf)>,
    /// Whether jf itself renews the token.
    is_refreshed_by_jf: bool,
}

impl CredentialSource for Server {
    fn secrets(&self) -> Vec<&Secret> {
        std::iter::once(&self.token).chain(&self.others).collect()
    }

    fn token(&self) -> Option<&Secret> {
        Some(&self.token)
    }

    fn platform(&self) -> Option<PlatformUrl> {
        Some(self.platform.clone())
    }

    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    fn client_certificate(&self) -> Option<(PathBuf, PathBuf)> {
        self.client_certificate.clone()
    }

    fn authenticate<'a>(&'a self, _platform: &'a PlatformUrl, _asking: &'a Asking<'a>) -> Asked<'a, Auth> {
        Box::pin(std::future::ready(Ok(Auth::Bearer(self.token.clone()))))
    }

    fn explain(&self, error: Error, _issuing: &Issuing) -> Error {
        if error.status() == Some(401) && self.is_refreshed_by_jf {
            return error.with_advice(
                "jf renews the server's token only when it uses it: run jf rt ping first, or configure a token that lives longer.",
            );
        }
        error
    }

    fn for_keeper(&self) -> Option<(&'static str, &str)> {
        Some(("--access-token-stdin", self.token.expose()))
    }
}

/// What counts though no option names it: an exported server; outside a CI jf's default one, where no other credential was given. In a CI that
/// one would silently take the place of a secret that is empty for a fork.
fn unnamed(place: &CredentialPlace) -> Option<Source> {
    if let Some(name) = exported(place.environment).next() {
        return Some(Source::Export(name));
    }
    let counts = !place.in_job && place.options.credential.password.is_none();
    let files = counts.then(|| files(place.environment)).into_iter().flatten();
    // What can't be looked at may be a file.
    files.into_iter().any(|file| file.try_exists().unwrap_or(true)).then_some(Source::Configuration)
}

/// Finds the server: the one that is named, else the first that is exported, else the default one.
///
/// # Errors
/// Fails if there is none, or it holds no access token.
fn find(place: &mut CredentialPlace) -> Result<Credential> {
    let environment = place.environment;
    let named = place.options.credential.get(&SERVER_ID);
    let (found, source) = match (named, exported(environment).next()) {
        (Some(given), _) => (named_server(environment, given)?, given.source.clone()),
        (None, Some(variable)) => (Found::exported(environment, &variable)?, Source::Export(variable)),
        (None, None) => (default_server(place)?, Source::Configuration),
    };
    Ok(Credential { from: Box::new(found.server(place)?), kind: &KIND, source })
}

/// The exported servers, for a message that lists what was looked for.
pub fn exports_looked_for(environment: &Environment) -> String {
    let names: Vec<_> = exported(environment).map(|name| shown(&name)).collect();
    if names.is_empty() { "no JF_ENV_… variable".into() } else { names.join(", ") }
}

/// jf's default server, for a message that lists what was looked for.
pub fn looked_for(place: &CredentialPlace) -> String {
    if place.in_job {
        return "not looked at in a job, whose machine may have anybody's; --server-id names a server".into();
    }
    match place.environment.folder_of_jf() {
        None => format!("neither {HOME_OF_JF} nor {} says where", os::HOME),
        Some(home) => {
            let file = home.join(FILES[0]);
            let found = if file.exists() { "it has none to use" } else { "there is no such file" };
            format!("{}: {found}", shown_path(&file))
        }
    }
}

/// jf's files that may hold the credential.
pub fn files(environment: &Environment) -> Vec<PathBuf> {
    environment.folder_of_jf().map(|home| FILES.iter().map(|name| home.join(name)).collect()).unwrap_or_default()
}

/// The variables that hold an exported server, in order.
fn exported(environment: &Environment) -> impl Iterator<Item = String> {
    sorted(environment.names(EXPORTED).filter(|name| !environment.is_blank(name)).map(str::to_owned)).into_iter()
}

/// The server of this name: an exported one, else one of jf's file.
fn named_server(environment: &Environment, given: &InputValue) -> Result<Found> {
    let (id, by) = (given.text.trim(), given.source.to_string());
    let called = |found: &Found| found.entry.server_id == id;
    let pick = |found, place: &str| {
        the_only(found, &by, &format!("called '{}'{place}", shown(id)), "Remove one of them by jf c rm, or give it another name.")
    };
    let exports: Vec<_> = exported(environment).map(|variable| Found::exported(environment, &variable)).collect();
    let (exports, unreadable): (Vec<_>, Vec<_>) = exports.into_iter().partition(Result::is_ok);
    let (exports, mut others): (Vec<_>, Vec<_>) = exports.into_iter().flatten().partition(called);
    // Who has imported it has it in the file too.
    if let Some(one) = pick(exports, " in JF_ENV_…")? {
        return Ok(one);
    }
    if let Some(error) = unreadable.into_iter().find_map(Result::err) {
        return Err(error);
    }
    let Some(home) = environment.folder_of_jf() else {
        return Err(no_such(given, &format!(": neither {HOME_OF_JF} nor {} says where jf's configuration is", os::HOME), &others));
    };
    let Some((file, servers)) = read_file(environment, &home, &by)? else {
        return Err(no_such(given, &format!(": there is no {}", shown_path(&home.join(FILES[0]))), &others));
    };
    let (servers, rest) = servers.into_iter().partition(called);
    others.extend::<Vec<_>>(rest);
    let place = format!(" in {}", shown_path(&file));
    pick(servers, &place)?.ok_or_else(|| no_such(given, &place, &others))
}

/// The error for an unknown name, in jf's words.
fn no_such(given: &InputValue, why: &str, others: &[Found]) -> Error {
    let names: Vec<_> = others.iter().map(|found| shown(&found.entry.server_id)).take(LISTED).collect();
    let more = others.len() - names.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let known = if names.is_empty() { String::new() } else { format!("Known: {}{more}. ", names.join(", ")) };
    given.wrong(
        format!("Server ID '{}' does not exist{why}", shown(given.text.trim())),
        format!("{known}Name one that jf c show lists, or add it by jf c add."),
    )
}

/// The default server; with only one server, that one.
fn default_server(place: &CredentialPlace) -> Result<Found> {
    let environment = place.environment;
    let by = Source::Configuration.to_string();
    let none = || super::report::none(place);
    let home = environment.folder_of_jf().ok_or_else(none)?;
    let (file, mut entries) = read_file(environment, &home, &by)?.ok_or_else(none)?;
    if entries.len() == 1 {
        return entries.pop().ok_or_else(none);
    }
    if entries.is_empty() {
        return Err(none());
    }
    let defaults = entries.into_iter().filter(|found| found.entry.is_default).collect();
    let help = "Name the server that is meant by --server-id, or choose a default by jf c use.";
    the_only(defaults, &by, &format!("the default in {}", shown_path(&file)), help)?
        .ok_or_else(|| Error::input(format!("{by}: {} has several servers and no default", shown_path(&file)), help))
}

/// The only one of these; twice the same is one. `which` is what a message calls them, in words that follow "two servers are".
fn the_only(mut found: Vec<Found>, by: &str, which: &str, help: &str) -> Result<Option<Found>> {
    found.dedup_by(|a, b| a.entry == b.entry);
    if found.len() > 1 {
        return Err(Error::input(format!("{by}: two servers are {which}"), help));
    }
    Ok(found.pop())
}

/// jf's file and its servers; `None` if there is no file.
fn read_file(environment: &Environment, home: &Path, by: &str) -> Result<Option<(PathBuf, Vec<Found>)>> {
    let wrong = |why: String, help: &str| Error::input(format!("{by}: {why}"), help);
    for file in FILES.map(|name| home.join(name)) {
        let place = shown_path(&file);
        let Some(bytes) = read(&file).map_err(|why| {
            wrong(format!("can't read {place}: {why}"), "It must be the file that jf wrote, and this user must be able to read it.")
        })?
        else {
            continue;
        };
        let parsed = parse_file(&bytes).map_err(|(why, help)| wrong(format!("{place} {why}"), help))?;
        let key = if parsed.enc {
            Some(Key::find(environment, home).map_err(|(why, help)| wrong(format!("{place} is encrypted, and {why}"), &help))?)
        } else {
            None
        };
        let found = |entry: Entry| Found {
            origin: format!("server '{}' in {place}", shown(&entry.server_id)),
            entry,
            key: key.clone(),
            export: None,
        };
        let found = parsed.servers.unwrap_or_default().into_iter().map(found).collect();
        return Ok(Some((file, found)));
    }
    Ok(None)
}

/// A file's content; `None` if there is none.
fn read(file: &Path) -> std::result::Result<Option<Zeroizing<Vec<u8>>>, String> {
    match crate::io::read_regular_file(file, LONGEST) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        read => read.map(Some).map_err(|error| error.to_string()),
    }
}

fn shown_path(path: &Path) -> String {
    one_line(&path.display().to_string())
}

/// A server as it was found, its secrets still encrypted.
struct Found {
    /// What to call it in a message.
    origin: String,
    entry: Entry,
    key: Option<Key>,
    /// The text of the variable that holds it.
    export: Option<Secret>,
}

impl Found {
    fn exported(environment: &Environment, variable: &str) -> Result<Self> {
        let text = environment.get(variable)?.unwrap_or_default();
        let entry = parse_export(text).map_err(|why| {
            Error::input(
                format!("{variable}: {why}"),
                "Set it to what jf c export prints, or unset it: JF_ENV_… variables are jf's servers.",
            )
        })?;
        Ok(Self { origin: variable.to_owned(), entry, key: None, export: Secret::new(text).ok() })
    }

    /// The server, if it has an access token.
    fn server(self, place: &CredentialPlace) -> Result<Server> {
        let Self { origin, entry, key, export } = &self;
        let platform = self.platform(place)?;
        let decrypt = |text: &str| match key {
            Some(key) if !text.is_empty() => key.decrypt(text).map_err(|(why, help)| Error::input(format!("{origin}: {why}"), help)),
            _ => Ok(Zeroizing::new(text.to_owned())),
        };
        let no_token = |why: &str, help: &str| Error::new(Kind::NoCredential, format!("{origin}: {why}"), help);
        let token = match entry.access_token.as_ref() {
            Some(token) => decrypt(token)?,
            None if entry.ssh_key_path.is_some() => {
                return Err(no_token(
                    "it has no access token, but an SSH key",
                    "Give the key by --ssh-key-path, and its address by --url ssh://HOST:PORT.",
                ));
            }
            None if entry.password.is_some() => {
                return Err(no_token(
                    "authenticating with access token is currently mandatory for creating access tokens, and it has only a user and a password",
                    "Configure an access token for it: jf c edit with --access-token, or jf login.",
                ));
            }
            None if entry.client_cert_path.is_some() => {
                return Err(no_token(
                    "it has no access token, but a client certificate",
                    "Give that by --client-cert-path and --client-cert-key-path.",
                ));
            }
            None => return Err(no_token("it has no access token", "Configure one: jf c edit with --access-token, or jf login.")),
        };
        let token = Secret::new(&token)
            .map_err(|why| no_token(&format!("its access token {why}"), "Configure a whole one: jf c edit with --access-token."))?;
        if token.expose().starts_with("AKCp") {
            return Err(no_token("what it has is an API key", "An API key can't create tokens: configure an access token."));
        }
        let refresh_tokens = [&entry.refresh_token, &entry.artifactory_refresh_token];
        // Encrypted by another key or not: what can't be read here can't be printed by a program that got it from here.
        let refresh_tokens = refresh_tokens.into_iter().flatten().filter_map(|text| Secret::new(&decrypt(text).ok()?).ok());
        let key = key.as_ref().and_then(Key::of_the_environment);
        Ok(Server {
            user: user(entry, &token),
            others: refresh_tokens.chain(export.clone()).chain(key).collect(),
            client_certificate: entry.client_certificate(),
            is_refreshed_by_jf: entry.refresh_token.is_some() || entry.artifactory_refresh_token.is_some(),
            token,
            platform,
        })
    }

    /// Its address, which only a flag or an input replaces. jf never reads `JF_URL`: which of the two is meant can't be known.
    fn platform(&self, place: &CredentialPlace) -> Result<PlatformUrl> {
        let connection = &place.options.connection;
        let given = connection.url.as_ref().map(|given| Ok((given, PlatformUrl::new(given, connection.insecure_http)?))).transpose()?;
        let origin = &self.origin;
        let replaces = |given: &InputValue| matches!(given.source, Source::Flag(_) | Source::Input(_));
        if let Some((_, url)) = given.as_ref().filter(|(given, _)| replaces(given) || self.entry.url.is_none()) {
            return Ok(url.clone());
        }
        let Some(url) = &self.entry.url else {
            let help = "Give the platform's URL by --url, or configure it: jf c edit with --url.";
            return Err(Error::input(format!("{origin}: it has no url, which is the platform's address"), help));
        };
        let configured = InputValue { text: url.to_string(), source: Source::Named(format!("the url of {origin}")) };
        let configured = PlatformUrl::new(&configured, connection.insecure_http)?;
        match given {
            Some((given, url)) if url != configured => Err(given.wrong(
                format!("is not the URL of {origin}, which is {}", shown(configured.as_str())),
                format!("Unset {}, or say which is meant by --url.", given.source),
            )),
            _ => Ok(configured),
        }
    }
}

/// The user that jf asks for with this server: the one beside the token, else the token's own. For a reference token, nobody.
fn user(entry: &Entry, token: &Secret) -> Option<String> {
    // A reference token says only when it ends.
    let subject = claims(token)?.get("sub")?.as_str()?.to_owned();
    let own = Some(user_name(&subject)).filter(|name| *name != subject);
    let user = entry.user.as_deref().map(|user| user.trim()).or(own)?;
    Some(user.to_lowercase())
}
