//! Token formats and the signing key.

use std::sync::OnceLock;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rand::{Rng, distributions::Alphanumeric, rngs::OsRng};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256};
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde::{Deserialize, Serialize};
use tokio_rustls::rustls::pki_types::PrivatePkcs8KeyDer;

use crate::jwt::{self, Compact};

/// The claims of an access token, in Access's order.
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Claims {
    pub sub: String,
    pub scp: String,
    pub aud: Audience,
    pub iss: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    pub iat: i64,
    pub jti: String,
    /// JSON in a string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ext: Option<String>,
}

/// `aud`: a string for one audience, an array for several.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Many(Vec<String>),
}

impl Default for Audience {
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

impl Audience {
    pub(crate) fn new(list: &str) -> Self {
        match list.split(' ').map(str::to_owned).collect::<Vec<_>>() {
            many if many.len() > 1 => Self::Many(many),
            _ => Self::One(list.to_owned()),
        }
    }

    /// Whether it includes this platform's service of this type (`jfac`, `jfrt`).
    pub(crate) fn includes(&self, service: &str) -> bool {
        let list = match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        };
        list.iter().filter_map(|a| a.split_once('@')).any(|(kind, id)| (kind == "*" || kind == service) && (id == "*" || id == instance()))
    }
}

impl Claims {
    /// The user name in the subject.
    pub(crate) fn username(&self) -> &str {
        if self.sub.starts_with("jfrt@") || self.sub.contains("/users/") {
            self.sub.rsplit('/').next().unwrap_or(&self.sub)
        } else {
            &self.sub
        }
    }

    pub(crate) fn expired(&self, now: i64) -> bool {
        self.exp.is_some_and(|exp| exp <= now)
    }
}

struct Key {
    /// From ring, which signs several times as fast as rsa: every benchmark includes that time.
    signing: ring::rsa::KeyPair,
    header: String,
    instance: String,
    root: rcgen::Certificate,
}

/// One key per process, because generating it is slow.
fn key() -> &'static Key {
    static KEY: OnceLock<Key> = OnceLock::new();
    KEY.get_or_init(|| {
        let pkcs8 = jwt::new_rsa_key();
        let pair = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8.as_bytes()), &PKCS_RSA_SHA256)
            .expect("RSA key for the root certificate");
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "JFrog Token Issuer");
        let kid = jwt::new_kid();
        Key {
            signing: ring::rsa::KeyPair::from_pkcs8(pkcs8.as_bytes()).expect("RSA key for ring"),
            header: URL_SAFE_NO_PAD.encode(format!(r#"{{"ver":"2","typ":"JWT","alg":"RS256","kid":"{kid}"}}"#)),
            instance: format!("01{}", random_text(24).to_lowercase()),
            root: params.self_signed(&pair).expect("root certificate"),
        }
    })
}

/// The id of this platform, as in `jfac@<id>`.
pub(crate) fn instance() -> &'static str {
    &key().instance
}

/// The certificate for verifying tokens.
pub(crate) fn root_certificate() -> &'static rcgen::Certificate {
    &key().root
}

pub(crate) fn sign(claims: &impl Serialize) -> String {
    // Access escapes slashes in the claims (seen in vault-plugin#50); serde does not.
    let claims = serde_json::to_string(claims).expect("claims are JSON").replace('/', "\\/");
    let key = key();
    let message = format!("{}.{}", key.header, URL_SAFE_NO_PAD.encode(claims));
    let signature = jwt::rs256(&key.signing, &message);
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Checks only the format and the signature; the error is the word after "Invalid token, ".
pub(crate) fn verify(token: &str) -> Result<Claims, &'static str> {
    let token = Compact::parse(token).ok_or("parse")?;
    let claims = serde_json::from_value(token.claims).map_err(|_| "parse")?;
    let public = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key().signing.public());
    if token.header["alg"] != "RS256" || public.verify(token.message.as_bytes(), &token.signature).is_err() {
        return Err("signature");
    }
    Ok(claims)
}

/// A token id or a refresh token: a version 4 UUID.
pub(crate) fn uuid() -> String {
    let n = OsRng.r#gen::<u128>() & !(0xf << 76) | (4 << 76);
    let n = n & !(3 << 62) | (2 << 62);
    let hex = format!("{n:032x}");
    [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| &hex[part]).join("-")
}

/// A reference token: always 64 characters.
pub(crate) fn reference(exp: Option<i64>) -> String {
    STANDARD.encode(format!("reftkn:01:{:010}:{}", exp.unwrap_or(0), random_text(27)))
}

pub(crate) fn random_text(len: usize) -> String {
    OsRng.sample_iter(Alphanumeric).take(len).map(char::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_those_of_access() {
        assert_eq!(reference(None).len(), 64);
        assert!(reference(Some(1_999_999_999)).starts_with("cmVmdGtuOjAxO"));
        assert_eq!(uuid().len(), 36);
        assert_eq!(uuid().as_bytes()[14], b'4');

        let token = sign(&Claims { sub: "jfac@x/users/bob".into(), ..Claims::default() });
        let parts: Vec<_> = token.split('.').map(|p| URL_SAFE_NO_PAD.decode(p).unwrap_or_default()).collect();
        let header = String::from_utf8_lossy(&parts[0]);
        assert!(header.starts_with(r#"{"ver":"2","typ":"JWT","alg":"RS256","kid":""#), "{header}");
        assert!(String::from_utf8_lossy(&parts[1]).starts_with(r#"{"sub":"jfac@x\/users\/bob","scp":"""#));
        assert_eq!(verify(&token).map(|c| c.username().to_owned()).as_deref(), Ok("bob"));
        let (signed, signature) = token.rsplit_once('.').unwrap_or_default();
        assert_eq!(verify(&format!("{signed}.{}{}", &signature[..signature.len() - 8], "AAAAAAAA")).map(drop), Err("signature"));
        assert_eq!(verify("AKCp8abc").map(drop), Err("parse"));
    }
}
