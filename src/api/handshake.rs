//! What a failure of TLS means: the server's certificate is wrong, it refuses ours, or it speaks another version.

use std::error::Error as _;

use rustls::{AlertDescription as Alert, CertificateError as Certificate, Error as Tls, PeerIncompatible};

use super::issuer::Issuer;
use super::request::{ApiResponse, Way};
use super::transport::Shows;

/// What was wrong, and what to do. The next try would meet the same.
pub(super) struct Explained {
    pub came: String,
    pub help: String,
}

fn explained(came: impl Into<String>, help: impl Into<String>) -> Explained {
    Explained { came: came.into(), help: help.into() }
}

/// What TLS found wrong. `None` if it is nothing that has words of its own.
pub(super) fn explain(error: &reqwest::Error, way: &Way) -> Option<Explained> {
    match cause(error)? {
        Tls::InvalidCertificate(wrong) => Some(certificate(kind(wrong), way.issuer.get())),
        Tls::AlertReceived(alert) => refused(*alert, &way.shows),
        Tls::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13 | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => Some(old()),
        _ => None,
    }
}

/// What the verifiers of macOS and Windows have no kind for has the system's own number at its end: an `OSStatus` (`SecBase.h`), or an
/// `HRESULT` (`winerror.h`).
fn kind(wrong: &Certificate) -> &Certificate {
    static KINDS: [(&str, Certificate); 4] = [
        // errSecNotTrusted, CERT_E_CHAINING, errSecCertificateExpired, errSecCertificateNotValidYet
        ("-67843", Certificate::UnknownIssuer),
        ("-2146762486", Certificate::UnknownIssuer),
        ("-67818", Certificate::Expired),
        ("-67819", Certificate::NotValidYet),
    ];
    let Certificate::Other(other) = wrong else { return wrong };
    let text = other.to_string();
    let number = text.trim_end_matches(')').rsplit(' ').next();
    KINDS.iter().find(|(of, _)| number == Some(of)).map_or(wrong, |(_, kind)| kind)
}

fn certificate(wrong: &Certificate, issuer: Issuer) -> Explained {
    match wrong {
        Certificate::UnknownIssuer | Certificate::BadSignature if issuer.is_self => explained(
            "the TLS certificate is self-signed, and this machine does not know it",
            "Have a CA sign the server's certificate, or give this one as a PEM file by --ca-file, or add it to the system's.",
        ),
        Certificate::UnknownIssuer | Certificate::BadSignature => explained(
            match issuer.name {
                Some(name) => format!("the TLS certificate is issued by a CA that this machine does not know: {name}"),
                None => "the TLS certificate is issued by a CA that this machine does not know".into(),
            },
            "Give the CA as a PEM file by --ca-file, or add it to the system's.",
        ),
        Certificate::Expired | Certificate::ExpiredContext { .. } => {
            explained("the TLS certificate has expired", "Renew it on the server; if it is fresh, set this machine's clock.")
        }
        Certificate::NotValidYet | Certificate::NotValidYetContext { .. } => {
            explained("the TLS certificate is not valid yet", "Check this machine's clock and the server's certificate.")
        }
        Certificate::NotValidForName | Certificate::NotValidForNameContext { .. } => {
            explained("the TLS certificate is for another host name", "Use the name that the certificate is for in --url.")
        }
        _ if issuer.is_self => explained(
            "the TLS certificate is self-signed, and not valid for a server",
            "A CA's certificate is not accepted as a server's: have a CA sign the server's certificate.",
        ),
        _ => explained("the TLS certificate is not valid", "openssl s_client -connect HOST:PORT shows it."),
    }
}

fn old() -> Explained {
    explained(
        "the server speaks neither TLS 1.3 nor TLS 1.2, but only an older version such as TLS 1.1",
        "Switch TLS 1.2 or 1.3 on at the server, or at what stands in front of it: the older versions are broken.",
    )
}

