//! One message a failure: what was asked of which host, what came back, what to do.

use std::error::Error as _;
use std::time::Duration;

use rustls::CertificateError as Certificate;
use serde_json::Value;

use super::exchange::{Answer, Exchange};
use crate::error::{Error, Fate, Kind};
use crate::redact::{one_line, without};

/// "`METHOD URL`: what came", and what to do.
fn fail(exchange: &Exchange, kind: Kind, fate: Fate, came: &str, next: &str) -> Error {
    Error::new(kind, format!("{} {}: {came}", exchange.method, exchange.url), next).with_fate(fate)
}

/// Nothing, or not all, came back.
pub(super) fn transport(exchange: &Exchange, proxy: Option<&str>, error: &reqwest::Error) -> Error {
    let fate = if error.is_connect() { Fate::NotSent } else { Fate::Lost };
    let unreachable = |fate, came: &str, next: &str| fail(exchange, Kind::Unreachable, fate, came, next);
    let proxy = proxy.map(|name| format!(" Requests go through the proxy in {name}; NO_PROXY takes a host out.")).unwrap_or_default();
    let words = chain(error);
    let says = |text: &str| words.contains(text);

    if let Some(wrong) = certificate(error) {
        // The same certificate will be there the next time.
        let wrong_certificate = |came: &str, next: &str| unreachable(Fate::Final, came, &format!("{next}{proxy}"));
        return match wrong {
            Certificate::UnknownIssuer | Certificate::BadSignature => wrong_certificate(
                "the TLS certificate is from a CA that this machine does not know",
                "Set SSL_CERT_FILE to a PEM file that holds the CA, or add it to the system's.",
            ),
            Certificate::Expired | Certificate::ExpiredContext { .. } => {
                wrong_certificate("the TLS certificate has expired", "Renew it on the server; if it is fresh, set this machine's clock.")
            }
            Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
                wrong_certificate("the TLS certificate is not valid yet", "Set this machine's clock, or the server's certificate.")
            }
            Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
                wrong_certificate("the TLS certificate is for another host name", "Use the name that the certificate is for in --url.")
            }
            _ => wrong_certificate(
                "the TLS certificate is not valid",
                "A self-signed one that is a CA is not taken as a server's: sign the server's by a CA of its own. openssl s_client -connect HOST:PORT shows it.",
            ),
        };
    }
    if says("refused") {
        return unreachable(fate, "the connection was refused", &format!("Is the platform up, and the port in --url right?{proxy}"));
    }
    if says("proxy auth") || says("tunnel") || says("unsuccessful") {
        let next = format!("Check the proxy's address, user and password.{proxy}");
        return unreachable(fate, "the proxy did not let the request through", &next);
    }
    if error.is_timeout() {
        let came = if error.is_connect() { "no connection within 10 seconds" } else { "no answer in time" };
        return unreachable(fate, came, &format!("Is the platform up? A firewall may swallow packets.{proxy}"));
    }
    if says("dns error") || says("lookup address") {
        return unreachable(fate, "the host name is not known", &format!("Check --url, and this machine's DNS.{proxy}"));
    }
    if error.is_connect() {
        return unreachable(fate, "no TLS connection came about", &format!("Does that port speak https?{proxy}"));
    }
    unreachable(
        fate,
        "the connection broke before the whole answer was here",
        &format!("The network, a load balancer or a proxy cut it.{proxy}"),
    )
}

/// An answer with a status that is no success.
pub(super) fn status(exchange: &Exchange, proxy: Option<&str>, wait: Option<Duration>, answer: &Answer) -> Error {
    let status = answer.status;
    let message = message_of(exchange, answer);
    let says = |words: &str| message.as_deref().unwrap_or_default().to_lowercase().contains(words);
    let (kind, fate, next) = match status.as_u16() {
        400 => (Kind::Refused, Fate::Final, "The platform did not take an input; its words above say which."),
        401 if says("expired") => {
            (Kind::Refused, Fate::Final, "The credential has expired: put a new access token into the secret it comes from.")
        }
        401 if says("signature") => (
            Kind::Refused,
            Fate::Final,
            "The credential was signed by another platform, or with a key that was changed since: check --url, and make a new access token.",
        ),
        401 if says("audience") => (
            Kind::Refused,
            Fate::Final,
            "The credential is not for this service: it needs the audience *@* or jfac@*, and must not be from the old /artifactory/api/security/token.",
        ),
        401 => (
            Kind::Refused,
            Fate::Final,
            "The platform does not know the credential: is the access token whole, of this platform, and not revoked?",
        ),
        403 => (
            Kind::Refused,
            Fate::Final,
            "The credential may not do this: only an admin's token may ask for another user, for groups or for admin rights; anyone else may ask for themselves with the scope applied-permissions/user.",
        ),
        404 => (
            Kind::Refused,
            Fate::Final,
            "Is this the URL of a JFrog platform? It is the part before /artifactory or /ui, and access tokens need Artifactory 7.21.1 or later.",
        ),
        407 => (Kind::Unreachable, Fate::Final, "The proxy wants a user and a password: put them into the proxy's URL."),
        429 | 503 => (
            Kind::Unusable,
            Fate::Busy(wait),
            "The platform is busy or being restarted: try again later, or give more time with --retry-for.",
        ),
        500 | 502 | 504 => {
            (Kind::Unusable, Fate::Lost, "The fault is on the platform's side or in front of it: try again later, and look at its log.")
        }
        500.. => (Kind::Unusable, Fate::Final, "The fault is on the platform's side or in front of it: look at its log."),
        _ => (Kind::Refused, Fate::Final, "That is no answer of JFrog Access: check --url, and what stands in front of it."),
    };
    let repeats_the_status = message.as_deref() == status.canonical_reason();
    let later = wait.map(|wait| format!(", to be asked again in {} s", wait.as_secs())).unwrap_or_default();
    let words = message.clone().unwrap_or_else(|| {
        if answer.text.trim().is_empty() { "with nothing in it".into() } else { "with a page that is no JFrog error".into() }
    });
    let mut error = fail(
        exchange,
        kind,
        fate,
        &if repeats_the_status { format!("{status}{later}") } else { format!("{status}, {words}{later}") },
        next,
    );
    if let Some(proxy) = proxy
        && message.is_none()
    {
        error = error.with_advice(&format!("It may have come from the proxy in {proxy}."));
    }
    error.answered(status.as_u16(), message.filter(|_| is_the_platforms(answer)))
}

