//! A login by SSH, as in jf: the platform's SSH server runs `jfrog-authenticate`, whose answer is the platform's address and the headers by
//! which requests there prove themselves. The system's OpenSSH does it, so that agents, `known_hosts`, `~/.ssh/config` and hardware keys work.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::File;
use std::future::pending;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use redact::Secret;
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::command::{self, Printed};
use super::reading::{is_lasting_file, read_file};
use super::{Asked, Asking, Credential, CredentialPlace, CredentialSource, KindOfCredential, never, report};
use crate::api::{Auth, PlatformUrl, SecretHeader};
use crate::error::{Error, Kind, Outcome, Result};
use crate::io::Environment;
use crate::io::clock::Timestamp;
use crate::options::table::{SSH_ACCEPT_NEW, SSH_KEY_PATH, SSH_PASSPHRASE, SSH_PASSPHRASE_FILE, URL};
use crate::options::{InputValue, Source, shown};
use crate::os;

pub const KIND: KindOfCredential = KindOfCredential {
    name: "a login by SSH",
    named_by: &[&SSH_KEY_PATH, &URL],
    details: &[&SSH_PASSPHRASE, &SSH_PASSPHRASE_FILE, &SSH_ACCEPT_NEW],
    unnamed: never,
    brings_platform: true,
    find,
};

/// jf logs in as this user (its source).
const USER: &str = "admin";
/// The port of Artifactory's SSH server, unless it is configured otherwise.
const PORT: u16 = 1339;
/// What jf runs there (its source).
const COMMAND: &str = "jfrog-authenticate";
/// How long a login may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How long its headers are used. How long the platform accepts them is not documented.
const FRESH: Duration = Duration::from_secs(60);
/// A shorter passphrase is not looked for in what a program prints: it would be found everywhere.
const SHORTEST_SECRET: usize = 8;
/// The first OpenSSH that asks a program for a passphrase wherever it runs.
const ASKS: (u32, u32) = (8, 4);

/// The variables by which `ssh` passes on to this program, as the one to ask, where the passphrase is and what question it answers.
const SOCKET: &str = "JF_TOKEN_SSH_SOCKET";
const QUESTION: &str = "JF_TOKEN_SSH_QUESTION";
/// How that question begins; then comes the path of the key.
const QUESTION_BEGIN: &str = "Enter passphrase for key '";
/// OpenSSH shows this much of a key's path, in bytes.
const SHOWN_PATH: usize = 100;

struct Ssh {
    server: Server,
    key: Option<Key>,
    passphrase: Option<Passphrase>,
    accept_new: bool,
    login: Mutex<Option<Login>>,
}

/// Where to log in.
struct Server {
    user: String,
    host: String,
    port: u16,
}

struct Key {
    given: InputValue,
    path: PathBuf,
}

struct Passphrase {
    text: Zeroizing<String>,
    source: Source,
    /// Whether it is in a file that a keeper can read too.
    in_file: bool,
    /// The same where it can be hidden in what a program prints.
    secret: Option<Secret>,
}

#[derive(Clone)]
struct Login {
    platform: PlatformUrl,
    headers: Vec<SecretHeader>,
    at: Timestamp,
}

fn find(place: &mut CredentialPlace) -> Result<Credential> {
    let options = &place.options.credential;
    let key = options.get(&SSH_KEY_PATH);
    let Some(url) = options.get(&URL) else {
        let Some(key) = key else { return Err(report::none(place)) };
        let help = "Set JF_URL or --url to the platform's SSH server: ssh://HOST:PORT.";
        return Err(match &place.options.connection.url {
            Some(url) => url.wrong(format!("is no ssh:// URL, which {} needs", key.source), help),
            None => key.wrong("the URL is missing", help),
        });
    };
    let source = key.into_iter().chain([url]).map(|given| &given.source).min_by_key(|source| source.rank()).cloned();
    let ssh = Ssh {
        server: Server::read(url)?,
        key: key.map(|given| Key { given: given.clone(), path: without_tilde(&given.text, place.environment) }),
        passphrase: passphrase(options.get(&SSH_PASSPHRASE), options.get(&SSH_PASSPHRASE_FILE))?,
        accept_new: options.get(&SSH_ACCEPT_NEW).is_some(),
        login: Mutex::default(),
    };
    Ok(Credential { from: Box::new(ssh), kind: &KIND, source: source.unwrap_or_else(|| url.source.clone()) })
}

