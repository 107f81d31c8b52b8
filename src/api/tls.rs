//! TLS to one host: whom to trust, and what to show.

use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::pem::{Form, Pem, Wanted};
use super::transport::Route;
use crate::error::{Error, Kind, Result};
use crate::io::{Console, Environment, sorted};
use crate::options::{InputValue, Source};

/// What checks the certificates of every host of a process. A system has hundreds of CA certificates, and one reading is enough.
#[derive(Default)]
pub(super) struct Trust(OnceLock<Arc<Verifier>>);

impl Trust {
    /// How TLS is spoken to this platform or service. What is asked for of the platform alone holds for no other. The system's certificates are
    /// read for https only: that takes longer than a whole request over plain http, which needs none.
    ///
    /// # Errors
    /// Fails if there are no CA certificates to check the server's with.
    pub(super) fn config(&self, route: Route<'_>, environment: &Environment, console: &Console) -> Result<ClientConfig> {
        let no_tls = |_| Error::new(Kind::Local, "TLS can't be set up", "");
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().map_err(no_tls)?;
        if !route.url.is_https() {
            return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
        }
        let system = self.verifier(route, environment, console, provider.clone());
        let verifier: Arc<dyn ServerCertVerifier> = match route.insecure() {
            Some(source) => {
                let host = route.url.host();
                console.warn(&format!(
                    "{source}: any TLS certificate of {host} is accepted, so whoever is on the way to it can read the tokens; --ca-file is the safe way to trust a private CA"
                ));
                let host = ServerName::try_from(host).map_err(|_| Error::new(Kind::Local, "TLS can't be set up", ""))?;
                Arc::new(Trusting { host, system: system.ok(), provider })
            }
            None => system?,
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        Ok(match route.certificate() {
            Some(certificate) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certificate.clone()))),
            None => builder.with_no_client_auth(),
        })
    }

    /// Those of `--ca-file` and of jf are trusted for every host too.
    fn verifier(
        &self,
        route: Route<'_>,
        environment: &Environment,
        console: &Console,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<Verifier>> {
        if let Some(verifier) = self.0.get() {
            return Ok(verifier.clone());
        }
        let mut authorities = route.authorities().to_vec();
        authorities.extend(of_jf(environment, console));
        let verifier = Verifier::new_with_extra_roots(authorities, provider).map_err(|_| {
            let next = "Install the system's ca-certificates, or give a file of PEM certificates by --ca-file; SSL_CERT_FILE and SSL_CERT_DIR replace the system's.";
            Error::new(Kind::Unreachable, "this machine has no CA certificates to check the platform's TLS certificate with", next)
        })?;
        Ok(self.0.get_or_init(|| Arc::new(verifier)).clone())
    }
}

/// The CA certificates that jf trusts: every file of `security/certs` in its folder. What is wrong there is not ours to refuse.
fn of_jf(environment: &Environment, console: &Console) -> Vec<CertificateDer<'static>> {
    let Some(jf) = environment.folder_of_jf() else { return Vec::new() };
    let folder = jf.join("security").join("certs");
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            console.warn(&format!("jf's CA certificates are not used: can't read {}: {error}", folder.display()));
            return Vec::new();
        }
    };
    let files = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    let mut found = Vec::new();
    for text in sorted(files.map(|file| file.display().to_string())) {
        let given = InputValue { text, source: Source::Named("jf's CA certificates".into()) };
        match Pem::read(&given, Form::File, Wanted::Authorities).and_then(|pem| pem.certificates()) {
            Ok(certificates) => found.extend(certificates),
            Err(error) => console.warn(&error.to_string()),
        }
    }
    found
}

/// Accepts any certificate of one host. A proxy that is spoken to by https is another.
#[derive(Debug)]
struct Trusting {
    host: ServerName<'static>,
    /// What checks the others' certificates, if this machine has CA certificates.
    system: Option<Arc<Verifier>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Trusting {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        match &self.system {
            _ if *server_name == self.host => Ok(ServerCertVerified::assertion()),
            Some(system) => system.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
