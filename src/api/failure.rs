//! The message for each failure: what was asked of which host, what came back, and what to do.

use std::error::Error as _;
use std::time::Duration;

use super::handshake::{self, Explained};
use super::refusal::{advice, classify, is_the_platforms, words_of};
use super::request::{ApiRequest, ApiResponse, Operation};
use crate::error::{Error, Kind, Outcome};
use crate::io::clock::RetryAfter;
use crate::options::shown;

/// An error whose message is "`METHOD URL`: `came`", and that says what to do.
fn fail(request: &ApiRequest, kind: Kind, outcome: Outcome, came: &str, help: &str) -> Error {
    // What is to be done about a certificate is the same everywhere; the rest is about the platform.
    let is_of_the_ci = request.operation == Operation::Identity && !came.contains("certificate");
    let help = if is_of_the_ci { OF_THE_CI } else { help };
    let error = Error::new(kind, format!("{} {}: {came}", request.method, request.without_query()), help).with_outcome(outcome);
    if request.operation == Operation::Refresh && outcome == Outcome::Unknown {
        return error.with_advice("The refresh token works once: if the platform did the work, it is spent, and the old token is dead.");
    }
    error
}

const OF_THE_CI: &str =
    "This is the CI's own service for identity tokens, not the platform: is the job over already, or the CI in trouble? Then run it again.";

/// An answer of the CI without an identity token.
pub(super) fn no_identity_token(request: &ApiRequest, field: &str) -> Error {
    fail(request, Kind::Unusable, Outcome::Final, &format!("the answer holds no identity token under '{field}'"), "")
}

/// JSON, but not of an OIDC provider or its identity mappings.
pub(super) fn not_a_configuration(request: &ApiRequest) -> Error {
    let came = "the answer is not what describes an OIDC provider, or its identity mappings";
    fail(request, Kind::Unusable, Outcome::Final, came, "Is this the URL of a JFrog platform, of a version that has OpenID Connect?")
}

/// No answer came back, or not all of it.
pub(super) fn transport(request: &ApiRequest, error: &reqwest::Error) -> Error {
    let outcome = if error.is_connect() { Outcome::NotSent } else { Outcome::Unknown };
    let unreachable = |outcome, came: &str, help: &str| fail(request, Kind::Unreachable, outcome, came, help);
    let proxy = request.way.hint_at_the_proxy();
    let words = chain(error);
    let says = |text: &str| words.contains(text);

    if let Some(Explained { came, help }) = handshake::explain(error, request.way) {
        // Final: the same certificates will be there the next time.
        return unreachable(Outcome::Final, &came, &format!("{help}{proxy}"));
    }
    // What could not be reached is the proxy, where there is one.
    let (refused, unknown) = if proxy.is_empty() {
        (
            ("the connection was refused", "Is the platform up, and the port in --url right?"),
            ("the host name can't be resolved", "Check --url, and this machine's DNS."),
        )
    } else {
        (
            ("the proxy refused the connection", "Is it up, and its port right?"),
            ("the proxy's host name can't be resolved", "Check it, and this machine's DNS."),
        )
    };
    if says("refused") {
        return unreachable(outcome, refused.0, &format!("{}{proxy}", refused.1));
    }
    if says("dns error") || says("lookup address") {
        return unreachable(outcome, unknown.0, &format!("{}{proxy}", unknown.1));
    }
    if says("proxy auth") {
        let next = format!("Put them into the proxy's URL, percent-encoded: http://USER:PASSWORD@HOST:PORT.{proxy}");
        return unreachable(Outcome::Final, "the proxy wants a user and a password, or others than it got (407)", &next);
    }
    if says("tunnel") || says("unsuccessful") {
        let next = format!(
            "It answered with an error or a page of its own: are user and password right, and does it allow this host and port?{proxy}"
        );
        return unreachable(outcome, "the proxy did not let the request through", &next);
    }
    if error.is_timeout() {
        let came = if error.is_connect() { "no connection within 10 seconds" } else { "no answer in time" };
        return unreachable(outcome, came, &format!("Is the platform up? A firewall may swallow packets.{proxy}"));
    }
    if error.is_connect() {
        return unreachable(outcome, "the TLS handshake failed", &format!("Does that port speak https?{proxy}"));
    }
    unreachable(
        outcome,
        "the connection broke before the whole answer had arrived",
        &format!("The network, a load balancer or a proxy cut it.{proxy}"),
    )
}

/// The wait when a platform asks for one and its `Retry-After` can't be read.
const DEFAULT_WAIT: Duration = Duration::from_secs(5);

