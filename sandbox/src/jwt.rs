//! Signed JWTs: keys, key sets, signatures.

use std::sync::{Arc, Mutex, PoisonError};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rand::{Rng, rngs::OsRng};
use ring::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaPair, PublicKeyComponents},
    signature::{
        ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
        UnparsedPublicKey,
    },
};
use rsa::{
    RsaPrivateKey,
    pkcs8::{EncodePrivateKey, SecretDocument},
};
use serde::Deserialize;
use serde_json::{Value, json};

/// How an identity token is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signature {
    /// With the issuer's RSA key.
    Rs256,
    /// With the issuer's P-256 key.
    Es256,
    /// With a key of someone else, under the id of the issuer's P-256 key.
    Foreign,
    /// Not at all: `"alg":"none"`.
    Unsigned,
}

/// An issuer's keys.
pub(crate) struct Keys {
    rsa: Arc<RsaPair>,
    rsa_kid: String,
    p256: EcdsaKeyPair,
    p256_kid: String,
}

impl Keys {
    /// Keys of the same generation share the RSA key.
    pub(crate) fn new(generation: usize) -> Self {
        Self { rsa: rsa_key(generation), rsa_kid: new_kid(), p256: new_p256_key(), p256_kid: new_kid() }
    }

    /// The public keys, as in `jwks_uri`.
    pub(crate) fn public(&self) -> Value {
        let rsa = PublicKeyComponents::<Vec<u8>>::from(self.rsa.public());
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        // After the byte 4, for uncompressed, come both coordinates.
        let (x, y) = self.p256.public_key().as_ref()[1..].split_at(32);
        json!({"keys": [
            {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.rsa_kid, "n": encode(&rsa.n), "e": encode(&rsa.e)},
            {"kty": "EC", "use": "sig", "alg": "ES256", "kid": self.p256_kid, "crv": "P-256", "x": encode(x), "y": encode(y)},
        ]})
    }

    pub(crate) fn sign(&self, how: Signature, claims: &Value) -> String {
        let (alg, kid) = match how {
            Signature::Rs256 => ("RS256", Some(&self.rsa_kid)),
            Signature::Es256 | Signature::Foreign => ("ES256", Some(&self.p256_kid)),
            Signature::Unsigned => ("none", None),
        };
        let header = json!({"typ": "JWT", "alg": alg, "kid": kid});
        let part = |json: &Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let message = format!("{}.{}", part(&header), part(claims));
        let signature = match how {
            Signature::Rs256 => rs256(&self.rsa, &message),
            Signature::Es256 => es256(&self.p256, &message),
            Signature::Foreign => es256(&new_p256_key(), &message),
            Signature::Unsigned => Vec::new(),
        };
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// One RSA key per process and generation, because generating it is slow.
fn rsa_key(generation: usize) -> Arc<RsaPair> {
    static KEYS: Mutex<Vec<Arc<RsaPair>>> = Mutex::new(Vec::new());
    let mut keys = KEYS.lock().unwrap_or_else(PoisonError::into_inner);
    while keys.len() <= generation {
        keys.push(Arc::new(RsaPair::from_pkcs8(new_rsa_key().as_bytes()).expect("RSA key for ring")));
    }
    keys[generation].clone()
}

pub(crate) fn new_rsa_key() -> SecretDocument {
    let private = RsaPrivateKey::new(&mut OsRng, 2048).expect("RSA key");
    private.to_pkcs8_der().expect("PKCS#8")
}

fn new_p256_key() -> EcdsaKeyPair {
    let random = SystemRandom::new();
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("P-256 key");
    EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.as_ref(), &random).expect("P-256 key")
}

/// 43 characters, like the ids of Access's keys.
pub(crate) fn new_kid() -> String {
    URL_SAFE_NO_PAD.encode(OsRng.r#gen::<[u8; 32]>())
}

pub(crate) fn rs256(key: &RsaPair, message: &str) -> Vec<u8> {
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message.as_bytes(), &mut signature).expect("RS256");
    signature
}

fn es256(key: &EcdsaKeyPair, message: &str) -> Vec<u8> {
    key.sign(&SystemRandom::new(), message.as_bytes()).expect("ES256").as_ref().to_vec()
}

/// A JWT whose signature is not checked yet.
pub(crate) struct Compact<'a> {
    /// What is signed.
    pub message: &'a str,
    pub header: Value,
    pub claims: Value,
    pub signature: Vec<u8>,
}

impl<'a> Compact<'a> {
    pub(crate) fn parse(token: &'a str) -> Option<Self> {
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let (message, signature) = token.rsplit_once('.')?;
        let (header, claims) = message.split_once('.')?;
        Some(Self {
            message,
            header: serde_json::from_slice(&decode(header)?).ok()?,
            claims: serde_json::from_slice(&decode(claims)?).ok()?,
            signature: decode(signature)?,
        })
    }
}

/// A public key of a key set.
#[derive(Clone, Deserialize)]
pub(crate) struct Jwk {
    kid: Option<String>,
    #[serde(flatten)]
    key: Public,
}

#[derive(Clone, Deserialize)]
#[serde(tag = "kty")]
enum Public {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "EC")]
    P256 { crv: String, x: String, y: String },
}

impl Jwk {
    /// The keys of a key set that can be used here.
    pub(crate) fn all(set: &Value) -> Vec<Self> {
        let keys = set["keys"].as_array().map(Vec::as_slice).unwrap_or_default();
        keys.iter().filter_map(|key| Self::deserialize(key).ok()).collect()
    }

    /// Whether the token's header names this key. guess: without a `kid`, every key of the right kind is tried.
    pub(crate) fn is_for(&self, token: &Compact) -> bool {
        let alg = match &self.key {
            Public::Rsa { .. } => "RS256",
            Public::P256 { .. } => "ES256",
        };
        let kid = token.header["kid"].as_str();
        token.header["alg"] == alg && kid.is_none_or(|kid| self.kid.as_deref() == Some(kid))
    }

    pub(crate) fn verifies(&self, token: &Compact) -> bool {
        self.check(token).is_some()
    }

    fn check(&self, token: &Compact) -> Option<()> {
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).ok();
        let message = token.message.as_bytes();
        match &self.key {
            Public::Rsa { n, e } => {
                let key = PublicKeyComponents { n: decode(n)?, e: decode(e)? };
                key.verify(&RSA_PKCS1_2048_8192_SHA256, message, &token.signature).ok()
            }
            Public::P256 { crv, x, y } => {
                let point = [vec![4], decode(x)?, decode(y)?].concat();
                let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
                (crv == "P-256").then_some(())?;
                key.verify(message, &token.signature).ok()
            }
        }
    }
}