/// A path as a shell would have passed it on, which jf does too.
fn without_tilde(path: &str, environment: &Environment) -> PathBuf {
    match (path.strip_prefix("~/"), environment.os("HOME")) {
        (Some(rest), Some(home)) => Path::new(&home).join(rest),
        _ => path.into(),
    }
}

fn passphrase(value: Option<&InputValue>, file: Option<&InputValue>) -> Result<Option<Passphrase>> {
    let given = match (value, file) {
        (Some(value), Some(file)) => {
            return Err(file.wrong(format!("{} gives a passphrase too", value.source), "Give one of them."));
        }
        (given, None) | (None, given) => given,
    };
    let Some(given) = given else { return Ok(None) };
    let text = if file.is_some() { read_file(given, "passphrase")? } else { Zeroizing::new(given.text.clone()) };
    let text = Zeroizing::new(text.trim_end_matches(['\r', '\n']).to_owned());
    if text.contains(['\r', '\n', '\0']) {
        return Err(given.wrong("has a line break inside", "A passphrase is one line."));
    }
    let secret = Secret::new(&text).ok().filter(|secret| secret.expose().len() >= SHORTEST_SECRET);
    Ok(Some(Passphrase { text, source: given.source.clone(), in_file: file.is_some_and(is_lasting_file), secret }))
}

impl Server {
    /// Reads `ssh://[USER@]HOST[:PORT]`. What is read can't be an option of `ssh`, nor a command of a shell in its configuration.
    fn read(url: &InputValue) -> Result<Self> {
        let rest = url.after_ssh().unwrap_or_default().trim_end_matches('/');
        let wrong = |why: &str| url.wrong(why, "Write ssh://HOST:PORT, or ssh://USER@HOST:PORT.");
        let (user, place) = rest.rsplit_once('@').unwrap_or((USER, rest));
        let (host, port) = match place.strip_prefix('[').and_then(|place| place.split_once(']')) {
            Some((host, port)) => (host, port.strip_prefix(':').or(Some(port).filter(|port| !port.is_empty()))),
            None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
        };
        let is_plain = |text: &str, more: &[char]| {
            !text.is_empty() && !text.starts_with('-') && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(&c))
        };
        if !is_plain(user, &['.', '_', '-', '+']) {
            return Err(wrong("what stands before the @ is not a plain user name"));
        }
        if !is_plain(host, if place.starts_with('[') { &[':', '.'] } else { &['.', '-', '_'] }) {
            return Err(wrong("has no plain host name"));
        }
        let port = port.map_or(Some(PORT), |port| port.parse().ok().filter(|port| *port > 0)).ok_or_else(|| wrong("has no valid port"))?;
        Ok(Self { user: user.into(), host: host.into(), port })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { user, host, port } = self;
        if host.contains(':') { write!(f, "ssh://{user}@[{host}]:{port}") } else { write!(f, "ssh://{user}@{host}:{port}") }
    }
}

impl Ssh {
    /// The last login if it is new enough, else a new one.
    async fn login(&self, asking: &Asking<'_>) -> Result<Login> {
        let now = Timestamp::from((asking.now)());
        // A clock that was set back says nothing.
        let last = self.last().filter(|login| login.at <= now && now < login.at.after(FRESH));
        if let Some(login) = last {
            return Ok(login);
        }
        let login = self.log_in(asking, now).await?;
        *self.login.lock().unwrap_or_else(PoisonError::into_inner) = Some(login.clone());
        Ok(login)
    }

    fn last(&self) -> Option<Login> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn log_in(&self, asking: &Asking<'_>, at: Timestamp) -> Result<Login> {
        self.check_at_hand(asking)?;
        let mut command = self.command();
        let offer = match &self.passphrase {
            Some(passphrase) => Some((self.offer(&mut command, passphrase, asking).await?, passphrase)),
            None => None,
        };
        if asking.verbose {
            let words = command.get_args().map(|word| word.display().to_string()).collect::<Vec<_>>().join(" ");
            asking.console.trace(&format!("> ssh {words}"));
        }
        let given = Cell::new(false);
        let giving = async {
            if let Some((offer, passphrase)) = offer {
                given.set(offer.give(&passphrase.text).await.is_ok());
            }
            pending::<()>().await;
        };
        let limit = LIMIT.min(asking.limits.timeout);
        let printed = tokio::select! {
            printed = command::run(asking, command, "ssh", limit) => printed,
            () = giving => return Err(self.fail(Kind::Local, "the login was lost", "")),
        };
        let printed = printed.map_err(|error| {
            let help = "Does the server answer? Does the key wait to be touched?";
            self.fail(Kind::Unreachable, &error.to_string(), help).with_outcome(Outcome::NotSent)
        })?;
        if !printed.status.success() {
            return Err(self.explain(&printed, given.get()));
        }
        self.read(&printed.output, asking, at)
    }

