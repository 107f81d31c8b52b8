//! The server's state: tokens, queued faults, requests so far.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use crate::{
    Issued, Recorded, faults,
    providers::Providers,
    tokens::{self, Audience, Claims},
};

/// The default audience of a token.
pub(crate) const ANY_SERVICE: &str = "*@*";

pub(crate) struct Settings {
    pub skew: i64,
    pub revocable_threshold: u64,
    pub persistent_threshold: u64,
    pub refresh_kills_old: bool,
    pub default_expiry: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self { skew: 0, revocable_threshold: 21_600, persistent_threshold: 10_800, refresh_kills_old: true, default_expiry: 31_536_000 }
    }
}

#[derive(Clone)]
pub(crate) struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub(crate) fn new(settings: Settings) -> Self {
        Self(Arc::new(Mutex::new(State {
            settings,
            url: String::new(),
            tokens: Vec::new(),
            faults: faults::Queue::default(),
            requests: Vec::new(),
            providers: Providers::default(),
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) struct State {
    pub settings: Settings,
    pub url: String,
    pub tokens: Vec<Token>,
    pub faults: faults::Queue,
    pub requests: Vec<Recorded>,
    pub providers: Providers,
}

/// The properties of a token to issue.
#[derive(Clone, Default)]
pub(crate) struct TokenSpec {
    pub username: String,
    pub scope: String,
    pub audience: String,
    /// In seconds; `None` if it never expires.
    pub life: Option<u64>,
    pub refreshable: bool,
    pub reference: bool,
    pub forced: bool,
    pub description: Option<String>,
    pub project: Option<String>,
}

pub(crate) struct Token {
    pub spec: TokenSpec,
    pub claims: Claims,
    pub access: String,
    pub refresh: Option<String>,
    /// Whether the refresh token was used.
    pub spent: bool,
    pub reference: Option<String>,
    /// Whether it was revoked or replaced.
    pub ended: bool,
    /// Whether it is one of the two initial credentials.
    seed: bool,
}

impl TokenSpec {
    fn outlives(&self, threshold: u64) -> bool {
        self.forced || self.life.is_none_or(|life| life >= threshold)
    }
}

impl Token {
    pub(crate) fn is(&self, token: &str) -> bool {
        self.access == token || self.reference.as_deref() == Some(token)
    }
}

impl State {
    pub(crate) fn now(&self) -> i64 {
        let real = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |d| d.as_secs().cast_signed());
        real + self.settings.skew
    }

    /// Issues the initial credentials of `admin` and `alice`.
    pub(crate) fn seed(&mut self) -> (String, String) {
        let mut issue = |username: &str, scope: &str| {
            let token = self.issue(TokenSpec {
                username: username.to_owned(),
                scope: scope.to_owned(),
                audience: ANY_SERVICE.to_owned(),
                life: Some(31_536_000),
                ..TokenSpec::default()
            });
            token.seed = true;
            token.access.clone()
        };
        (issue("admin", "applied-permissions/admin"), issue("alice", "applied-permissions/user"))
    }

    pub(crate) fn issue(&mut self, spec: TokenSpec) -> &mut Token {
        let iat = self.now();
        let exp = spec.life.map(|life| iat.saturating_add_unsigned(life));
        let revocable = spec.outlives(self.settings.revocable_threshold);
        let instance = tokens::instance();
        // Only the name of an OIDC subject contains a slash; it can be any text.
        let sub = if spec.username.contains('/') { spec.username.clone() } else { format!("jfac@{instance}/users/{}", spec.username) };
        let claims = Claims {
            sub,
            scp: spec.scope.clone(),
            aud: Audience::new(&spec.audience),
            iss: format!("jfac@{instance}"),
            exp,
            iat,
            jti: tokens::uuid(),
            ext: revocable.then(|| r#"{"revocable":"true"}"#.to_owned()),
        };
        self.tokens.push(Token {
            access: tokens::sign(&claims),
            refresh: spec.refreshable.then(tokens::uuid),
            reference: spec.reference.then(|| tokens::reference(exp)),
            spec,
            claims,
            spent: false,
            ended: false,
            seed: false,
        });
        self.tokens.last_mut().expect("just pushed")
    }

    pub(crate) fn revocable(&self, token: &Token) -> bool {
        token.spec.outlives(self.settings.revocable_threshold)
    }

    /// Whether a look-up finds this token.
    pub(crate) fn listed(&self, token: &Token) -> bool {
        !token.ended && !token.claims.expired(self.now()) && token.spec.outlives(self.settings.persistent_threshold)
    }

    pub(crate) fn is_live(&self, token: &str) -> bool {
        self.tokens.iter().any(|t| t.is(token) && !t.ended && !t.claims.expired(self.now()))
    }

    pub(crate) fn issued(&self) -> Vec<Issued> {
        self.tokens
            .iter()
            .filter(|t| !t.seed)
            .map(|t| Issued {
                token_id: t.claims.jti.clone(),
                access_token: t.access.clone(),
                refresh_token: t.refresh.clone(),
                reference_token: t.reference.clone(),
                username: t.spec.username.clone(),
                scope: t.spec.scope.clone(),
                expires_in: t.spec.life,
                live: self.is_live(&t.access),
            })
            .collect()
    }

    /// The claims of a token, even if it is expired or revoked.
    pub(crate) fn identify(&self, token: &str) -> Result<Claims, &'static str> {
        match self.tokens.iter().find(|t| t.is(token)) {
            Some(known) => Ok(known.claims.clone()),
            None => tokens::verify(token),
        }
    }

    /// The claims of a valid token for a service of this type; the error is the word after "Invalid token, ".
    pub(crate) fn authenticate(&self, token: &str, service: &str) -> Result<Claims, &'static str> {
        let claims = self.identify(token)?;
        if claims.expired(self.now()) {
            return Err("expired");
        }
        if !claims.aud.includes(service) {
            return Err("audience");
        }
        // guess: Access's word for a revoked token.
        if self.tokens.iter().any(|t| t.claims.jti == claims.jti && t.ended) {
            return Err("revoked");
        }
        Ok(claims)
    }
}
