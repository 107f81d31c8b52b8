//! What the server knows: tokens, queued faults, requests so far.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use crate::{
    Issued, Recorded, faults,
    tokens::{self, Audience, Claims},
};

/// The audience of a token whose request names none.
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
}

/// What is to be issued.
#[derive(Clone, Default)]
pub(crate) struct Order {
    pub username: String,
    pub scope: String,
    pub audience: String,
    /// Seconds; none = never expires.
    pub life: Option<u64>,
    pub refreshable: bool,
    pub reference: bool,
    pub forced: bool,
    pub description: Option<String>,
    pub project: Option<String>,
}

pub(crate) struct Token {
    pub order: Order,
    pub claims: Claims,
    pub access: String,
    pub refresh: Option<String>,
    /// The refresh token was used.
    pub spent: bool,
    pub reference: Option<String>,
    /// Revoked or replaced.
    pub ended: bool,
    /// One of the two credentials that exist from the start.
    seed: bool,
}

impl Order {
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

    /// The credentials of `admin` and `alice`.
    pub(crate) fn seed(&mut self) -> (String, String) {
        let mut issue = |username: &str, scope: &str| {
            let token = self.issue(Order {
                username: username.to_owned(),
                scope: scope.to_owned(),
                audience: ANY_SERVICE.to_owned(),
                life: Some(31_536_000),
                ..Order::default()
            });
            token.seed = true;
            token.access.clone()
        };
        (issue("admin", "applied-permissions/admin"), issue("alice", "applied-permissions/user"))
    }

    pub(crate) fn issue(&mut self, order: Order) -> &mut Token {
        let iat = self.now();
        let exp = order.life.map(|life| iat.saturating_add_unsigned(life));
        let revocable = order.outlives(self.settings.revocable_threshold);
        let instance = tokens::instance();
        // An OIDC subject is any text; no other name has a slash.
        let sub = if order.username.contains('/') { order.username.clone() } else { format!("jfac@{instance}/users/{}", order.username) };
        let claims = Claims {
            sub,
            scp: order.scope.clone(),
            aud: Audience::new(&order.audience),
            iss: format!("jfac@{instance}"),
            exp,
            iat,
            jti: tokens::uuid(),
            ext: revocable.then(|| r#"{"revocable":"true"}"#.to_owned()),
        };
        self.tokens.push(Token {
            access: tokens::sign(&claims),
            refresh: order.refreshable.then(tokens::uuid),
            reference: order.reference.then(|| tokens::reference(exp)),
            order,
            claims,
            spent: false,
            ended: false,
            seed: false,
        });
        self.tokens.last_mut().expect("just pushed")
    }

    pub(crate) fn revocable(&self, token: &Token) -> bool {
        token.order.outlives(self.settings.revocable_threshold)
    }

    /// Whether a look-up finds it.
    pub(crate) fn listed(&self, token: &Token) -> bool {
        !token.ended && !token.claims.expired(self.now()) && token.order.outlives(self.settings.persistent_threshold)
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
                username: t.order.username.clone(),
                scope: t.order.scope.clone(),
                expires_in: t.order.life,
                live: self.is_live(&t.access),
            })
            .collect()
    }

    /// Whose token this is, expired and revoked ones too.
    pub(crate) fn identify(&self, token: &str) -> Result<Claims, &'static str> {
        match self.tokens.iter().find(|t| t.is(token)) {
            Some(known) => Ok(known.claims.clone()),
            None => tokens::verify(token),
        }
    }

    /// Who calls a service of this type; the error is the word after "Invalid token, ".
    pub(crate) fn authenticate(&self, token: &str, service: &str) -> Result<Claims, &'static str> {
        let claims = self.identify(token)?;
        if claims.expired(self.now()) {
            return Err("expired");
        }
        if !claims.aud.includes(service) {
            return Err("audience");
        }
        // guess: what Access says of a revoked token.
        if self.tokens.iter().any(|t| t.claims.jti == claims.jti && t.ended) {
            return Err("revoked");
        }
        Ok(claims)
    }
}
