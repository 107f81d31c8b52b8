//! What was asked, parsed once: the table of options, the command line, and a struct for each group of what belongs together.

mod choices;
pub mod command_line;
mod inputs;
pub mod span;
mod syntax;
pub mod table;
mod value;

use std::ffi::OsString;
use std::time::Duration;

use crate::error::Result;

pub use choices::{Format, RenewBy, Revoke};
pub use inputs::{Flags, Inputs};
pub use syntax::{Operands, Syntax};
pub use table::Group;
pub use value::{InputValue, Source, near, shown, switch};

/// All that a command was asked.
pub struct Options {
    /// Where the platform is, and how it is reached.
    pub connection: Connection,
    /// What proves who the job is.
    pub credential: CredentialOptions,
    /// What token is wanted.
    pub token: TokenOptions,
    /// Where it goes.
    pub hand_over: HandOver,
    /// How it is kept fresh.
    pub renewal: Renewal,
    /// Under which name it is remembered, and what becomes of it.
    pub session: SessionOptions,
    /// What is shown besides.
    pub diagnostics: Diagnostics,
    /// The program that is to be run, and its arguments.
    pub program: Vec<OsString>,
    /// The flags as they were given.
    pub flags: Flags,
}

/// Where the platform is, and how it is reached.
pub struct Connection {
    /// Its URL.
    pub url: Option<InputValue>,
    /// Whether plain http may leave this machine.
    pub insecure_http: bool,
    /// How long new tries may begin.
    pub retry_for: Duration,
}

/// What proves who the job is, as it was given.
pub struct CredentialOptions {
    /// The access token itself.
    pub access_token: Option<InputValue>,
    /// A file that holds it.
    pub access_token_file: Option<InputValue>,
    /// What says that standard input holds it.
    pub access_token_stdin: Option<InputValue>,
    /// A user and a password, which can't mint.
    pub user: Option<InputValue>,
    /// See `user`.
    pub password: Option<InputValue>,
}

/// What token is wanted, as it was given. `api::TokenRequest` reads it.
#[expect(clippy::struct_excessive_bools, reason = "one an option")]
pub struct TokenOptions {
    /// Whom it is for.
    pub username: Option<InputValue>,
    /// The whole scope.
    pub scope: Option<InputValue>,
    /// Groups, of which the scope is made.
    pub groups: Option<InputValue>,
    /// Whether admin permissions are a part of the scope.
    pub grant_admin: bool,
    /// Its life.
    pub expiry: Option<InputValue>,
    /// Whether a refresh token is wanted too.
    pub refreshable: bool,
    /// Whether a reference token is wanted too.
    pub reference: bool,
    /// What the platform's list of tokens shows.
    pub description: Option<InputValue>,
    /// The services that accept it.
    pub audience: Option<InputValue>,
    /// The project that it belongs to.
    pub project: Option<InputValue>,
    /// Whether it is to be revocable even if it is short-lived.
    pub force_revocable: bool,
}

/// Where the token goes.
pub struct HandOver {
    /// What standard output gets.
    pub format: Option<Format>,
    /// A file for `NAME=VALUE` lines.
    pub output_file: Option<InputValue>,
    /// A file for the bare token.
    pub token_file: Option<InputValue>,
    /// A variable for the token.
    pub env_var: Option<InputValue>,
    /// Whether the refresh token is handed over too.
    pub refresh_token: bool,
}

/// How the token is kept fresh.
pub struct Renewal {
    /// By what.
    pub by: Option<RenewBy>,
    /// What said so.
    pub by_source: Option<Source>,
    /// The least it must still be good for.
    pub min_ttl: Option<Duration>,
    /// Whether a keeper is wanted.
    pub keep_fresh: bool,
    /// The process until whose end it is kept fresh.
    pub until_pid: Option<InputValue>,
    /// Whether the keeper stays in the foreground.
    pub foreground: bool,
    /// Where it writes what happens.
    pub log_file: Option<InputValue>,
}

/// Under which name the token is remembered, and what becomes of it.
pub struct SessionOptions {
    /// The name.
    pub name: Option<InputValue>,
    /// What happens at the end.
    pub revoke: Revoke,
    /// A single token to be revoked.
    pub token_id: Option<InputValue>,
}

/// What is shown besides.
pub struct Diagnostics {
    /// The requests.
    pub verbose: bool,
    /// What the platform knows of a token.
    pub online: bool,
    /// What would be sent, and nothing is.
    pub dry_run: bool,
}

impl Options {
    /// Reads all that this command knows.
    ///
    /// # Errors
    /// With the first value that is wrong.
    pub fn parse(inputs: &Inputs, program: Vec<OsString>) -> Result<Self> {
        use table as t;
        let text = |option| inputs.text(option);
        let (switch, span) = (|option| inputs.switch(option), |option| inputs.span(option));
        Ok(Self {
            connection: Connection {
                url: text(&t::URL)?,
                insecure_http: switch(&t::INSECURE_HTTP)?,
                retry_for: span(&t::RETRY_FOR)?.unwrap_or(Duration::from_secs(30)),
            },
            credential: CredentialOptions {
                access_token: text(&t::ACCESS_TOKEN)?,
                access_token_file: text(&t::ACCESS_TOKEN_FILE)?,
                access_token_stdin: inputs.switched_on(&t::ACCESS_TOKEN_STDIN)?,
                user: text(&t::USER)?,
                password: text(&t::PASSWORD)?,
            },
            token: TokenOptions {
                // As in jf, --user beside a token is the user the token is for.
                username: text(&t::USERNAME)?.map_or_else(|| text(&t::USER), |name| Ok(Some(name)))?,
                scope: text(&t::SCOPE)?,
                groups: text(&t::GROUPS)?,
                grant_admin: switch(&t::GRANT_ADMIN)?,
                expiry: text(&t::EXPIRY)?,
                refreshable: switch(&t::REFRESHABLE)?,
                reference: switch(&t::REFERENCE)?,
                description: text(&t::DESCRIPTION)?,
                audience: text(&t::AUDIENCE)?,
                project: text(&t::PROJECT)?,
                force_revocable: switch(&t::FORCE_REVOCABLE)?,
            },
            hand_over: HandOver {
                format: inputs.format()?,
                output_file: text(&t::OUTPUT_FILE)?,
                token_file: text(&t::TOKEN_FILE)?,
                env_var: text(&t::ENV_VAR)?,
                refresh_token: switch(&t::OUTPUT_REFRESH_TOKEN)?,
            },
            renewal: Renewal {
                by: inputs.word(&t::RENEW_BY, &RenewBy::WORDS)?,
                by_source: text(&t::RENEW_BY)?.map(|given| given.source),
                min_ttl: span(&t::MIN_TTL)?,
                keep_fresh: switch(&t::KEEP_FRESH)?,
                until_pid: text(&t::UNTIL_PID)?,
                foreground: switch(&t::FOREGROUND)?,
                log_file: text(&t::LOG_FILE)?,
            },
            session: SessionOptions {
                name: text(&t::SESSION)?,
                revoke: inputs.word(&t::REVOKE, &Revoke::WORDS)?.unwrap_or_default(),
                token_id: text(&t::TOKEN_ID)?,
            },
            diagnostics: Diagnostics { verbose: switch(&t::VERBOSE)?, online: switch(&t::ONLINE)?, dry_run: switch(&t::DRY_RUN)? },
            program,
            flags: inputs.flags.clone(),
        })
    }
}
