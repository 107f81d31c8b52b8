//! A stand-in JFrog Access server: it issues real signed tokens, refuses what the real one refuses, and fails on demand.
//! Its answers follow what is known of the real API; the rest is marked "guess" in the code.
#![allow(
    clippy::doc_markdown,
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::must_use_candidate,
    reason = "test support: a broken setup should stop the test at once"
)]

mod access;
mod answers;
mod control;
mod create;
mod faults;
mod fetch;
mod files;
mod identities;
mod issuer;
mod jwt;
mod mapping;
mod misbehave;
mod oidc;
mod platform;
mod port;
mod providers;
mod scope;
mod server;
mod state;
mod tls;
mod tokens;
mod verify;

use axum::{Extension, Router};
use serde::Serialize;
use serde_json::{Value, json};

pub use faults::Fault;
pub use issuer::{Issuer, IssuerBuilder};
pub use jwt::Signature;
pub use tls::Tls;

use port::Port;
use server::Server;
use state::{Settings, Shared};

/// A running server. Dropping it closes the port and every connection.
pub struct Sandbox {
    server: Server,
    shared: Shared,
    ca_pem: String,
    client: (String, String),
    admin_token: String,
    user_token: String,
}

/// A received request.
#[derive(Clone, Debug, Serialize)]
pub struct Recorded {
    /// `POST`, `GET` …
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// Names are in lower case; a repeated header appears repeatedly.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
}

/// A token that the API issued.
#[derive(Clone, Debug, Serialize)]
pub struct Issued {
    /// Its id, also the `jti` claim.
    pub token_id: String,
    /// The JWT.
    pub access_token: String,
    /// Its refresh token, even after use.
    pub refresh_token: Option<String>,
    /// Its reference token.
    pub reference_token: Option<String>,
    /// Its user.
    pub username: String,
    /// Its scope.
    pub scope: String,
    /// Its lifetime in seconds; `None` if it never expires.
    pub expires_in: Option<u64>,
    /// Not revoked, not replaced, not expired.
    pub live: bool,
}

/// Settings for a server to start.
#[derive(Default)]
pub struct Builder {
    tls: Option<Tls>,
    port: u16,
    settings: Settings,
    issuer_cas: Vec<String>,
}

impl Sandbox {
    /// Plain HTTP on a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// A server with other settings.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The platform's URL, without a slash at the end.
    pub fn url(&self) -> String {
        self.shared.lock().url.clone()
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The certificate of the temporary CA as PEM; empty without TLS.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A client certificate of the temporary CA, and its key, as PEM; empty without TLS.
    pub fn client_certificate(&self) -> (&str, &str) {
        (&self.client.0, &self.client.1)
    }

    /// The access token of user `admin`.
    pub fn admin_token(&self) -> &str {
        &self.admin_token
    }

    /// The access token of user `alice`, who is not an admin.
    pub fn user_token(&self) -> &str {
        &self.user_token
    }

    /// Applies this fault to the next request that no earlier fault applies to.
    pub fn fault(&self, fault: Fault) {
        self.fault_for("", fault, 1);
    }

    /// Applies this fault to the next `times` requests whose `METHOD /path` contains `path_part`.
    pub fn fault_for(&self, path_part: &str, fault: Fault, times: usize) {
        self.shared.lock().faults.add(path_part, fault, times);
    }

    /// Takes back the faults that no request met yet.
    pub fn clear_faults(&self) {
        self.shared.lock().faults = faults::Queue::default();
    }

    /// Every request so far, in order, except those to `/sandbox/`.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.lock().requests.clone()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.shared.lock().requests.clear();
    }

    /// Every token that the API has issued, in order.
    pub fn issued(&self) -> Vec<Issued> {
        self.shared.lock().issued()
    }

    /// Whether an access or reference token exists and is not revoked, replaced or expired.
    pub fn is_live(&self, token: &str) -> bool {
        self.shared.lock().is_live(token)
    }

    /// Signs these claims with the server's key.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass json!(…)")]
    pub fn token_with(&self, claims: Value) -> String {
        tokens::sign(&claims)
    }

    /// Creates or replaces an OIDC provider, given as to the REST API. Its identity mappings may be in `identity_mappings`.
    pub fn add_provider(&self, provider: Value) {
        self.try_add_provider(provider).expect("a provider");
    }

