//! Good and bad certificates for localhost, from a temporary CA.

use std::{sync::Arc, time::Duration, time::SystemTime};

use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer},
};

use crate::tokens::random_text;

/// The server's certificate. Each kind is signed by the temporary CA.
#[derive(Clone, Copy, Debug)]
pub enum Tls {
    /// For localhost, 127.0.0.1 and 0.0.0.0, valid now.
    Valid,
    /// For the same, expired yesterday.
    Expired,
    /// For another host.
    WrongName,
}

const DAY: Duration = Duration::from_secs(86_400);

/// The CA's certificate as PEM, and the acceptor for connections; neither for plain HTTP.
pub(crate) fn of(tls: Option<Tls>) -> (String, Option<TlsAcceptor>) {
    tls.map(acceptor).map_or_else(Default::default, |(ca_pem, acceptor)| (ca_pem, Some(acceptor)))
}

fn acceptor(tls: Tls) -> (String, TlsAcceptor) {
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
    let ca_pem = ca.self_signed(&ca_key).expect("CA certificate").pem();
    let issuer = Issuer::new(ca, ca_key);

    let hosts = match tls {
        Tls::WrongName => vec!["elsewhere.example".into()],
        Tls::Valid | Tls::Expired => vec!["localhost".into(), "127.0.0.1".into(), "0.0.0.0".into()],
    };
    let mut leaf = named("jf-token sandbox", hosts);
    leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    if matches!(tls, Tls::Expired) {
        leaf.not_after = (now - DAY).into();
    }
    let key = KeyPair::generate().expect("server key");
    let cert = leaf.signed_by(&key, &issuer).expect("server certificate");

    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("TLS versions")
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .expect("server certificate fits its key");
    (ca_pem, TlsAcceptor::from(Arc::new(config)))
}
