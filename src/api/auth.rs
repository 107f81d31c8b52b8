use redact::Secret;
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};
use zeroize::Zeroizing;

/// A header whose value nobody may see.
#[derive(Clone)]
pub struct SecretHeader {
    name: HeaderName,
    value: HeaderValue,
    words: Vec<Secret>,
}

/// A shorter word of a header's value is a scheme such as `Bearer`, not a secret.
const SHORTEST_SECRET: usize = 8;

impl SecretHeader {
    /// A header. `None` if the name or the value can't be sent.
    #[must_use]
    pub fn new(name: &str, value: &str) -> Option<Self> {
        let name = HeaderName::from_bytes(name.trim().as_bytes()).ok()?;
        let mut header = HeaderValue::from_str(value.trim()).ok()?;
        header.set_sensitive(true);
        let words = value.split_ascii_whitespace().filter(|word| word.len() >= SHORTEST_SECRET);
        Some(Self { name, value: header, words: words.filter_map(|word| Secret::new(word).ok()).collect() })
    }

    fn bearer(token: &Secret) -> Option<Self> {
        let value = Zeroizing::new(format!("Bearer {}", token.expose()));
        let mut value = HeaderValue::from_str(&value).ok()?;
        value.set_sensitive(true);
        Some(Self { name: AUTHORIZATION, value, words: Vec::new() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &HeaderName {
        &self.name
    }

    /// Its value.
    #[must_use]
    pub fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// The parts of its value that must not be shown.
    #[must_use]
    pub fn secrets(&self) -> &[Secret] {
        &self.words
    }
}

/// What a request proves itself with.
#[derive(Clone)]
pub enum Auth {
    /// An access or reference token, as `Authorization: Bearer`.
    Bearer(Secret),
    /// These headers: those that the platform's SSH server gave, or what a CI's own service wants.
    Headers(Vec<SecretHeader>),
    /// An identity token: the body of an exchange holds it, and no header.
    Identity(Secret),
    /// Nothing that is sent: the client certificate.
    Certificate,
}

impl Auth {
    /// The headers to send.
    pub(super) fn headers(&self) -> Vec<SecretHeader> {
        match self {
            Auth::Bearer(token) => SecretHeader::bearer(token).into_iter().collect(),
            Auth::Headers(headers) => headers.clone(),
            Auth::Identity(_) | Auth::Certificate => Vec::new(),
        }
    }

    /// What must not be shown.
    #[must_use]
    pub fn secrets(&self) -> Vec<&Secret> {
        match self {
            Auth::Bearer(token) | Auth::Identity(token) => vec![token],
            Auth::Headers(headers) => headers.iter().flat_map(SecretHeader::secrets).collect(),
            Auth::Certificate => Vec::new(),
        }
    }
}
