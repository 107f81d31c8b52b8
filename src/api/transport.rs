//! How a platform is reached, beyond its address: the client certificate, the CA certificates and the headers that were given.

use std::path::PathBuf;
use std::sync::Arc;

use redact::Secret;
use rustls::pki_types::CertificateDer;
use rustls::sign::CertifiedKey;

use super::PlatformUrl;
use super::auth::SecretHeader;
use super::pem::{Form, Pem, Wanted};
use crate::error::{Error, Result};
use crate::options::table::{CLIENT_CERT, CLIENT_CERT_KEY, CLIENT_CERT_KEY_PATH, CLIENT_CERT_PATH, Opt};
use crate::options::{Connection, CredentialOptions, InputValue, Source};

/// How the platform that was given is reached.
#[derive(Default)]
pub struct Transport {
    certificate: Option<ClientCertificate>,
    headers: Vec<SecretHeader>,
    authorities: Vec<CertificateDer<'static>>,
    /// What asked to accept any TLS certificate of the platform.
    insecure: Option<Source>,
}

struct ClientCertificate {
    pair: Arc<CertifiedKey>,
    source: Source,
    /// The lines of the private key.
    secrets: Vec<Secret>,
}

impl Transport {
    /// Reads what was given. `brought` are the files of a client certificate and its key that come with the credential. Nothing is read from the
    /// disk but files that were named.
    ///
    /// # Errors
    /// Fails if some of it can't be read, or can't be used.
    pub fn new(connection: &Connection, credential: &CredentialOptions, brought: Option<(PathBuf, PathBuf)>) -> Result<Self> {
        let authorities = connection.ca_file.as_ref().map(|given| Pem::read(given, Form::File, Wanted::Authorities)?.certificates());
        Ok(Self {
            certificate: ClientCertificate::read(credential, brought)?,
            headers: connection.headers.as_ref().map(headers).transpose()?.unwrap_or_default(),
            authorities: authorities.transpose()?.unwrap_or_default(),
            insecure: connection.insecure_tls.as_ref().map(|given| given.source.clone()),
        })
    }

    /// What is secret in the headers.
    pub fn secrets_of_headers(&self) -> impl Iterator<Item = &Secret> {
        self.headers.iter().flat_map(SecretHeader::secrets)
    }

    /// The lines of the client certificate's private key.
    pub fn secrets_of_key(&self) -> impl Iterator<Item = &Secret> {
        self.certificate.iter().flat_map(|certificate| &certificate.secrets)
    }

    /// What nothing may print, and no started program may get.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.secrets_of_headers().chain(self.secrets_of_key())
    }
}

/// The way to one platform or service. Client certificate and headers prove who asks, so they are for the platform that was given, and for no
/// other host.
#[derive(Clone, Copy)]
pub struct Route<'t> {
    /// What was given.
    pub transport: &'t Transport,
    /// Where to.
    pub url: &'t PlatformUrl,
    /// Whether that is the platform that was given.
    pub is_given: bool,
}

impl<'t> Route<'t> {
    /// The client certificate to show.
    pub(super) fn certificate(&self) -> Option<&'t Arc<CertifiedKey>> {
        let certificate = self.transport.certificate.as_ref().filter(|_| self.is_given && self.url.is_https());
        certificate.map(|certificate| &certificate.pair)
    }

    /// What there is to say of the client certificate when the server refuses.
    pub(super) fn shows(&self) -> Shows {
        match &self.transport.certificate {
            None => Shows::None,
            Some(certificate) if self.certificate().is_some() => Shows::This(certificate.source.clone()),
            Some(certificate) => Shows::NotHere(certificate.source.clone()),
        }
    }

    /// Checks that the client certificate, which is to be the only credential, is shown here.
    ///
    /// # Errors
    /// Fails if it is not.
    pub fn check_shown(&self) -> Result<()> {
        match self.shows() {
            Shows::This(_) => Ok(()),
            Shows::NotHere(source) if !self.url.is_https() => Err(Error::input(
                format!("{source}: a client certificate is shown by TLS only, and the platform's URL is plain http"),
                "Use https://, or give an access token.",
            )),
            Shows::NotHere(_) | Shows::None => {
                Err(Error::input(format!("no client certificate was given for {}", self.url.as_str()), "Give its URL by --url."))
            }
        }
    }

    /// The headers to send.
    pub(super) fn headers(&self) -> &'t [SecretHeader] {
        if self.is_given { &self.transport.headers } else { &[] }
    }

    /// CA certificates to trust besides the system's.
    pub(super) fn authorities(&self) -> &'t [CertificateDer<'static>] {
        &self.transport.authorities
    }

    /// What asked to accept any TLS certificate, if something did.
    pub(super) fn insecure(&self) -> Option<&'t Source> {
        self.transport.insecure.as_ref().filter(|_| self.is_given)
    }
}

/// What a client shows of the certificate that was given.
#[derive(Clone)]
pub(super) enum Shows {
    /// There is none.
    None,
    /// It shows it.
    This(Source),
    /// It was given for another platform, or this one is spoken to without TLS.
    NotHere(Source),
}

