//! Options that take one of a few words.

use serde::{Deserialize, Serialize};

/// What to print to standard output: `--format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The platform's answer as jf prints it, plus `username` and `expires_at`.
    Json,
    /// The bare access token.
    Token,
    /// `NAME=VALUE` lines.
    Env,
    /// `export NAME='VALUE'` lines.
    Shell,
    /// `$env:NAME = 'VALUE'` lines.
    PowerShell,
    /// The `Authorization` header.
    Header,
    /// The bare reference token.
    Reference,
    /// A table for people.
    Table,
    /// A resource for Terraform.
    Terraform,
    /// Nothing.
    None,
}

impl Format {
    /// Whether the output contains a token.
    #[must_use]
    pub fn holds_a_token(self) -> bool {
        !matches!(self, Format::Table | Format::Terraform | Format::None)
    }

    /// Every format with its name.
    pub const WORDS: [(&str, Format); 10] = [
        ("json", Format::Json),
        ("token", Format::Token),
        ("env", Format::Env),
        ("shell", Format::Shell),
        ("powershell", Format::PowerShell),
        ("header", Format::Header),
        ("reference", Format::Reference),
        ("table", Format::Table),
        ("terraform", Format::Terraform),
        ("none", Format::None),
    ];
}

/// How a token is renewed: `--renew-by`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RenewBy {
    /// By the refresh token; if it is spent or there is none, by minting a new token.
    #[default]
    Auto,
    /// By the refresh token only.
    Refresh,
    /// By minting a new token only. The old one stays valid until it expires.
    Mint,
}

impl RenewBy {
    /// Every way to renew with its name.
    pub const WORDS: [(&str, RenewBy); 3] =
        [(RenewBy::Auto.word(), RenewBy::Auto), (RenewBy::Refresh.word(), RenewBy::Refresh), (RenewBy::Mint.word(), RenewBy::Mint)];

    /// The name of this way to renew.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            RenewBy::Auto => "auto",
            RenewBy::Refresh => "refresh",
            RenewBy::Mint => "mint",
        }
    }

    /// Whether a refresh token would be used.
    #[must_use]
    pub fn allows_refresh(self) -> bool {
        self != RenewBy::Mint
    }

    /// Whether it is the default.
    #[must_use]
    pub fn is_auto(&self) -> bool {
        *self == RenewBy::Auto
    }
}

/// What happens to a token when the job ends: `--revoke`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Revoke {
    /// It stays valid.
    Never,
    /// It is revoked. In the GitHub Action, a failure to do so is only a warning.
    #[default]
    AtEnd,
    /// It is revoked. A failure to do so fails the job.
    Strict,
}

impl Revoke {
    /// Every choice with its name. The other words of a switch are taken too.
    pub const WORDS: [(&str, Revoke); 3] = [("true", Revoke::AtEnd), ("false", Revoke::Never), ("strict", Revoke::Strict)];
}
