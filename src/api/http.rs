use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use hyper_util::client::proxy::matcher::Matcher;
use redact::{HIDDEN, without_tokens};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, LOCATION};
use reqwest::{Client, Proxy, Response, Url, redirect};
use serde_json::Value;
use zeroize::Zeroizing;

use super::address::{LOCALHOST, PlatformUrl, has_plain_host, is_loopback};
use super::auth::{Auth, SecretHeader};
use super::failure;
use super::issuer::LastIssuer;
use super::request::{ApiRequest, ApiResponse, Operation, Way};
use super::tls::Trust;
use super::transport::Route;
use crate::error::{Error, Kind, Result};
use crate::io::clock::{Timestamp, retry_after};
use crate::io::{Console, Environment};

/// Time limit for setting up a connection, including TLS.
const CONNECT: Duration = Duration::from_secs(10);
/// How many bytes of an answer are read. Answers of the token API are a few kilobytes.
const LONGEST_ANSWER: usize = 1 << 20;
const MOST_REDIRECTS: usize = 5;
/// Fields of requests and answers that never hold a token. The strings of all others are hidden.
const HARMLESS: [&str; 29] = [
    "application_key",
    "audience",
    "branch",
    "code",
    "description",
    "detail",
    "error",
    "error_description",
    "expires_in",
    "grant_type",
    "identity_mapping_name",
    "issued_token_type",
    "issuer",
    "job_id",
    "message",
    "project",
    "project_key",
    "provider_name",
    "provider_type",
    "repo",
    "revision",
    "revoked-token-id",
    "run_id",
    "scope",
    "subject",
    "subject_token_type",
    "token_id",
    "token_type",
    "username",
];

/// How to reach one platform. TLS and the proxy are decided once.
pub struct Http {
    client: Client,
    /// Whose origin every request has.
    platform: Url,
    way: Way,
    now: fn() -> SystemTime,
}

/// The HTTP clients of a process, one for each origin and path.
#[derive(Default)]
pub struct Clients {
    known: Mutex<Vec<(PlatformUrl, Arc<Http>)>>,
    trust: Trust,
}

impl Clients {
    /// The client for this platform, set up when it is first needed.
    ///
    /// # Errors
    /// As `Http::new`.
    pub fn http(&self, route: Route<'_>, environment: &Environment, console: &Console, now: fn() -> SystemTime) -> Result<Arc<Http>> {
        let mut clients = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, http)) = clients.iter().find(|(other, _)| other == route.url) {
            return Ok(http.clone());
        }
        let http = Arc::new(Http::new(route, &self.trust, environment, console, now)?);
        clients.push((route.url.clone(), http.clone()));
        Ok(http)
    }
}

/// Don't reuse a connection that was idle for longer: the other end may have closed it, and a request sent on it would be lost.
const IDLE: Duration = Duration::from_millis(500);