    /// Checks what can be checked without the server.
    fn check_at_hand(&self, asking: &Asking<'_>) -> Result<()> {
        let extensions = asking.environment.os("PATHEXT");
        let is_there = |path: OsString| os::places_in(&path, "ssh".as_ref(), extensions.as_deref()).any(|place| os::is_program(&place));
        if !asking.environment.os("PATH").is_none_or(is_there) {
            let help = "A login by SSH needs OpenSSH's client: install it (openssh-client), or give another credential.";
            return Err(self.fail(Kind::Local, "there is no ssh on the PATH", help));
        }
        let Some(Key { given, path }) = &self.key else { return Ok(()) };
        let help = "Give the path of the private key.";
        match path.metadata() {
            Ok(found) if found.is_dir() => Err(given.wrong(format!("{} is a folder", shown(&given.text)), help)),
            Ok(_) => Ok(()),
            Err(error) => Err(given.wrong(format!("can't read {}: {error}", shown(&given.text)), help)),
        }
    }

    fn command(&self) -> Command {
        let mut command = Command::new("ssh");
        let known = if self.accept_new { "StrictHostKeyChecking=accept-new" } else { "StrictHostKeyChecking=yes" };
        // Nothing but errors on standard error: a server's greeting is none.
        let options = [known, "LogLevel=ERROR", "ConnectTimeout=10", "ConnectionAttempts=1", "NumberOfPasswordPrompts=1"];
        let refused = ["PasswordAuthentication=no", "KbdInteractiveAuthentication=no", "ClearAllForwardings=yes", "PermitLocalCommand=no"];
        command.args(["-T", "-a", "-x"]).args(options.iter().chain(&refused).flat_map(|option| ["-o", option]));
        // Otherwise an agent with many keys uses up the tries.
        command.args(self.key.iter().flat_map(|key| ["-o".into(), "IdentitiesOnly=yes".into(), "-i".into(), literal(&key.path)]));
        command.args(self.passphrase.is_none().then_some(["-o", "BatchMode=yes"]).into_iter().flatten());
        let Server { user, host, port } = &self.server;
        command.args(["-l", user, "-p", &port.to_string(), "--", host, COMMAND]);
        command
    }

    /// Lets `ssh` ask this program for the passphrase: `ssh` closes what it inherits, and a socket is on no list, in no file and no environment.
    async fn offer(&self, command: &mut Command, passphrase: &Passphrase, asking: &Asking<'_>) -> Result<os::Offer> {
        let fail = |why: &str| {
            let help = "Add the key to an agent (ssh-add), and give no passphrase.";
            Error::new(Kind::Local, format!("{}: can't be handed to ssh: {why}", passphrase.source), help)
        };
        let mut version = Command::new("ssh");
        version.arg("-V");
        let version = command::run(asking, version, "ssh -V", LIMIT).await?;
        if let Some((major, minor)) = version_of(&version.errors).filter(|version| *version < ASKS) {
            return Err(fail(&format!("OpenSSH {major}.{minor} asks no program; {}.{} does", ASKS.0, ASKS.1)));
        }
        let own = os::own_program().map_err(|error| fail(&error.to_string()))?;
        let folder = asking.environment.os("TMPDIR").map_or_else(std::env::temp_dir, PathBuf::from);
        let offer = os::Offer::new(&folder).map_err(|error| fail(&error.to_string()))?;
        let key = self.key.iter().map(|key| key.path.as_os_str());
        let question = [OsStr::new(QUESTION_BEGIN)].into_iter().chain(key).collect::<OsString>();
        command.env("SSH_ASKPASS", own).env("SSH_ASKPASS_REQUIRE", "force");
        command.env(SOCKET, offer.place()).env(QUESTION, question);
        Ok(offer)
    }