impl ClientCertificate {
    /// Reads the certificate and its key, if they were given, and checks that they belong together.
    fn read(options: &CredentialOptions, brought: Option<(PathBuf, PathBuf)>) -> Result<Option<Self>> {
        let configured = |path: PathBuf| InputValue { text: path.display().to_string(), source: Source::Configuration };
        let brought = brought.map(|(certificate, key)| (configured(certificate), configured(key)));
        let certificate = one_of(options, &CLIENT_CERT_PATH, &CLIENT_CERT)?;
        let key = one_of(options, &CLIENT_CERT_KEY_PATH, &CLIENT_CERT_KEY)?;
        let ((certificate, form), (key, form_of_key)) = match (certificate, key) {
            (None, None) => match &brought {
                Some((certificate, key)) => ((certificate, Form::File), (key, Form::File)),
                None => return Ok(None),
            },
            (Some(pair), Some(key)) => (pair, key),
            (Some((given, form)), None) => {
                let both = Pem::read(given, form, Wanted::ClientCertificate).is_ok_and(|pem| pem.holds_a_key());
                let help = if both {
                    "The key may be in the same file: name that for --client-cert-key-path too."
                } else {
                    "Give it by --client-cert-key-path, or as a value by JF_TOKEN_CLIENT_CERT_KEY."
                };
                return Err(given.wrong("the private key of this client certificate is missing", help));
            }
            (None, Some((given, _))) => {
                let help = "Give it by --client-cert-path, or as a value by JF_TOKEN_CLIENT_CERT.";
                return Err(given.wrong("the client certificate of this private key is missing", help));
            }
        };
        let chain = Pem::read(certificate, form, Wanted::ClientCertificate)?.certificates()?;
        let (signing, secrets) = Pem::read(key, form_of_key, Wanted::PrivateKey)?.key()?;
        let is_of = |leaf: &CertificateDer<'static>| CertifiedKey::new(vec![leaf.clone()], signing.clone()).keys_match().is_ok();
        match chain.iter().position(is_of) {
            Some(0) => {}
            Some(index) => {
                let what = format!(
                    "the chain is in the wrong order: the certificate of the key is number {} of {}, and has to be the first",
                    index + 1,
                    chain.len()
                );
                return Err(
                    certificate.wrong(what, "Put the client's own certificate first, then the one of the CA that signed it, and so on.")
                );
            }
            None => {
                let help = "Give the key that the certificate was requested with: openssl pkey -pubout and openssl x509 -noout -pubkey print the same for the two.";
                return Err(key.wrong(format!("the private key is not the one of the certificate that {} gives", certificate.source), help));
            }
        }
        Ok(Some(Self { pair: Arc::new(CertifiedKey::new(chain, signing)), source: certificate.source.clone(), secrets }))
    }
}

/// The options of the client certificate that count, for another process that must come to the same.
pub fn client_certificate(options: &CredentialOptions) -> impl Iterator<Item = (&'static Opt, &InputValue)> {
    let pairs: [(&'static Opt, &'static Opt); 2] = [(&CLIENT_CERT_PATH, &CLIENT_CERT), (&CLIENT_CERT_KEY_PATH, &CLIENT_CERT_KEY)];
    pairs.into_iter().filter_map(|(file, value)| {
        let (given, form) = one_of(options, file, value).ok()??;
        Some((if matches!(form, Form::File) { file } else { value }, given))
    })
}

/// Which of the two options counts: the one of the higher precedence.
fn one_of<'o>(options: &'o CredentialOptions, file: &Opt, value: &Opt) -> Result<Option<(&'o InputValue, Form)>> {
    match (options.get(file), options.get(value)) {
        (Some(file), Some(value)) if file.source.rank() == value.source.rank() => {
            Err(value.wrong(format!("{} gives the same", file.source), "Give one of them."))
        }
        (Some(file), Some(value)) if value.source.rank() < file.source.rank() => Ok(Some((value, Form::Value))),
        (Some(file), _) => Ok(Some((file, Form::File))),
        (None, value) => Ok(value.map(|value| (value, Form::Value))),
    }
}

/// Headers that are not the user's to set, and why.
const OURS: [(&str, &str); 7] = [
    ("authorization", "it holds the access token: give that by JF_ACCESS_TOKEN or --access-token-file"),
    ("connection", "the connection is jf-token's own"),
    ("content-length", "it follows from the request"),
    ("content-type", "it follows from the request"),
    ("host", "it follows from the platform's URL"),
    ("proxy-authorization", "it would go to the platform: put the user and the password into the proxy's URL"),
    ("transfer-encoding", "it follows from the request"),
];

/// Reads headers, one on each line. What is wrong is never shown: it may be a part of a secret.
fn headers(given: &InputValue) -> Result<Vec<SecretHeader>> {
    let right = "Give NAME=VALUE or NAME: VALUE, several on a line each.";
    let lines = given.text.lines().map(str::trim).enumerate().filter(|(_, line)| !line.is_empty());
    let header = |(index, line): (usize, &str)| {
        let wrong = |why: &str, help: &str| given.wrong(format!("line {}: {why}", index + 1), help);
        // No name has either.
        let (name, value) = line.split_once(['=', ':']).ok_or_else(|| wrong("there is no = and no : in it", right))?;
        let (name, value) = (name.trim(), value.trim());
        if let Some((name, why)) = OURS.iter().find(|(ours, _)| name.eq_ignore_ascii_case(ours)) {
            return Err(wrong(&format!("the header {name} can't be set"), &format!("The reason: {why}.")));
        }
        // The rest of a value that ends like base64 is no value.
        if value.trim_start_matches('=').is_empty() {
            return Err(wrong("the header has no value", right));
        }
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(wrong("what stands before = or : is not the name of a header", right));
        }
        let is_text = value.bytes().all(|b| b == b'\t' || (b' '..=b'~').contains(&b));
        SecretHeader::new(name, value)
            .filter(|_| is_text)
            .ok_or_else(|| wrong("the value has characters that no header can hold", "It must be printable ASCII."))
    };
    lines.map(header).collect()
}