/// The server ended the handshake with this alert.
fn refused(alert: Alert, shows: &Shows) -> Option<Explained> {
    let why = match alert {
        Alert::ProtocolVersion => return Some(old()),
        Alert::UnrecognisedName => {
            let help = "Use the name that the server is known by in --url.";
            return Some(explained("the server knows no host of this name (TLS alert unrecognized_name)", help));
        }
        Alert::CertificateRequired => return Some(wanted(shows, "")),
        Alert::NoCertificate | Alert::BadCertificate | Alert::HandshakeFailure if !matches!(shows, Shows::This(_)) => {
            let unsure = if alert == Alert::HandshakeFailure { "; or the two have no cipher in common" } else { "" };
            return Some(wanted(shows, unsure));
        }
        Alert::UnknownCA => "it does not know the CA that signed it: is it for this server, and is the chain in the file?",
        Alert::CertificateExpired => "it has expired, or is not valid yet",
        Alert::CertificateRevoked => "it is revoked",
        Alert::AccessDenied => "it may not enter",
        Alert::BadCertificate | Alert::UnsupportedCertificate | Alert::CertificateUnknown | Alert::DecryptError => {
            "is it for this server, for clients (clientAuth), and valid now?"
        }
        Alert::HandshakeFailure => "or the two have no cipher in common",
        _ => return None,
    };
    Some(match shows {
        Shows::This(source) => explained(
            format!("the server refused the client certificate that {source} gives"),
            format!("What it says: {why}.").replace("?.", "?"),
        ),
        _ => explained(format!("the server ended the TLS handshake ({alert:?})"), "Its log says why."),
    })
}

/// The server wants a client certificate.
fn wanted(shows: &Shows, unsure: &str) -> Explained {
    let came = format!("the server wants a client certificate{unsure}");
    match shows {
        Shows::None => explained(came, "Give one by --client-cert-path and --client-cert-key-path."),
        Shows::This(source) => explained(
            format!("the server wants another client certificate than the one that {source} gives"),
            "It must be signed by a CA that the server accepts, and the chain must be in the file.",
        ),
        Shows::NotHere(source) => explained(
            came,
            format!("The one that {source} gives is shown only to the platform that --url names, by https: is this the one?"),
        ),
    }
}

/// The same, said in HTTP by nginx, which lets every client in first: 400, or 495 and 496 where it is so configured.
pub(super) fn said_in_http(response: &ApiResponse, way: &Way) -> Option<Explained> {
    let says = |text: &str| response.text.contains(text);
    match response.status.as_u16() {
        496 => Some(wanted(&way.shows, "")),
        400 if says("No required SSL certificate was sent") => Some(wanted(&way.shows, "")),
        495 => refused(Alert::BadCertificate, &way.shows),
        400 if says("The SSL certificate error") => refused(Alert::BadCertificate, &way.shows),
        _ => None,
    }
}

/// What rustls says, wherever it is in the chain of causes.
fn cause(error: &reqwest::Error) -> Option<&Tls> {
    let mut source = error.source();
    while let Some(mut error) = source {
        // The chain of causes skips what an `io::Error` wraps.
        while let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            error = inner;
        }
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        source = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;

    #[test]
    fn what_the_verifiers_of_macos_and_windows_say_is_understood() {
        // As rustls-platform-verifier 0.7 puts them together.
        for (text, words) in [
            ("\u{201c}localhost\u{201d} certificate is not trusted: -67843", "issued by a CA that this machine does not know: Acme CA"),
            ("\u{201c}localhost\u{201d} certificate is expired: -67818", "has expired"),
            ("\u{201c}localhost\u{201d} certificate is not valid yet: -67819", "is not valid yet"),
            (
                "A certificate chain could not be built to a trusted root authority. (os error -2146762486)",
                "issued by a CA that this machine does not know: Acme CA",
            ),
            ("certificate is not standards compliant: -67901", "the TLS certificate is not valid"),
            ("CaUsedAsEndEntity", "the TLS certificate is not valid"),
        ] {
            let wrong = Certificate::Other(OtherError(Arc::from(Box::from(text))));
            let issuer = Issuer { is_self: false, name: Some("Acme CA".into()) };
            let explained = certificate(kind(&wrong), issuer);
            assert!(explained.came.ends_with(words), "{text}: {}", explained.came);
        }
    }
}