    fn read(&self, output: &str, asking: &Asking<'_>, at: Timestamp) -> Result<Login> {
        let unusable = |what: &str| {
            let help = "Is that the SSH server of a JFrog platform?";
            self.fail(Kind::Unusable, &format!("the answer to {COMMAND} {what}"), help).with_outcome(Outcome::NotSent)
        };
        let mut answer: Map<String, Value> = serde_json::from_str(output).map_err(|_| unusable("is not the JSON that a platform gives"))?;
        let headers = if let Some(Value::Object(headers)) = answer.remove("headers") { headers } else { Map::new() };
        let header = |(name, value): (String, Value)| match value {
            Value::String(value) => SecretHeader::new(&name, &Zeroizing::new(value)),
            _ => None,
        };
        let headers: Option<Vec<_>> = headers.into_iter().map(header).collect();
        let headers = headers.ok_or_else(|| unusable("holds a header that can't be sent"))?;
        if headers.is_empty() {
            return Err(unusable("holds no headers"));
        }
        let href = answer.get("href").and_then(Value::as_str).filter(|href| !href.is_empty());
        let href = href.ok_or_else(|| unusable("holds no href, the platform's address"))?;
        let href = InputValue { text: href.to_owned(), source: Source::Named("href".into()) };
        let platform = PlatformUrl::new(&href, asking.insecure_http)
            .map_err(|error| unusable(&format!("can't be used: {error}")).with_help(error.help()))?;
        if asking.verbose {
            let names: Vec<_> = headers.iter().map(|header| header.name().as_str()).collect();
            asking.console.trace(&format!("< href {}, headers {}", platform.as_str(), names.join(" ")));
        }
        asking.mask(headers.iter().flat_map(SecretHeader::secrets))?;
        Ok(Login { platform, headers, at })
    }

    fn fail(&self, kind: Kind, what: &str, help: &str) -> Error {
        Error::new(kind, format!("{}: {what}", self.server), help)
    }

    /// What a failure of `ssh` means. `given`: it asked for the passphrase and got it.
    fn explain(&self, printed: &Printed, given: bool) -> Error {
        let said = |text: &str| printed.errors.contains(text);
        let Server { user, host, port } = &self.server;
        let is_own = printed.status.code() == Some(255);
        if !is_own {
            let help = "Is that the SSH server of a JFrog platform?";
            let what = format!("{COMMAND} {}", printed.failure(&[]));
            return self.fail(Kind::Unusable, &what, help).with_outcome(Outcome::NotSent);
        }
        if said("HOST IDENTIFICATION HAS CHANGED") || said("REVOKED HOST KEY") {
            let help = format!(
                "Someone may be in between. If the server's key really was changed, take the old one out of known_hosts (ssh-keygen -R '[{host}]:{port}'), and put in the new one that the platform's admins name."
            );
            return self.fail(Kind::Unreachable, "the host key is not the one that is known, so nothing was sent", &help);
        }
        if said("host key is known for") || said("Host key verification failed") {
            let help = format!(
                "ssh-keyscan -p {port} {host} prints it: compare it with the one that the platform's admins name, and add it to ~/.ssh/known_hosts. --ssh-accept-new accepts what comes the first time."
            );
            return self.fail(Kind::Unreachable, "the host key is not known, so nothing was sent", &help);
        }
        if let Some(Key { given: path, .. }) = &self.key {
            let name = shown(&path.text);
            if said("UNPROTECTED PRIVATE KEY FILE") {
                return path.wrong(format!("others can read {name}, so ssh does not use it"), format!("chmod 600 {name}"));
            }
            if said("Load key \"") && (said("\": invalid format") || said("\": error in libcrypto")) {
                return path.wrong(format!("{name} is not a private key that ssh can read"), "Give the path of the private key.");
            }
            if said("Load key \"") && said("\": Permission denied") {
                return path.wrong(format!("can't read {name}"), "This user must be the one who may read it.");
            }
        }
        if said("Permission denied (") || said("Too many authentication failures") {
            return self.explain_refusal(user, given);
        }
        let what = printed.failure(&[]);
        let (what, help) = if said("Connection refused") {
            ("nothing listens there (connection refused)", "Are host and port right, and is the platform's SSH server on?")
        } else if said("Could not resolve hostname") {
            ("the host is not known to the name service", "Is it spelled right?")
        } else if said("timed out") {
            ("no answer came in time", "Are host and port right, and is the way there open?")
        } else {
            (what.as_str(), "Is that an SSH server?")
        };
        self.fail(Kind::Unreachable, what, help).with_outcome(Outcome::NotSent)
    }

