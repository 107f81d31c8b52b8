//! Good and bad certificates for localhost, from a temporary CA.

use std::{sync::Arc, time::Duration, time::SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{RootCertStore, ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer, server::WebPkiClientVerifier},
};

use crate::tokens::random_text;

/// The server's certificate. Each kind but one is signed by the temporary CA.
#[derive(Clone, Copy, Debug)]
pub enum Tls {
    /// For localhost, 127.0.0.1 and 0.0.0.0, valid now.
    Valid,
    /// For the same, expired yesterday.
    Expired,
    /// For the same, valid from tomorrow.
    NotYetValid,
    /// For another host.
    WrongName,
    /// As `Valid`, signed by a CA that the temporary CA signed, and that is sent along.
    Chained,
    /// As `Valid`, signed by nobody but itself: it is its own CA.
    SelfSigned,
    /// The same, and a CA's certificate, as `openssl req -x509` makes it.
    SelfSignedCa,
    /// As `Valid`, and only clients with a certificate of the same CA may enter.
    Demanding,
}

/// What is made for one server.
#[derive(Default)]
pub(crate) struct Pki {
    /// The CA's certificate as PEM.
    pub ca_pem: String,
    /// A client certificate and its key as PEM.
    pub client: (String, String),
    /// For connections.
    pub acceptor: Option<TlsAcceptor>,
}

const DAY: Duration = Duration::from_secs(86_400);

/// A temporary CA, and what it signs.
pub(crate) fn pki(tls: Tls) -> Pki {
    let now = SystemTime::now();
    let named = |name: &str, sans: Vec<String>| {
        let mut params = CertificateParams::new(sans).expect("host names");
        params.distinguished_name.push(DnType::CommonName, name.to_owned());
        params.not_before = (now - 30 * DAY).into();
        params.not_after = (now + 30 * DAY).into();
        params
    };

    // A name of its own: OpenSSL finds the CA of a certificate by that, and a client may trust several of these.
    let mut ca = named(&format!("jf-token sandbox CA {}", random_text(8)), Vec::new());
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    ca.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let ca_key = KeyPair::generate().expect("CA key");
    let ca_certificate = ca.self_signed(&ca_key).expect("CA certificate");
    let issuer = Issuer::new(ca, ca_key);

    let hosts = match tls {
        Tls::WrongName => vec!["elsewhere.example".into()],
        _ => vec!["localhost".into(), "127.0.0.1".into(), "0.0.0.0".into()],
    };
    let mut leaf = named("jf-token sandbox", hosts);
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if matches!(tls, Tls::Expired) {
        leaf.not_after = (now - DAY).into();
    }
    if matches!(tls, Tls::NotYetValid) {
        leaf.not_before = (now + DAY).into();
    }
    let key = KeyPair::generate().expect("server key");
    let mut ca_pem = ca_certificate.pem();
    let chain = match tls {
        Tls::SelfSigned | Tls::SelfSignedCa => {
            if matches!(tls, Tls::SelfSignedCa) {
                leaf.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
            let certificate = leaf.self_signed(&key).expect("server certificate");
            ca_pem = certificate.pem();
            vec![certificate]
        }
        Tls::Chained => {
            let mut middle = named("jf-token sandbox CA in the middle", Vec::new());
            middle.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let middle_key = KeyPair::generate().expect("CA key");
            let middle_certificate = middle.signed_by(&middle_key, &issuer).expect("CA certificate");
            vec![leaf.signed_by(&key, &Issuer::new(middle, middle_key)).expect("server certificate"), middle_certificate]
        }
        _ => vec![leaf.signed_by(&key, &issuer).expect("server certificate")],
    };

    let mut client = named("jf-token sandbox client", Vec::new());
    client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client_key = KeyPair::generate().expect("client key");
    let client = client.signed_by(&client_key, &issuer).expect("client certificate");

    let provider = Arc::new(ring::default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca_certificate.der().clone()).expect("the CA is one");
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build().expect("client verifier");
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("TLS versions");
    let builder = match tls {
        Tls::Demanding => builder.with_client_cert_verifier(verifier),
        _ => builder.with_no_client_auth(),
    };
    let config = builder
        .with_single_cert(
            chain.iter().map(|certificate| certificate.der().clone()).collect(),
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("server certificate fits its key");
    Pki { ca_pem, client: (client.pem(), client_key.serialize_pem()), acceptor: Some(TlsAcceptor::from(Arc::new(config))) }
}