impl Http {
    /// A client for this platform or service. The console gets the warnings about how it is reached.
    ///
    /// # Errors
    /// Fails if this machine has no CA certificates, or those given in their place can't be read (https only), or if the proxy variable in use is not the URL of an http or https proxy.
    fn new(route: Route<'_>, trust: &Trust, environment: &Environment, console: &Console, now: fn() -> SystemTime) -> Result<Self> {
        let url = Url::parse(route.url.as_str()).map_err(|_| Error::new(Kind::Local, "the platform's URL can't be read", ""))?;
        let (variable, proxy) = proxy_of(&url, environment)?.unzip();
        if let Some(name) = variable.filter(|name| route.certificate().is_some() && environment.says(name, is_https)) {
            let next = "Name the proxy by http://: what goes to the platform is encrypted all the same.";
            return Err(Error::input(format!("{name} names a proxy by https, which could ask for the client certificate too"), next));
        }
        let issuer = Arc::new(LastIssuer::default());
        let mut builder = Client::builder()
            .tls_backend_preconfigured(trust.config(route, environment, console, issuer.clone())?)
            .user_agent(concat!("jf-token/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT)
            .pool_idle_timeout(IDLE)
            // Whatever is said of it elsewhere: plain http is allowed to this name because it does not leave the machine.
            .resolve_to_addrs(LOCALHOST, &[(Ipv4Addr::LOCALHOST, 0).into(), (Ipv6Addr::LOCALHOST, 0).into()])
            .no_proxy();
        if let Some(proxy) = proxy {
            builder = builder.proxy(proxy);
        }
        let client = builder.build().map_err(|_| Error::new(Kind::Local, "the HTTP client can't be set up", ""))?;
        let way = Way { proxy: variable, shows: route.shows(), issuer, headers: route.headers().to_vec(), exchanged: Mutex::default() };
        Ok(Self { client, platform: url, way, now })
    }

    /// Sends the request and reads the whole answer. Follows redirects that keep the scheme, the host and the port. `timeout` limits all
    /// hops together; `trace` gets a copy of each, without secrets.
    pub(super) async fn send(&self, asked: &ApiRequest<'_>, timeout: Duration, trace: Option<&Console>) -> Result<ApiResponse> {
        let trace = |line: &dyn Fn() -> String| trace.into_iter().for_each(|console| console.trace(&line()));
        let mut url = Url::parse(&asked.url).map_err(|_| failure::moved(asked, "something that is not a URL"))?;
        let mut shown_url = url.to_string();
        asked.expect_secrets();
        let begun = Instant::now();
        for _ in 0..=MOST_REDIRECTS {
            if url.origin() != self.platform.origin() {
                return Err(failure::moved(asked, url.as_str()));
            }
            let left = timeout.checked_sub(begun.elapsed()).ok_or_else(|| failure::slow_redirects(asked))?;
            let (started, asked_at) = (Instant::now(), Timestamp::from((self.now)()).whole_second());
            trace(&|| {
                format!(
                    "> {} {shown_url}{}{}",
                    asked.method,
                    self.shown_headers(asked),
                    asked.body.map(|body| format!("\n> {}", shown_body(asked, body))).unwrap_or_default()
                )
            });
            let mut response = self.send_to(asked, url.clone(), left).await.map_err(|error| failure::transport(asked, &error))?;
            let status = response.status();
            let (text, is_cut) = match read(&mut response).await {
                Ok(read) => read,
                // A proxy that refuses may hang up before it has read the body. Its status still says that nothing was done.
                Err(_) if status.is_client_error() => Default::default(),
                Err(error) => return Err(failure::transport(asked, &error)),
            };
            let header = |name| response.headers().get(name).and_then(|value: &HeaderValue| value.to_str().ok());
            let content_type = header(CONTENT_TYPE.as_str()).unwrap_or_default().to_owned();
            let answer = ApiResponse::new(asked, status, asked_at, &text, is_cut, content_type);
            trace(&|| format!("< {status} ({} ms)\n< {}", started.elapsed().as_millis(), shown_answer(&answer)));
            if status.is_redirection()
                && let Some(location) = header(LOCATION.as_str())
            {
                url = same_host(&url, location).ok_or_else(|| failure::moved(asked, location))?;
                shown_url = asked.way.clean(url.as_str());
                continue;
            }
            if status.is_success() {
                return Ok(answer);
            }
            let wait = header("retry-after").map(|header| retry_after(header, (self.now)()));
            return Err(failure::status(asked, wait, &answer));
        }
        Err(failure::circle(asked))
    }

    /// The names of the headers that prove who asks; of the token's own also the scheme.
    fn shown_headers(&self, asked: &ApiRequest) -> String {
        let line = |header: &SecretHeader| format!("\n> {}: {HIDDEN}", header.name());
        let own = match asked.auth {
            Auth::Bearer(_) => format!("\n> authorization: Bearer {HIDDEN}"),
            other => other.headers().iter().map(line).collect(),
        };
        own + &self.way.headers.iter().map(line).collect::<String>()
    }

    /// The way to the platform, as far as messages tell of it.
    pub(super) fn way(&self) -> &Way {
        &self.way
    }

    async fn send_to(&self, asked: &ApiRequest<'_>, url: Url, timeout: Duration) -> reqwest::Result<Response> {
        let mut headers = HeaderMap::new();
        for header in &self.way.headers {
            headers.append(header.name().clone(), header.value().clone());
        }
        for header in asked.auth.headers() {
            headers.insert(header.name().clone(), header.value().clone());
        }
        let mut request = self.client.request(asked.method.clone(), url).timeout(timeout);
        if let Some(body) = asked.body {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(asked.body_type));
            request = request.body(body.to_owned());
        }
        request.headers(headers).send().await
    }
}

/// The proxy that the environment asks for, and the variable that does so.
fn proxy_of(platform: &Url, environment: &Environment) -> Result<Option<(&'static str, Proxy)>> {
    // A proxy on another machine can't reach our loopback address, and must not get the credential that was meant for it.
    if is_loopback(platform) {
        return Ok(None);
    }
    let names: &[&'static str] = if platform.scheme() == "https" {
        &["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]
    } else if environment.has("REQUEST_METHOD") {
        // In a CGI program, HTTP_PROXY is the caller's `Proxy` header.
        &["http_proxy", "all_proxy", "ALL_PROXY"]
    } else {
        &["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"]
    };
    for name in names {
        let Some(proxy) = environment.get(name)? else { continue };
        let exceptions = environment.get("no_proxy")?.or(environment.get("NO_PROXY")?).unwrap_or_default();
        let exceptions = exceptions.split([',', ' ', '\t']).filter(|host| !host.is_empty());
        if exceptions.clone().any(|host| host == "*") {
            return Ok(None);
        }
        let exceptions: Vec<_> = exceptions.filter_map(|entry| host_of(entry, platform.port_or_known_default())).collect();
        let wrong = || {
            let next = "Set it to a URL such as http://proxy.example:3128.";
            Error::input(format!("{name} is not the URL of an http or https proxy"), next)
        };
        // A proxy without a scheme is an http one, as elsewhere. A scheme that is not supported matters only if the proxy applies.
        let address = format!("http://{}", proxy.split_once("://").map_or(proxy, |(_, address)| address));
        has_plain_host(&address).then(|| Url::parse(&address).ok()).flatten().ok_or_else(wrong)?;
        let applies = Matcher::builder().all(address).no(exceptions.join(",")).build();
        if platform.as_str().parse().is_ok_and(|uri| applies.intercept(&uri).is_none()) {
            return Ok(None);
        }
        // reqwest would accept `socks5`, but can't speak it.
        if proxy.split_once("://").is_some_and(|(scheme, _)| !matches!(scheme, "http" | "https")) {
            return Err(wrong());
        }
        return Ok(Some((name, Proxy::all(proxy).map_err(|_| wrong())?)));
    }
    Ok(None)
}

fn is_https(proxy: &str) -> bool {
    proxy.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// The host of an entry of `NO_PROXY`; `None` if it is for another port. Other programs also take *.example.com and [::1] there.
fn host_of(entry: &str, port: Option<u16>) -> Option<String> {
    let (host, only) = match entry.rsplit_once(':') {
        // An IPv6 address without brackets has no port.
        Some((host, digits)) if !host.contains(':') || host.ends_with(']') => (host, digits.parse::<u16>().ok()),
        _ => (entry, None),
    };
    let is_meant = only.is_none() || only == port;
    is_meant.then(|| host.trim_start_matches("*.").trim_matches(['[', ']']).to_owned())
}

/// The body as text, and whether it was cut because it is too long.
async fn read(response: &mut Response) -> reqwest::Result<(Zeroizing<String>, bool)> {
    let mut bytes = Zeroizing::new(Vec::new());
    let mut is_cut = false;
    while !is_cut && let Some(chunk) = response.chunk().await? {
        let room = LONGEST_ANSWER - bytes.len();
        is_cut = chunk.len() > room;
        bytes.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
    }
    Ok((Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()), is_cut))
}

/// The redirect's target, if the credential may go there.
fn same_host(from: &Url, location: &str) -> Option<Url> {
    let to = from.join(location).ok()?;
    (to.origin() == from.origin() && to.username().is_empty() && to.password().is_none()).then_some(to)
}

/// A request's body as `--verbose` may show it: as it is sent for a mint, without tokens for a refresh or an exchange.
fn shown_body(asked: &ApiRequest, text: &str) -> String {
    if !matches!(asked.operation, Operation::Refresh | Operation::Exchange) {
        return text.to_owned();
    }
    let json: Option<Value> = serde_json::from_str(text).ok();
    shown_json(json.as_ref(), text)
}

/// An answer as `--verbose` may show it.
pub(super) fn shown_answer(answer: &ApiResponse) -> String {
    shown_json(answer.json.as_ref(), &answer.text)
}

/// JSON in which only the strings of harmless fields are shown, of other text only the length.
fn shown_json(json: Option<&Value>, text: &str) -> String {
    let Some(mut value) = json.cloned() else {
        return if text.trim().is_empty() { "(nothing)".into() } else { format!("({} bytes that are not JSON)", text.len()) };
    };
    hide_texts(&mut value, false);
    without_tokens(&value.to_string())
}

/// Hides every string, except those of harmless fields.
fn hide_texts(value: &mut Value, is_harmless: bool) {
    match value {
        Value::String(text) if !is_harmless => *text = HIDDEN.into(),
        Value::Array(values) => values.iter_mut().for_each(|value| hide_texts(value, is_harmless)),
        Value::Object(fields) => fields.iter_mut().for_each(|(name, value)| hide_texts(value, HARMLESS.contains(&name.as_str()))),
        _ => {}
    }
}