    fn explain_refusal(&self, user: &str, given: bool) -> Error {
        let key = self.key.as_ref().map(|key| (shown(&key.given.text), KeyFile::read(&key.path)));
        match (&self.passphrase, &key) {
            (Some(passphrase), Some((name, file))) if given => {
                let what = format!("{}: is not the passphrase of {name}", passphrase.source);
                let help = format!("ssh-keygen -y -f {name} asks for it, and shows whether it is right.");
                let error = Error::input(what, help);
                // With the newer format it is asked for only once the server has accepted the key.
                if file.is_new { error } else { error.with_advice(&format!("If it is right, {} does not know the key.", self.server)) }
            }
            (Some(passphrase), None) if given => {
                let what = format!("{}: is not the passphrase of the key that ssh uses", passphrase.source);
                Error::input(what, "Name the key by --ssh-key-path.")
            }
            (None, Some((name, file))) if file.is_encrypted => {
                let help = "Give it by JF_TOKEN_SSH_PASSPHRASE or --ssh-passphrase-file, or add the key to an agent (ssh-add).";
                self.fail(Kind::NoCredential, &format!("the key {name} has a passphrase, and none was given"), help)
            }
            _ => {
                let with = key.map_or_else(|| "a key of the agent's or of ~/.ssh".into(), |(name, _)| format!("the key {name}"));
                let help = "Is the public key in the profile of a user of the platform, and are host, port and user right?";
                self.fail(Kind::Refused, &format!("the server does not let {user} in with {with}"), help)
            }
        }
    }
}

/// A path so that `ssh` replaces nothing in it.
fn literal(path: &Path) -> OsString {
    path.to_str().map_or_else(|| path.into(), |text| text.replace('%', "%%").into())
}

/// The version in `OpenSSH_9.2p1 …`, or in `OpenSSH_for_Windows_8.6p1 …`.
fn version_of(said: &str) -> Option<(u32, u32)> {
    let word = said.split_whitespace().next().filter(|word| word.starts_with("OpenSSH"))?;
    let (major, rest) = word.rsplit('_').next()?.split_once('.')?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.trim_end_matches(',').parse().ok()?))
}

/// What the beginning of a private key's file says.
#[derive(Default)]
struct KeyFile {
    /// It has OpenSSH's own format, in which the public key can be read without the passphrase.
    is_new: bool,
    is_encrypted: bool,
}

impl KeyFile {
    fn read(path: &Path) -> Self {
        let mut head = Zeroizing::new(Vec::with_capacity(256));
        let _ = File::open(path).map(|file| file.take(256).read_to_end(&mut head));
        let head = String::from_utf8_lossy(&head);
        let Some(body) = head.strip_prefix("-----BEGIN OPENSSH PRIVATE KEY-----") else {
            return Self { is_new: false, is_encrypted: head.contains("ENCRYPTED") };
        };
        // A magic word, and the length and the name of the cipher.
        let body: String = body.chars().filter(|c| !c.is_whitespace()).take(40).collect();
        let begin = STANDARD_NO_PAD.decode(body).unwrap_or_default();
        Self { is_new: true, is_encrypted: !begin.starts_with(b"openssh-key-v1\0\0\0\0\x04none") }
    }
}

/// Answers `ssh`, which was told that this program knows the passphrase. `None`: this is another call. The result says whether the
/// question was ours.
pub fn answer_ssh(arguments: &[OsString], environment: &Environment, stdout: &mut dyn Write) -> Option<bool> {
    let [_, question] = arguments else { return None };
    let (socket, ours) = (environment.os(SOCKET)?, environment.os(QUESTION)?);
    let (begin, path) = ours.as_encoded_bytes().split_at_checked(QUESTION_BEGIN.len())?;
    let shown = &path[..path.len().min(SHOWN_PATH)];
    let is_ours = question.as_encoded_bytes().strip_prefix(begin).is_some_and(|rest| rest.starts_with(shown));
    let secret = is_ours.then(|| os::accept(Path::new(&socket)).ok()).flatten();
    Some(secret.is_some_and(|secret| writeln!(stdout, "{}", *secret).and_then(|()| stdout.flush()).is_ok()))
}

