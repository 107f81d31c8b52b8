//! A CI's identity side: an OIDC issuer, and the endpoints at which a job gets its identity token.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::{
    Extension, Router,
    extract::{RawQuery, State as Handle},
    http::{HeaderMap, StatusCode},
    response::Response,
    routing::{get, post},
};
use serde_json::{Map, Value, json};

use crate::{
    Fault, Recorded, Tls,
    access::bearer,
    answers::{answer, json_answer},
    control,
    identities::{self, Job, Platform},
    jwt::{Keys, Signature},
    platform,
    server::Server,
    state::{Settings, Shared},
    tls,
};

/// What GitHub's endpoint says when it refuses. guess: the wording; the fields are those of the Azure DevOps code behind it.
const REFUSAL: &str = r#"{"$id":"1","innerException":null,"message":"The user is not authorized to access this resource.",
"typeName":"Microsoft.TeamFoundation.Framework.Server.UnauthorizedRequestException","typeKey":"UnauthorizedRequestException",
"errorCode":0,"eventId":3000}"#;

/// A running issuer of identity tokens. Dropping it closes the port and every connection.
pub struct Issuer {
    server: Server,
    desk: Desk,
    ca_pem: String,
}

/// Settings for an issuer to start.
#[derive(Default)]
pub struct IssuerBuilder {
    tls: Option<Tls>,
    port: u16,
    settings: Settings,
}

impl IssuerBuilder {
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

    /// Sets the issuer's clock ahead of the real one, or behind if negative.
    #[must_use]
    pub fn clock_skew(mut self, seconds: i64) -> Self {
        self.settings.skew = seconds;
        self
    }

    /// Starts the issuer. When this returns, it accepts connections.
    pub fn start(self) -> Issuer {
        let tls::Pki { ca_pem, acceptor, .. } = self.tls.map(tls::pki).unwrap_or_default();
        let desk = Desk {
            shared: Shared::new(self.settings),
            office: Arc::new(Mutex::new(Office { keys: Keys::new(0), generation: 0, job: Job::default() })),
            bearer: identities::bearer().into(),
        };
        let server = Server::start(self.port, acceptor, &desk.shared, |port| {
            let control = control::routes().layer(Extension(port)).with_state(desk.shared.clone());
            routes().with_state(desk.clone()).merge(control).fallback(platform::not_found)
        });
        Issuer { server, desk, ca_pem }
    }
}

impl Issuer {
    /// Plain HTTP on a free port of 127.0.0.1.
    pub fn start() -> Self {
        Self::builder().start()
    }

    /// An issuer with other settings.
    pub fn builder() -> IssuerBuilder {
        IssuerBuilder::default()
    }

    /// The issuer's URL, which is also the claim `iss`; without a slash at the end.
    pub fn url(&self) -> String {
        self.desk.url()
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.server.port
    }

    /// The certificate of the temporary CA as PEM; empty without TLS.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// What a request for a token must have as its bearer.
    pub fn bearer(&self) -> &str {
        &self.desk.bearer
    }

