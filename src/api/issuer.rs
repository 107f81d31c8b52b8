//! Who issued a certificate, as far as a message tells. Nothing is verified here.

use std::sync::{Mutex, PoisonError};

use rustls::pki_types::CertificateDer;

use crate::options::shown;

/// Who issued the certificate that was refused last.
#[derive(Debug, Default)]
pub(super) struct LastIssuer(Mutex<Issuer>);

/// Who issued a server's certificate.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Issuer {
    /// The certificate names itself.
    pub is_self: bool,
    /// The CA at the end of the chain that the server sent.
    pub name: Option<String>,
}

impl LastIssuer {
    /// Takes note of the chain's end.
    pub fn note(&self, certificate: &CertificateDer<'_>, intermediates: &[CertificateDer<'_>]) {
        let is_self = names(certificate).is_some_and(|(issuer, subject)| issuer == subject);
        let last = names(intermediates.last().unwrap_or(certificate));
        let name = last.and_then(|(issuer, _)| common_name(issuer));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Issuer { is_self, name };
    }

    pub fn get(&self) -> Issuer {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The tag of a certificate's version.
const VERSION: u8 = 0xa0;
/// Kinds of what a name consists of.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];
const ORGANISATION: &[u8] = &[0x55, 4, 10];

/// The names of a certificate's issuer and of its subject, as they are encoded (RFC 5280, 4.1).
fn names(certificate: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_, certificate) = elements(certificate).next()?;
    let (_, signed) = elements(certificate).next()?;
    // The version, if it is there, the number and the algorithm come first; the time stands between the names.
    let mut fields = elements(signed).skip_while(|(tag, _)| *tag == VERSION).skip(2);
    let (_, issuer) = fields.next()?;
    let (_, subject) = fields.nth(1)?;
    Some((issuer, subject))
}

/// The common name in a name, else the organisation.
fn common_name(name: &[u8]) -> Option<String> {
    let value = |of: &[u8]| {
        elements(name).flat_map(|(_, set)| elements(set)).find_map(|(_, pair)| {
            let mut pair = elements(pair).map(|(_, content)| content);
            pair.next().filter(|kind| *kind == of).and_then(|_| pair.next())
        })
    };
    value(COMMON_NAME).or_else(|| value(ORGANISATION)).map(|text| shown(&String::from_utf8_lossy(text)))
}

/// The elements of an encoding by DER, each a tag and its content, up to one that is broken.
fn elements(mut der: &[u8]) -> impl Iterator<Item = (u8, &[u8])> {
    std::iter::from_fn(move || {
        let (tag, rest) = der.split_first()?;
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        der = rest;
        Some((*tag, content))
    })
}

/// A length, and what follows it. It takes one byte, or as many more as the low bits of the first say.
fn length(der: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = der.split_first()?;
    if *first < 0x80 {
        return Some((usize::from(*first), rest));
    }
    let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|(bytes, _)| bytes.len() <= 4)?;
    Some((bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte)), rest))
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;
    use sandbox::{Sandbox, Tls};

    use super::*;

    fn issuer_of(certificate: &[u8]) -> Issuer {
        let last = LastIssuer::default();
        last.note(&certificate.to_vec().into(), &[]);
        last.get()
    }

    #[test]
    fn a_certificate_that_is_cut_short_or_broken_names_nobody_or_somebody_and_does_no_harm() {
        let sandbox = Sandbox::builder().tls(Tls::Valid).start();
        let whole = CertificateDer::from_pem_slice(sandbox.ca_pem().as_bytes()).unwrap().to_vec();
        let found = issuer_of(&whole);
        assert!(found.is_self && found.name.is_some_and(|name| name.starts_with("jf-token sandbox CA ")));
        for cut in 0..whole.len() {
            assert_eq!(issuer_of(&whole[..cut]), Issuer::default(), "{cut}");
            for byte in [0, 0x7f, 0x80, 0x84, 0x85, 0xff, whole[cut] ^ 1] {
                let mut broken = whole.clone();
                broken[cut] = byte;
                issuer_of(&broken);
            }
        }
    }

    #[test]
    fn a_name_is_on_one_line_and_no_longer_than_a_message_can_hold() {
        let named = |kind: &[u8], text: &[u8]| {
            let element = |tag: u8, content: &[u8]| {
                let [high, low] = u16::try_from(content.len()).unwrap().to_be_bytes();
                [&[tag, 0x82, high, low], content].concat()
            };
            common_name(&element(0x31, &element(0x30, &[element(6, kind), element(12, text)].concat())))
        };
        assert_eq!(named(ORGANISATION, b"Acme").as_deref(), Some("Acme"));
        assert_eq!(named(&[0x55, 4, 6], b"CH"), None);
        let lines = named(COMMON_NAME, b"a\n::set-env b\x1b[31m\xff").unwrap();
        assert!(!lines.contains(['\n', '\u{1b}']), "{lines}");
        assert!(named(COMMON_NAME, &[b'x'; 9999]).unwrap().len() < 250);
    }
}