/// The answer's status is not a success. `asked` is its `Retry-After`.
pub(super) fn status(request: &ApiRequest, asked: Option<RetryAfter>, response: &ApiResponse) -> Error {
    let status = response.status;
    if let Some(Explained { came, help }) = handshake::said_in_http(response, request.way) {
        return fail(request, Kind::Refused, Outcome::Final, &format!("{came} ({})", status.as_u16()), &help)
            .answered(status.as_u16(), None);
    }
    let words = words_of(response);
    let from_platform = words.is_some() && is_the_platforms(response);
    let wait = asked.map(|asked| if let RetryAfter::Wait(wait) = asked { wait } else { DEFAULT_WAIT });
    let refusal = classify(status.as_u16(), words.as_deref().unwrap_or_default());
    let (kind, outcome, help) = match status.as_u16() {
        407 => (Kind::Unreachable, Outcome::Final, "The proxy wants a user and a password: put them into the proxy's URL."),
        429 | 503 => (
            Kind::Unusable,
            Outcome::Busy(wait),
            "The platform is busy or being restarted: try again later, or give more time with --retry-for.",
        ),
        500 | 502 | 504 => (
            Kind::Unusable,
            Outcome::Unknown,
            "The fault is on the platform's side or in front of it: try again later, and look at its log.",
        ),
        500.. => (Kind::Unusable, Outcome::Final, "The fault is on the platform's side or in front of it: look at its log."),
        _ => (Kind::Refused, Outcome::Final, advice(request.operation, refusal, from_platform)),
    };
    let repeats_the_status = words.as_deref() == status.canonical_reason();
    let later = match asked {
        None => String::new(),
        Some(RetryAfter::Unreadable) => ", asking to wait, with a Retry-After that can't be read".into(),
        Some(RetryAfter::Wait(wait)) => format!(", asking to wait {} s", wait.as_secs()),
    };
    let said = words.clone().unwrap_or_else(|| {
        if response.text.trim().is_empty() { "with nothing in it".into() } else { "with a page that is not a JFrog error".into() }
    });
    let mut error = fail(
        request,
        kind,
        outcome,
        &if repeats_the_status { format!("{status}{later}") } else { format!("{status}, {said}{later}") },
        help,
    );
    if words.is_none() && request.way.proxy.is_some() {
        error = error.with_advice(request.way.may_be_the_proxys().trim_start());
    }
    error.answered(status.as_u16(), from_platform.then_some(refusal))
}

/// A redirect that the credential must not follow.
pub(super) fn moved(request: &ApiRequest, to: &str) -> Error {
    let to = shown(&request.way.clean(to));
    fail(
        request,
        Kind::Refused,
        Outcome::Final,
        &format!("redirected to {to}"),
        &format!(
            "The credential is not sent on to another host: if that is the platform, give it as --url.{}",
            request.way.may_be_the_proxys()
        ),
    )
}

/// Redirects that took all the time. Each says that nothing was done yet.
pub(super) fn slow_redirects(request: &ApiRequest) -> Error {
    let help = format!("Is the platform up, and what stands in front of it?{}", request.way.hint_at_the_proxy());
    fail(request, Kind::Unreachable, Outcome::NotSent, "redirected until the time was over", &help)
}

/// More redirects than any platform needs.
pub(super) fn circle(request: &ApiRequest) -> Error {
    fail(
        request,
        Kind::Refused,
        Outcome::Final,
        "redirected again and again",
        "Check --url, and the redirects of what stands in front of the platform.",
    )
}

/// A success, but no token can be read in its body. Unless the body is another program's page, the token may have been created.
pub(super) fn no_token(request: &ApiRequest, response: &ApiResponse) -> Error {
    let text = response.text.trim_start_matches(|c: char| c.is_whitespace() || c == '\u{feff}');
    let done = |came: &str, help: &str| fail(request, Kind::Unusable, Outcome::Unknown, came, help);
    let cut_by = "What stands in front of the platform may have cut or changed it.";
    match text.chars().next() {
        _ if response.json.is_some() => done("the answer holds no access token", "Is this the URL of a JFrog platform?"),
        None => done("the answer is empty", cut_by),
        Some('{') if response.is_cut => done("the answer is too long to be read", cut_by),
        Some('{') => done("the answer is JSON that ends early or can't be read", cut_by),
        _ => not_json(request, response),
    }
}

/// A success with a body that is not JSON.
pub(super) fn not_json(request: &ApiRequest, response: &ApiResponse) -> Error {
    let kind = if response.text.trim_start().starts_with('<') { "an HTML page" } else { "not JSON" };
    let next = "A login page or a proxy may stand in front of the platform: check --url, and that nothing intercepts it.";
    fail(request, Kind::Unusable, Outcome::Final, &format!("the answer is {kind}"), &format!("{next}{}", request.way.may_be_the_proxys()))
}

fn chain(error: &reqwest::Error) -> String {
    let mut words = String::new();
    let mut source = error.source();
    while let Some(error) = source {
        words.push_str(&error.to_string().to_lowercase());
        words.push('\n');
        source = error.source();
    }
    words
}