/// A look-up that the platform itself answered with 404, which says nothing of the URL.
pub(super) fn not_stored(error: Error) -> Error {
    if error.status() != Some(404) || error.said().is_none() {
        return error;
    }
    error.with_next("The platform keeps no record of this token: it was revoked, or is so short-lived (3 hours unless configured otherwise) that it is not stored.")
}

/// A refresh that failed: what the advice for a mint would say is of no use here.
pub(super) fn not_refreshed(error: Error) -> Error {
    if super::is_spent(&error) {
        return error.with_next("A refresh token works once, and this one was used before.");
    }
    match (error.kind(), error.fate()) {
        (Kind::Refused, _) => error.with_next("The platform does not let this token be refreshed."),
        (_, Fate::Lost) => {
            error.with_advice("The refresh token works once: if the platform did the work, it is spent, and the old token is dead.")
        }
        _ => error,
    }
}

/// A redirect that the credential must not follow.
pub(super) fn moved(exchange: &Exchange, to: &str) -> Error {
    let to = crate::inputs::shown(to);
    fail(
        exchange,
        Kind::Refused,
        Fate::Final,
        &format!("redirected to {to}"),
        "The credential is not sent on to another host: if that is the platform, give it as --url.",
    )
}

/// More redirects than any platform needs.
pub(super) fn circle(exchange: &Exchange) -> Error {
    fail(
        exchange,
        Kind::Refused,
        Fate::Final,
        "redirected again and again",
        "Check --url, and the redirects of what stands in front of the platform.",
    )
}

/// 200, and a body that is no JSON object with a token.
pub(super) fn no_token(exchange: &Exchange, answer: &Answer) -> Error {
    if serde_json::from_str::<Value>(&answer.text).is_err() {
        return not_json(exchange, answer);
    }
    fail(exchange, Kind::Unusable, Fate::Final, "the answer holds no access token", "Is this the URL of a JFrog platform?")
}

/// 200, and a body that is no JSON.
pub(super) fn not_json(exchange: &Exchange, answer: &Answer) -> Error {
    let kind = if answer.text.trim_start().starts_with('<') { "an HTML page" } else { "not JSON" };
    let next = "A login page or a proxy may stand in front of the platform: check --url, and that nothing intercepts it.";
    fail(exchange, Kind::Unusable, Fate::Final, &format!("the answer is {kind}"), next)
}

/// Whether the body is one that JFrog's services send: what stands in front of them has other ways to say 404.
fn is_the_platforms(answer: &Answer) -> bool {
    let body: Value = serde_json::from_str(&answer.text).unwrap_or_default();
    body.get("errors").is_some_and(Value::is_array) || (body.get("code").is_some() && body.get("message").is_some())
}

/// The platform's own words, from the six shapes that have some; the seventh is HTML.
fn message_of(exchange: &Exchange, answer: &Answer) -> Option<String> {
    let text = answer.text.trim();
    let words = match serde_json::from_str::<Value>(text) {
        Ok(value) => {
            let error = value.get("errors").and_then(|errors| errors.get(0)).unwrap_or(&value);
            let part = |name| error.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
            let words = part("message").or(part("error_description")).or(part("error"))?;
            part("detail").map_or_else(|| words.to_owned(), |detail| format!("{words} ({detail})"))
        }
        Err(_) if answer.content_type.contains("html") || text.contains('<') || text.lines().count() != 1 => return None,
        Err(_) => text.to_owned(),
    };
    // A server may echo what it got: one line, not long, so that it is no workflow command either.
    let line: String = one_line(&words).chars().take(300).collect();
    Some(without(&line, exchange.bearer))
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

/// What rustls has against the server's certificate, wherever it sits in the chain.
fn certificate(error: &reqwest::Error) -> Option<Certificate> {
    let mut source = error.source();
    while let Some(mut error) = source {
        // An io::Error hides what it wraps from the chain.
        while let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            error = inner;
        }
        if let Some(rustls::Error::InvalidCertificate(wrong)) = error.downcast_ref() {
            return Some(wrong.clone());
        }
        source = error.source();
    }
    None
}
