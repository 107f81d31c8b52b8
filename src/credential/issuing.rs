use redact::HIDDEN;
use serde::{Deserialize, Serialize};

use crate::api::{ExchangeRequest, TokenRequest};

/// How a token is issued. The session remembers it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Issuing {
    /// By `POST /access/api/v1/tokens`.
    Mint(TokenRequest),
    /// By `POST /access/api/v1/oidc/token`.
    Exchange(ExchangeRequest),
    /// By an exchange, whose token mints this one.
    ExchangeAndMint {
        /// What the identity token is exchanged for.
        exchange: ExchangeRequest,
        /// What is minted with that.
        mint: TokenRequest,
    },
}

impl Issuing {
    /// The same without `force_revocable`, for a platform that refuses it.
    #[must_use]
    pub fn without_force_revocable(&self) -> Self {
        let without = |wanted: &TokenRequest| TokenRequest { force_revocable: false, ..wanted.clone() };
        match self {
            Issuing::Mint(wanted) => Issuing::Mint(without(wanted)),
            Issuing::ExchangeAndMint { exchange, mint } => Issuing::ExchangeAndMint { exchange: exchange.clone(), mint: without(mint) },
            Issuing::Exchange(wanted) => Issuing::Exchange(wanted.clone()),
        }
    }

    /// The same without a mint after the exchange: what the environment says of a token to mint is for other commands.
    #[must_use]
    pub fn exchange_alone(self) -> Self {
        match self {
            Issuing::ExchangeAndMint { exchange, .. } => Issuing::Exchange(exchange),
            other => other,
        }
    }

    /// The bodies of the requests, in their order, without secrets.
    #[must_use]
    pub fn bodies(&self) -> Vec<String> {
        let exchange = self.exchange().map(|exchange| exchange.body(HIDDEN).to_string());
        exchange.into_iter().chain(self.request().map(TokenRequest::body)).collect()
    }

    /// The request for the token; `None` if nothing but an identity mapping says what it is.
    #[must_use]
    pub fn request(&self) -> Option<&TokenRequest> {
        match self {
            Issuing::Mint(wanted) | Issuing::ExchangeAndMint { mint: wanted, .. } => Some(wanted),
            Issuing::Exchange(_) => None,
        }
    }

    /// The exchange by which, or for which, it was issued.
    #[must_use]
    pub fn exchange(&self) -> Option<&ExchangeRequest> {
        match self {
            Issuing::Mint(_) => None,
            Issuing::Exchange(exchange) | Issuing::ExchangeAndMint { exchange, .. } => Some(exchange),
        }
    }

    /// Whether a token that is left behind ends soon by itself, so that it does little harm.
    #[must_use]
    pub fn ends_within_the_hour(&self) -> bool {
        self.request().is_none_or(TokenRequest::ends_within_the_hour)
    }
}
