//! TLS to one host: whom to trust, and what to show.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::sign::SingleCertAndKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier;

use super::issuer::LastIssuer;
use super::pem::{Form, Pem, Wanted};
use super::transport::Route;
use crate::error::{Error, Kind, Result};
use crate::io::{Console, Environment, sorted};
use crate::options::{InputValue, Source};

/// What checks the certificates of every host of a process. A system has hundreds of CA certificates, and one reading is enough.
#[derive(Default)]
pub(super) struct Trust(OnceLock<Arc<Authorities>>);

/// The CA certificates that count.
enum Authorities {
    /// Those that `SSL_CERT_FILE` and `SSL_CERT_DIR` name. (rustls's own verifier reads revocation lists too, which takes 20 KiB.)
    Given(RootCertStore),
    /// The system's.
    System(Verifier),
}

impl Trust {
    /// How TLS is spoken to this platform or service. What is asked for of the platform alone holds for no other. The system's certificates are
    /// read for https only: that takes longer than a whole request over plain http, which needs none. `issuer` gets word of a certificate that is
    /// refused.
    ///
    /// # Errors
    /// Fails if there are no CA certificates to check the server's with, or those given in their place can't be read.
    pub(super) fn config(
        &self,
        route: Route<'_>,
        environment: &Environment,
        console: &Console,
        issuer: Arc<LastIssuer>,
    ) -> Result<ClientConfig> {
        let no_tls = |_| Error::new(Kind::Local, "TLS can't be set up", "");
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions().map_err(no_tls)?;
        if !route.url.is_https() {
            return Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth());
        }
        let system = self.verifier(route, environment, console, provider.clone());
        let (system, trusted) = match route.insecure() {
            Some(source) => {
                let host = route.url.host();
                console.warn(&format!(
                    "{source}: any TLS certificate of {host} is accepted, so whoever is on the way to it can read the tokens; --ca-file is the safe way to trust a private CA"
                ));
                let host = ServerName::try_from(host).map_err(|_| Error::new(Kind::Local, "TLS can't be set up", ""))?;
                (system.ok(), Some(host))
            }
            None => (Some(system?), None),
        };
        let checking = Checking { trusted, system, provider, issuer };
        let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(checking));
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
    ) -> Result<Arc<Authorities>> {
        if let Some(verifier) = self.0.get() {
            return Ok(verifier.clone());
        }
        let mut authorities = route.authorities().to_vec();
        authorities.extend(of_jf(environment, console));
        let verifier = match in_place_of_the_systems(environment)? {
            Some(others) => {
                let mut roots = RootCertStore::empty();
                authorities.extend(others);
                roots.add_parsable_certificates(authorities);
                Authorities::Given(roots)
            }
            None => Authorities::System(Verifier::new_with_extra_roots(authorities, provider).map_err(|_| none())?),
        };
        Ok(self.0.get_or_init(|| Arc::new(verifier)).clone())
    }
}

fn none() -> Error {
    let next = "Install the system's ca-certificates, or give a file of PEM certificates by --ca-file; SSL_CERT_FILE and SSL_CERT_DIR replace the system's.";
    Error::new(Kind::Unreachable, "this machine has no CA certificates to check the platform's TLS certificate with", next)
}

/// What `SSL_CERT_FILE` and `SSL_CERT_DIR` name, as for OpenSSL; `None` if both are unset. The platform verifier reads them on Linux only.
fn in_place_of_the_systems(environment: &Environment) -> Result<Option<Vec<CertificateDer<'static>>>> {
    let given = |name: &str, text: String| InputValue { text, source: Source::Variable(name.into()) };
    let file = |path: &str| {
        let file = given("SSL_CERT_FILE", path.to_owned());
        // A pipe or a device may never end.
        if Path::new(path).metadata().is_ok_and(|found| !found.is_file()) {
            return Err(file.wrong("is not a regular file", "Name a PEM file, or unset it."));
        }
        Pem::bundle(&file)
    };
    let file = environment.get("SSL_CERT_FILE")?.map(file).transpose()?;
    let Some(folders) = environment.get("SSL_CERT_DIR")? else { return Ok(file) };
    let mut found = file.unwrap_or_default();
    for folder in std::env::split_paths(folders) {
        for path in files_in(&folder).unwrap_or_default() {
            found.extend(Pem::bundle(&given("SSL_CERT_DIR", path)).unwrap_or_default());
        }
    }
    Ok(Some(found))
}

/// The paths of a folder's files, in order.
fn files_in(folder: &Path) -> std::io::Result<Vec<String>> {
    let files = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).filter(|path| path.is_file());
    Ok(sorted(files.map(|file| file.display().to_string())))
}

/// The CA certificates that jf trusts: every file of `security/certs` in its folder. What is wrong there is not ours to refuse.
fn of_jf(environment: &Environment, console: &Console) -> Vec<CertificateDer<'static>> {
    let Some(jf) = environment.folder_of_jf() else { return Vec::new() };
    let folder = jf.join("security").join("certs");
    let files = match files_in(&folder) {
        Ok(files) => files,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
        Err(error) => {
            console.warn(&format!("jf's CA certificates are not used: can't read {}: {error}", folder.display()));
            return Vec::new();
        }
    };
    let mut found = Vec::new();
    for text in files {
        let given = InputValue { text, source: Source::Named("jf's CA certificates".into()) };
        match Pem::read(&given, Form::File, Wanted::Authorities).and_then(|pem| pem.certificates()) {
            Ok(certificates) => found.extend(certificates),
            Err(error) => console.warn(&error.to_string()),
        }
    }
    found
}

/// Checks certificates, and notes who issued one that is refused.
struct Checking {
    /// The host of which any certificate is accepted. A proxy that is spoken to by https is another.
    trusted: Option<ServerName<'static>>,
    /// What checks the others' certificates, if this machine has CA certificates.
    system: Option<Arc<Authorities>>,
    provider: Arc<CryptoProvider>,
    issuer: Arc<LastIssuer>,
}

impl std::fmt::Debug for Checking {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str("Checking")
    }
}

impl ServerCertVerifier for Checking {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        let checked = match self.system.as_deref() {
            _ if self.trusted.as_ref() == Some(server_name) => Ok(ServerCertVerified::assertion()),
            Some(Authorities::System(system)) => system.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now),
            Some(Authorities::Given(roots)) => {
                let algorithms = self.provider.signature_verification_algorithms.all;
                ParsedCertificate::try_from(end_entity).and_then(|certificate| {
                    verify_server_cert_signed_by_trust_anchor(&certificate, roots, intermediates, now, algorithms)?;
                    verify_server_name(&certificate, server_name)?;
                    Ok(ServerCertVerified::assertion())
                })
            }
            None => Err(CertificateError::UnknownIssuer.into()),
        };
        checked.inspect_err(|_| self.issuer.note(end_entity, intermediates))
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
