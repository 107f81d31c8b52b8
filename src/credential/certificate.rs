//! The client certificate as the credential, where no other is given: it is shown by TLS, and requests have no `Authorization`. Whose rights
//! that gives is up to the platform, or to what stands in front of it.

use redact::Secret;

use super::{Asked, Asking, Credential, CredentialPlace, CredentialSource, Issuing, KindOfCredential};
use crate::api::{Auth, PlatformUrl};
use crate::error::{Error, Result};
use crate::options::table::{CLIENT_CERT, CLIENT_CERT_KEY, CLIENT_CERT_KEY_PATH, CLIENT_CERT_PATH};
use crate::options::{CredentialOptions, Source};

pub const KIND: KindOfCredential = KindOfCredential {
    name: "a client certificate",
    named_by: &[&CLIENT_CERT_PATH, &CLIENT_CERT],
    details: &[&CLIENT_CERT_KEY_PATH, &CLIENT_CERT_KEY],
    unnamed: super::never,
    brings_platform: false,
    find,
};

struct Certificate;

impl CredentialSource for Certificate {
    fn secrets(&self) -> Vec<&Secret> {
        // What is secret of it belongs to the transport, which has it beside other credentials too.
        Vec::new()
    }

    fn at_hand(&self) -> Option<Auth> {
        Some(Auth::Certificate)
    }

    fn authenticate<'a>(&'a self, platform: &'a PlatformUrl, asking: &'a Asking<'a>) -> Asked<'a, Auth> {
        let shown = asking.route(platform).and_then(|route| route.check_shown());
        Box::pin(std::future::ready(shown.map(|()| Auth::Certificate)))
    }

    fn explain(&self, error: Error, _issuing: &Issuing) -> Error {
        if error.status() != Some(401) {
            return error;
        }
        error.with_help("The client certificate alone stands for no user here: give an access token too, or ask the platform's admins for which user it should stand.")
    }
}

/// The option that gives one, or a part of one.
pub fn given(options: &CredentialOptions) -> Option<Source> {
    let parts = KIND.named_by.iter().chain(KIND.details).filter_map(|option| options.get(option));
    parts.min_by_key(|given| given.source.rank()).map(|given| given.source.clone())
}

#[expect(clippy::unnecessary_wraps, reason = "as of every kind")]
fn find(place: &mut CredentialPlace) -> Result<Credential> {
    let source = given(&place.options.credential).unwrap_or_else(|| Source::Variable(CLIENT_CERT_PATH.variable.into()));
    Ok(Credential { from: Box::new(Certificate), kind: &KIND, source })
}