    /// The variables of a GitHub job that may ask for a token.
    pub fn github_env(&self) -> [(&'static str, String); 2] {
        self.actions_env("/github/id?api-version=2.0")
    }

    /// The variables of a Forgejo job that may ask for a token.
    pub fn forgejo_env(&self) -> [(&'static str, String); 2] {
        self.actions_env("/forgejo/id?placeholder=true")
    }

    fn actions_env(&self, path: &str) -> [(&'static str, String); 2] {
        [("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}{path}", self.url())), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", self.bearer().to_owned())]
    }

    /// The variables of an Azure Pipelines job that may ask for a token.
    pub fn azure_env(&self) -> [(&'static str, String); 2] {
        [("SYSTEM_OIDCREQUESTURI", format!("{}/azure/id", self.url())), ("SYSTEM_ACCESSTOKEN", self.bearer().to_owned())]
    }

    /// A token as GitHub's endpoint gives it, for this audience.
    pub fn github_token(&self, audience: impl Into<Value>) -> String {
        self.desk.token(Platform::GitHub, Some(audience.into()))
    }

    /// A token as GitLab puts it into a variable; the audience is a string or a list.
    pub fn gitlab_token(&self, audience: impl Into<Value>) -> String {
        self.desk.token(Platform::GitLab, Some(audience.into()))
    }

    /// Signs these claims (an object) with the RSA key. `iss`, `jti`, `iat`, `nbf` and `exp` (in 5 minutes) are added; null leaves a claim
    /// out. `{"exp": 1}` makes an expired token, `{"nbf": 9999999999}` one that is not valid yet.
    pub fn sign(&self, claims: Value) -> String {
        self.sign_with(Signature::Rs256, claims)
    }

    /// Signs these claims in another way.
    pub fn sign_with(&self, how: Signature, claims: Value) -> String {
        let claims = identities::complete(object(claims), &self.url(), self.desk.shared.lock().now(), 300, 0);
        self.desk.lock().keys.sign(how, &claims)
    }

    /// Replaces both keys. The old ones are no longer published.
    pub fn rotate(&self) {
        let mut office = self.desk.lock();
        office.generation += 1;
        office.keys = Keys::new(office.generation);
    }

    /// Changes the claims (an object) of the tokens of every CI from now on; null removes one. Claims made of others follow them:
    /// `{"repository": "a/b"}` also changes `sub`, `repository_owner` and the default `aud`.
    pub fn set_claims(&self, claims: Value) {
        self.desk.lock().job.claims.extend(object(claims));
    }

    /// The life of the tokens of every CI from now on, in seconds; negative for expired ones.
    pub fn set_life(&self, seconds: i64) {
        self.desk.lock().job.life = Some(seconds);
    }

    /// Whether GitHub's `sub` contains ids, as for repositories made since July 2026: `repo:octo@65/app@74:ref:…`.
    pub fn set_ids_in_sub(&self, ids: bool) {
        self.desk.lock().job.ids_in_sub = ids;
    }

    /// Refuses the next `times` requests for a token with this status, as GitHub does for 401 and 403.
    pub fn refuse(&self, status: u16, times: usize) {
        let refusal = Fault::Status { status, retry_after: None, body: Some(REFUSAL.to_owned()) };
        self.fault_for("/id", refusal, times);
    }

    /// Applies this fault to the next `times` requests whose `METHOD /path` contains `path_part`; `/id` stands for those for a token.
    pub fn fault_for(&self, path_part: &str, fault: Fault, times: usize) {
        self.desk.shared.lock().faults.add(path_part, fault, times);
    }

    /// Every request so far, in order, those for the keys too.
    pub fn requests(&self) -> Vec<Recorded> {
        self.desk.shared.lock().requests.clone()
    }

    /// Forgets the requests so far.
    pub fn clear_requests(&self) {
        self.desk.shared.lock().requests.clear();
    }
}

fn object(claims: Value) -> Map<String, Value> {
    serde_json::from_value(claims).expect("claims are an object")
}

/// Where a job gets its token.
#[derive(Clone)]
struct Desk {
    /// Its requests, faults and clock; it issues no access tokens.
    shared: Shared,
    office: Arc<Mutex<Office>>,
    bearer: Arc<str>,
}

struct Office {
    keys: Keys,
    generation: usize,
    job: Job,
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, Office> {
        self.office.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn url(&self) -> String {
        self.shared.lock().url.clone()
    }

    fn token(&self, platform: Platform, audience: Option<Value>) -> String {
        let (url, now) = (self.url(), self.shared.lock().now());
        let office = self.lock();
        let claims = identities::claims(platform, &url, &office.job, audience, now);
        office.keys.sign(Signature::Rs256, &claims)
    }

    /// Answers a request for a token. guess: what is answered to a wrong query.
    fn serve(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        required: (&str, &str),
        answer_with: impl FnOnce(&[(String, String)]) -> Value,
    ) -> Response {
        if bearer(headers) != Some(&self.bearer) {
            return answer(StatusCode::UNAUTHORIZED, "application/json", REFUSAL);
        }
        let query: Vec<(String, String)> = serde_urlencoded::from_str(query.unwrap_or_default()).unwrap_or_default();
        if value(&query, required.0) != Some(required.1) {
            let message = format!("The query must contain {}={}", required.0, required.1);
            return json_answer(StatusCode::BAD_REQUEST, &json!({"message": message}));
        }
        json_answer(StatusCode::OK, &answer_with(&query))
    }

    fn actions(&self, headers: &HeaderMap, query: Option<&str>, required: (&str, &str), platform: Platform) -> Response {
        self.serve(headers, query, required, |query| {
            // An empty audience is none.
            let audience = value(query, "audience").filter(|a| !a.is_empty());
            json!({"value": self.token(platform, audience.map(Value::from))})
        })
    }
}

fn value<'a>(query: &'a [(String, String)], name: &str) -> Option<&'a str> {
    query.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

fn routes() -> Router<Desk> {
    Router::new()
        .route("/.well-known/openid-configuration", get(discovery))
        .route("/.well-known/jwks", get(keys))
        .route("/github/id", get(github))
        .route("/forgejo/id", get(forgejo))
        .route("/azure/id", post(azure))
}

async fn discovery(Handle(desk): Handle<Desk>) -> Response {
    let url = desk.url();
    let document = json!({
        "issuer": url, "jwks_uri": format!("{url}/.well-known/jwks"), "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256", "ES256"], "scopes_supported": ["openid"],
    });
    json_answer(StatusCode::OK, &document)
}

async fn keys(Handle(desk): Handle<Desk>) -> Response {
    json_answer(StatusCode::OK, &desk.lock().keys.public())
}

async fn github(Handle(desk): Handle<Desk>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    desk.actions(&headers, query.as_deref(), ("api-version", "2.0"), Platform::GitHub)
}

async fn forgejo(Handle(desk): Handle<Desk>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    desk.actions(&headers, query.as_deref(), ("placeholder", "true"), Platform::Forgejo)
}

async fn azure(Handle(desk): Handle<Desk>, RawQuery(query): RawQuery, headers: HeaderMap) -> Response {
    desk.serve(&headers, query.as_deref(), ("api-version", "7.1"), |query| {
        let service_connection = value(query, "serviceConnectionId").is_some();
        json!({"oidcToken": desk.token(Platform::Azure { service_connection }, None)})
    })
}