    /// The same for a provider that may be wrong; the error says how.
    ///
    /// # Errors
    /// If the provider or one of its mappings is refused.
    pub fn try_add_provider(&self, mut provider: Value) -> Result<(), String> {
        let mappings = provider.get_mut("identity_mappings").map(Value::take);
        let providers = &mut self.shared.lock().providers;
        let name = providers.put(provider).map_err(|e| e.to_string())?.name;
        for mapping in mappings.as_ref().and_then(Value::as_array).into_iter().flatten() {
            providers.put_mapping(&name, mapping.clone()).map_err(|e| e.to_string())?;
        }
        Ok(())
    }

    /// Creates or replaces an identity mapping of this provider, given as to the REST API.
    pub fn add_mapping(&self, provider: &str, mapping: Value) {
        self.shared.lock().providers.put_mapping(provider, mapping).expect("an identity mapping");
    }

    /// Adds a provider that trusts this issuer, its CA too, and a mapping `any` that gives every one of its tokens an access token of this
    /// kind, such as `{"username": "alice", "expires_in": 300}`.
    #[expect(clippy::needless_pass_by_value, reason = "callers pass json!(…)")]
    pub fn trust(&self, provider: &str, issuer: &Issuer, token_spec: Value) {
        if !issuer.ca_pem().is_empty() {
            self.shared.lock().providers.issuer_cas.push(issuer.ca_pem().to_owned());
        }
        self.add_provider(json!({"name": provider, "issuer_url": issuer.url()}));
        self.add_mapping(provider, json!({"name": "any", "claims": {}, "token_spec": token_spec}));
    }

    /// Refuses connections from now on. Requests in progress are still answered.
    pub fn pause(&self) {
        self.server.set_open(false);
    }

    /// Listens again on the same port.
    pub fn resume(&self) {
        self.server.set_open(true);
    }
}

impl Builder {
    /// Serves HTTPS with a certificate of this kind.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Listens on this port; 0, the default, means any free port.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Sets the server's clock ahead of the real one, or behind if negative.
    #[must_use]
    pub fn clock_skew(mut self, seconds: i64) -> Self {
        self.settings.skew = seconds;
        self
    }

    /// Tokens with a shorter lifetime cannot be revoked unless `force_revocable` was set.
    #[must_use]
    pub fn revocable_threshold(mut self, seconds: u64) -> Self {
        self.settings.revocable_threshold = seconds;
        self
    }

    /// Tokens with a shorter lifetime are not stored unless `force_revocable` was set.
    #[must_use]
    pub fn persistent_threshold(mut self, seconds: u64) -> Self {
        self.settings.persistent_threshold = seconds;
        self
    }

    /// Whether a refresh ends the old access token.
    #[must_use]
    pub fn refresh_kills_old(mut self, kills: bool) -> Self {
        self.settings.refresh_kills_old = kills;
        self
    }

    /// The default lifetime of a token.
    #[must_use]
    pub fn default_expiry(mut self, seconds: u64) -> Self {
        self.settings.default_expiry = seconds;
        self
    }

    /// Trusts this CA (PEM) for the issuers of OIDC providers, instead of the system's.
    #[must_use]
    pub fn issuer_ca(mut self, pem: &str) -> Self {
        self.issuer_cas.push(pem.to_owned());
        self
    }

    /// Starts the server. When this returns, it accepts connections.
    pub fn start(self) -> Sandbox {
        let tls::Pki { ca_pem, client, acceptor } = self.tls.map(tls::pki).unwrap_or_default();
        let shared = Shared::new(self.settings);
        shared.lock().providers.issuer_cas = self.issuer_cas;
        let (admin_token, user_token) = shared.lock().seed();
        let server = Server::start(self.port, acceptor, &shared, |port| routes(port).with_state(shared.clone()));
        Sandbox { server, shared, ca_pem, client, admin_token, user_token }
    }
}

fn routes(port: Port) -> Router<Shared> {
    access::routes()
        .merge(oidc::routes())
        .merge(providers::routes())
        .merge(platform::routes())
        .merge(files::routes())
        .merge(control::routes())
        .fallback(platform::not_found)
        .method_not_allowed_fallback(platform::not_found)
        .layer(Extension(port))
}
