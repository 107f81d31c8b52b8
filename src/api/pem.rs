//! Certificates and private keys as they are given: PEM in a file, or as a value for a CI that has no files.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use redact::Secret;
use rustls::RootCertStore;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::ParsedCertificate;
use rustls::sign::SigningKey;
use zeroize::{Zeroize, Zeroizing};

use crate::error::{Error, Result};
use crate::io::{read_file, text_of};
use crate::options::{InputValue, shown};

/// More than any system's bundle of CA certificates, in bytes.
const LONGEST: u64 = 4 << 20;
/// The shortest line of a private key that is worth hiding, in bytes.
const SHORTEST_LINE: usize = 16;
const BEGIN: &str = "-----BEGIN ";

/// How a PEM text is given.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// In a file.
    File,
    /// As a value: PEM, or base64 of PEM.
    Value,
}

/// What a PEM text should hold.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    ClientCertificate,
    PrivateKey,
    Authorities,
}

impl Wanted {
    fn name(self) -> &'static str {
        match self {
            Wanted::ClientCertificate => "certificate",
            Wanted::PrivateKey => "private key",
            Wanted::Authorities => "CA certificate",
        }
    }

    /// The first line of what should be there.
    fn begin(self) -> &'static str {
        match self {
            Wanted::PrivateKey => "-----BEGIN PRIVATE KEY-----",
            Wanted::ClientCertificate | Wanted::Authorities => "-----BEGIN CERTIFICATE-----",
        }
    }
}

/// A PEM text, and where it is from.
pub(super) struct Pem<'g> {
    text: Zeroizing<String>,
    given: &'g InputValue,
    form: Form,
    wanted: Wanted,
}

impl<'g> Pem<'g> {
    /// Reads the text, with any line ends, with or without a byte order mark.
    ///
    /// # Errors
    /// Fails if it can't be read, or is no PEM text.
    pub fn read(given: &'g InputValue, form: Form, wanted: Wanted) -> Result<Self> {
        let pem = Self { text: Zeroizing::default(), given, form, wanted };
        let bytes = match form {
            Form::File => pem.read_file()?,
            Form::Value => pem.read_value()?,
        };
        pem.of(&bytes)
    }