impl CredentialSource for Ssh {
    fn secrets(&self) -> Vec<&Secret> {
        self.passphrase.iter().filter_map(|passphrase| passphrase.secret.as_ref()).collect()
    }

    fn for_keeper(&self) -> Option<(&'static str, &str)> {
        let passphrase = self.passphrase.as_ref().filter(|passphrase| !passphrase.in_file)?;
        Some(("--ssh-passphrase-file=/dev/stdin", &passphrase.text))
    }

    fn platform(&self) -> Option<PlatformUrl> {
        self.last().map(|login| login.platform)
    }

    fn locate<'a>(&'a self, asking: &'a Asking<'a>) -> Asked<'a, ()> {
        Box::pin(async { self.login(asking).await.map(drop) })
    }

    fn authenticate<'a>(&'a self, platform: &'a PlatformUrl, asking: &'a Asking<'a>) -> Asked<'a, Auth> {
        Box::pin(async {
            let login = self.login(asking).await?;
            if login.platform == *platform {
                return Ok(Auth::Headers(login.headers));
            }
            let what = format!("this is the way in to {}, and the token is one of {}", login.platform.as_str(), platform.as_str());
            Err(self.fail(Kind::NoCredential, &what, "Give the URL and the credential that it was issued with."))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::sink;
    use std::sync::Arc;
    use std::time::SystemTime;

    use super::*;
    use crate::api::{Clients, Limits, RetryBudget, Transport};
    use crate::ci::{self, Ci};
    use crate::io::{Console, LogFormat};

    thread_local!(static NOW: Cell<u64> = const { Cell::new(0) });

    fn url(text: &str) -> InputValue {
        InputValue { text: text.into(), source: Source::Flag("--url".into()) }
    }

    /// Whether a login of the second 1000 is used at this time, where no other is possible: there is no `ssh`.
    fn is_used_at(now: u64) -> bool {
        NOW.set(now);
        let environment: Environment = [("PATH", "/nowhere")].into_iter().collect();
        let ci = Arc::<dyn Ci>::from(ci::detect(&environment));
        let console = Console::new(Box::new(sink()), Box::new(sink()), ci.clone(), LogFormat::Text);
        let asking = Asking {
            environment: &environment,
            console: &console,
            clients: &Clients::default(),
            transport: Ok(&Transport::default()),
            given: None,
            now: || SystemTime::UNIX_EPOCH + Duration::from_secs(NOW.get()),
            in_flight: std::rc::Rc::default(),
            limits: Limits { budget: RetryBudget(Duration::ZERO), timeout: LIMIT },
            verbose: false,
            insecure_http: false,
            ci: ci.as_ref(),
            masking: &ci::Masking::default(),
            known: Vec::new(),
        };
        let platform = PlatformUrl::new(&url("https://x.example"), false).unwrap();
        let login = Login { platform: platform.clone(), headers: Vec::new(), at: Timestamp::from_secs(1000) };
        let server = Server::read(&url("ssh://x.example")).unwrap();
        let ssh = Ssh { server, key: None, passphrase: None, accept_new: false, login: Mutex::new(Some(login)) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(ssh.authenticate(&platform, &asking)).is_ok()
    }

    #[test]
    fn a_login_serves_for_a_minute() {
        assert!(is_used_at(1000) && is_used_at(1059));
        assert!(!is_used_at(1060) && !is_used_at(999) && !is_used_at(100_000));
    }

    #[test]
    fn versions_are_read() {
        for (said, version) in [
            ("OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19", Some((9, 2))),
            ("OpenSSH_for_Windows_8.6p1, LibreSSL 3.4.3", Some((8, 6))),
            ("OpenSSH_10.0, OpenSSL", Some((10, 0))),
            ("OpenSSH_8.3p1", Some((8, 3))),
            ("Dropbear v2022.83", None),
            ("OpenSSH", None),
            ("", None),
        ] {
            assert_eq!(version_of(said), version, "{said}");
        }
    }

    #[test]
    fn a_server_is_shown_as_it_is_written() {
        for (text, shown) in [
            ("ssh://x.example", "ssh://admin@x.example:1339"),
            ("ssh://bob@x.example:22/", "ssh://bob@x.example:22"),
            ("ssh://[::1]:22", "ssh://admin@[::1]:22"),
            ("ssh://[::1]", "ssh://admin@[::1]:1339"),
        ] {
            assert_eq!(Server::read(&url(text)).unwrap().to_string(), shown);
        }
    }
}