    fn of(mut self, bytes: &[u8]) -> Result<Self> {
        // A sequence with a length of several bytes, or one that begins with a version.
        if bytes.starts_with(&[0x30]) && (matches!(bytes.get(1), Some(0x81..=0x84)) || bytes.get(2..4) == Some(&[2, 1])) {
            return Err(self.der(bytes));
        }
        if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
            return Err(self.wrong("is text in UTF-16", "Save it as plain ASCII or UTF-8."));
        }
        let text = text_of(bytes).ok_or_else(|| self.wrong("holds no text in UTF-8", self.right()))?;
        if text.trim().is_empty() {
            return Err(self.wrong("is empty", self.right()));
        }
        if !text.contains(BEGIN) {
            return Err(self.wrong("holds no PEM text", self.right()));
        }
        self.text = Zeroizing::new(text.to_owned());
        Ok(self)
    }

    /// The CA certificates in a file that may hold other things too, in any encoding: what is of no use there is left out.
    ///
    /// # Errors
    /// Fails if it can't be read, or holds none.
    pub fn bundle(given: &'g InputValue) -> Result<Vec<CertificateDer<'static>>> {
        let pem = Self { text: Zeroizing::default(), given, form: Form::File, wanted: Wanted::Authorities };
        // Read once: it may be a pipe.
        let bytes = pem.read_file()?;
        let found: Vec<_> = CertificateDer::pem_slice_iter(&bytes).flatten().filter(is_authority).collect();
        if found.is_empty() { pem.of(&bytes)?.certificates() } else { Ok(found) }
    }

    fn read_file(&self) -> Result<Zeroizing<Vec<u8>>> {
        let read = read_file(Path::new(&self.given.text), LONGEST);
        read.map_err(|error| self.given.wrong(format!("can't read {}: {error}", self.subject()), self.right()))
    }

    fn read_value(&self) -> Result<Zeroizing<Vec<u8>>> {
        let text = &self.given.text;
        if text.contains(BEGIN) {
            // Where a variable is one line, people write its line breaks as \n.
            let text = if text.contains('\n') { text.clone() } else { text.replace("\\n", "\n") };
            return Ok(Zeroizing::new(text.into_bytes()));
        }
        let compact: Zeroizing<String> = Zeroizing::new(text.split_ascii_whitespace().collect());
        let decoded = STANDARD.decode(compact.as_bytes()).map(Zeroizing::new);
        decoded.map_err(|_| {
            let help =
                format!("Give the PEM text, or what base64 -w0 FILE prints for it; a file's name goes to {}-path.", self.given.source);
            let is_flag = self.given.source.to_string().starts_with("--");
            self.wrong("is neither PEM nor base64 of PEM", if is_flag { help } else { self.right() })
        })
    }

    /// What the text is called in a message.
    fn subject(&self) -> String {
        match self.form {
            Form::File => shown(&self.given.text),
            Form::Value => "the value".into(),
        }
    }

    /// The file in a command that is to be copied.
    fn file(&self, otherwise: &str) -> String {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
        match self.form {
            Form::File if self.given.text.chars().all(is_plain) && !self.given.text.starts_with('-') => shown(&self.given.text),
            _ => otherwise.into(),
        }
    }

    fn right(&self) -> String {
        let begin = self.wanted.begin();
        match self.form {
            Form::File => format!("Name a PEM file: it has a line {begin}."),
            Form::Value => format!("Give the PEM text, from the line {begin}, or what base64 -w0 FILE prints for it."),
        }
    }

    fn wrong(&self, why: impl Display, help: impl Into<String>) -> Error {
        self.given.wrong(format!("{} {why}", self.subject()), help)
    }

    /// The error for a binary file, which can be one of three.
    fn der(&self, bytes: &[u8]) -> Error {
        // The length of the outer sequence takes one byte, or as many more as the low bits of the first say.
        let inside = match bytes.get(1) {
            Some(long @ 0x81..=0x84) => 2 + usize::from(long & 0x7f),
            _ => 2,
        };
        let is_pkcs12 = bytes.get(inside..).is_some_and(|inside| inside.starts_with(&[2, 1, 3]));
        let command = match self.wanted {
            _ if is_pkcs12 => {
                let file = self.file("FILE.p12");
                return self.wrong(
                    "is a PKCS#12 file, not PEM",
                    format!("Convert it: openssl pkcs12 -in {file} -clcerts -nokeys -out cert.pem; openssl pkcs12 -in {file} -nocerts -nodes -out key.pem"),
                );
            }
            Wanted::PrivateKey => format!("openssl pkey -inform der -in {} -out key.pem", self.file("key.der")),
            Wanted::ClientCertificate | Wanted::Authorities => {
                format!("openssl x509 -inform der -in {} -out cert.pem", self.file("cert.der"))
            }
        };
        self.wrong("is DER, not PEM", format!("Convert it: {command}"))
    }

    fn labels(&self) -> impl Iterator<Item = &str> {
        self.text.lines().filter_map(|line| line.strip_prefix(BEGIN)?.trim_end().strip_suffix("-----"))
    }

    fn holds_a_certificate(&self) -> bool {
        self.labels().any(|label| label == "CERTIFICATE")
    }

    /// Whether there is a private key in it, of any kind.
    pub fn holds_a_key(&self) -> bool {
        self.labels().any(|label| label.ends_with("PRIVATE KEY"))
    }

    fn broken(&self) -> Error {
        self.wrong(
            "is PEM that is cut short or broken",
            "Every block has its BEGIN and END lines, each on a line of its own, and base64 between them.",
        )
    }

    /// The certificates, of which there is at least one.
    ///
    /// # Errors
    /// Fails if there is none, or one can't be read.
    pub fn certificates(&self) -> Result<Vec<CertificateDer<'static>>> {
        if !self.holds_a_certificate() && self.holds_a_key() {
            let help = match self.wanted {
                Wanted::Authorities => "Name the file of the CA's certificate: a private key has no place here.",
                _ => "Are the certificate and the key swapped?",
            };
            return Err(self.wrong("holds a private key and no certificate", help));
        }
        let found: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(self.text.as_bytes()).collect();
        let found = found.map_err(|_| self.broken())?;
        if found.is_empty() {
            return Err(self.wrong(format!("holds no {}", self.wanted.name()), self.right()));
        }
        match found.iter().position(|certificate| !is_x509(certificate)) {
            Some(index) => Err(self.wrong(
                format!("holds a certificate that can't be read (number {})", index + 1),
                "openssl x509 -noout -text shows what openssl makes of it.",
            )),
            None => Ok(found),
        }
    }

    /// The private key, and the lines of it that nothing may print.
    ///
    /// # Errors
    /// Fails if there is none, or it can't be used.
    pub fn key(&self) -> Result<(Arc<dyn SigningKey>, Vec<Secret>)> {
        if self.labels().any(|label| label == "ENCRYPTED PRIVATE KEY") || self.text.contains("Proc-Type: 4,ENCRYPTED") {
            let help = format!("Decrypt it: openssl pkey -in {} -out plain-key.pem", self.file("key.pem"));
            return Err(self.wrong("holds an encrypted private key", help));
        }
        if !self.holds_a_key() && self.holds_a_certificate() {
            return Err(self.wrong("holds a certificate and no private key", "Are the certificate and the key swapped?"));
        }
        let mut der = PrivateKeyDer::pem_slice_iter(self.text.as_bytes())
            .next()
            .ok_or_else(|| self.wrong("holds no private key of a kind that TLS has", self.right()))?
            .map_err(|_| self.broken())?;
        let key = any_supported_type(&der);
        der.zeroize();
        let key = key.map_err(|_| {
            self.wrong(
                "holds a private key that can't be used",
                "It must be an RSA key of 2048 to 8192 bits, an ECDSA key on P-256 or P-384, or an Ed25519 key.",
            )
        })?;
        Ok((key, self.lines_of_the_key()))
    }

    fn lines_of_the_key(&self) -> Vec<Secret> {
        let after = self.text.lines().skip_while(|line| !(line.starts_with(BEGIN) && line.contains("PRIVATE KEY")));
        let lines = after.skip(1).take_while(|line| !line.starts_with("-----END")).map(str::trim);
        let value = matches!(self.form, Form::Value).then(|| Secret::new(&self.given.text).ok()).flatten();
        lines.filter(|line| line.len() >= SHORTEST_LINE).filter_map(|line| Secret::new(line).ok()).chain(value).collect()
    }
}

/// A CA may have a certificate of a version that no server's has.
fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    RootCertStore::empty().add(certificate.clone().into_owned()).is_ok()
}

fn is_x509(certificate: &CertificateDer<'_>) -> bool {
    ParsedCertificate::try_from(certificate).is_ok()
}
