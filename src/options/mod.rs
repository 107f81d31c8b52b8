//! What was asked for, parsed once: the table of options, the command line, and a struct for each group of options.

mod choices;
pub mod command_line;
pub mod help;
mod inputs;
mod names;
pub mod span;
mod syntax;
pub mod table;
mod value;

use std::cell::RefCell;
use std::ffi::OsString;
use std::time::Duration;

use crate::error::{Error, Result};
use crate::io::LogFormat;

pub use choices::{Format, RenewBy, Revoke};
pub use inputs::{Flags, Inputs, OPERAND, set_instead};
pub use names::Names;
pub use syntax::{Operands, Syntax};
pub use table::Group;
pub use value::{InputValue, Source, meant, near, shown, switch};

/// The life that stands for the platform's own.
pub const PLATFORMS_OWN: &str = "default";

/// Everything that a command was asked for.
pub struct Options {
    /// The platform, and how to reach it.
    pub connection: Connection,
    /// The credential: what proves who the job is.
    pub credential: CredentialOptions,
    /// What token to ask for.
    pub token: TokenOptions,
    /// Where the token goes.
    pub hand_over: HandOver,
    /// How the token is kept fresh.
    pub renewal: Renewal,
    /// The name under which the token is remembered, and what happens to it at the end.
    pub session: SessionOptions,
    /// What else to show.
    pub diagnostics: Diagnostics,
    /// Whether the program goes on when the process that started this one ends.
    pub outlive_parent: bool,
    /// Whether to pass output on though not all that is to be hidden is known.
    pub pass_if_unreadable: bool,
    /// The program to run, and its arguments.
    pub program: Vec<OsString>,
    /// The flags as they were given.
    pub flags: Flags,
    /// Whether the command was called by jf's name for it, and so prints what jf does.
    pub as_jf: bool,
}

/// The platform, and how to reach it.
pub struct Connection {
    /// The platform's URL.
    pub url: Option<InputValue>,
    /// Whether plain http to another machine is allowed.
    pub insecure_http: bool,
    /// How long to keep starting new tries.
    pub retry_for: Duration,
    /// More CA certificates to trust.
    pub ca_file: Option<InputValue>,
    /// Whether any TLS certificate is accepted.
    pub insecure_tls: Option<InputValue>,
    /// Headers for a gateway in front of the platform.
    pub headers: Option<InputValue>,
}

/// The credential (what proves who the job is), as it was given.
pub struct CredentialOptions {
    /// Every option of the group that was given; a switch, that is on. Also the URL, if it says how to prove who the job is: by SSH.
    pub given: Vec<(&'static table::Opt, InputValue)>,
    /// A user. Without an access token, a user and a password can't mint.
    pub user: Option<InputValue>,
    /// A password; see `user`.
    pub password: Option<InputValue>,
}

/// What token to ask for, as it was given. `api::TokenRequest` checks it.
pub struct TokenOptions {
    /// The user that the token is for.
    pub username: Option<InputValue>,
    /// The whole scope.
    pub scope: Option<InputValue>,
    /// The groups that the scope is made from.
    pub groups: Option<InputValue>,
    /// Whether the scope includes admin permissions.
    pub grant_admin: bool,
    /// The token's life.
    pub expiry: Option<InputValue>,
    /// The longest life to accept.
    pub max_life: Option<InputValue>,
    /// Whether to ask for a refresh token too.
    pub refreshable: bool,
    /// Whether to ask for a reference token too.
    pub reference: bool,
    /// The description in the platform's list of tokens.
    pub description: Option<InputValue>,
    /// The services that accept the token.
    pub audience: Option<InputValue>,
    /// The project that the token belongs to.
    pub project: Option<InputValue>,
    /// Whether the token must be revocable even if it is short-lived; `None` if not given.
    pub force_revocable: Option<bool>,
    /// The first option that is required but was not given, and what requires it.
    pub missing: Option<(Source, &'static table::Opt)>,
}

impl CredentialOptions {
    /// The files that were named.
    pub fn files(&self) -> impl Iterator<Item = &InputValue> {
        let is_file = |option: &table::Opt| option.value == table::Value::Text("FILE");
        self.given.iter().filter(move |(option, _)| is_file(option)).map(|(_, given)| given)
    }

    /// The option's value, if it was given; a switch's, if it is on.
    #[must_use]
    pub fn get(&self, option: &table::Opt) -> Option<&InputValue> {
        self.given.iter().find(|(other, _)| other.name == option.name).map(|(_, given)| given)
    }
}

impl TokenOptions {
    /// Whether something was asked for that only a mint can give, not an exchange. The platform's own life is nothing to ask for.
    #[must_use]
    pub fn needs_a_mint(&self) -> bool {
        let expiry = self.expiry.as_ref().is_some_and(|given| !given.text.eq_ignore_ascii_case(PLATFORMS_OWN));
        let texts = [&self.username, &self.scope, &self.groups, &self.description, &self.audience];
        let switches = self.grant_admin || self.refreshable || self.force_revocable == Some(true);
        expiry || switches || texts.into_iter().any(Option::is_some)
    }

    /// The variables used that other programs read too: they may have been set for those.
    #[must_use]
    pub fn of_others(&self) -> Vec<&str> {
        let sources = [&self.username, &self.project].into_iter().flatten().map(|given| &given.source);
        let variables = sources.filter_map(|source| if let Source::Variable(name) = source { Some(name.as_str()) } else { None });
        variables.filter(|name| !name.starts_with(table::OURS)).collect()
    }
}

/// Where the token goes.
pub struct HandOver {
    /// What to print to standard output.
    pub format: Option<Format>,
    /// The file to write `NAME=VALUE` lines to.
    pub output_file: Option<InputValue>,
    /// The file to write the bare token to.
    pub token_file: Option<InputValue>,
    /// The variable to put the token into.
    pub env_var: Option<InputValue>,
    /// Whether to hand over the refresh token too.
    pub refresh_token: bool,
    /// Whether a file that holds something else is replaced.
    pub overwrite: Option<InputValue>,
    /// Whether lines are added to a file that holds others.
    pub merge: Option<InputValue>,
}

/// How the token is kept fresh.
pub struct Renewal {
    /// The way to renew it.
    pub by: Option<RenewBy>,
    /// Where `by` was given.
    pub by_source: Option<Source>,
    /// How long the token must still be valid.
    pub min_ttl: Option<Duration>,
    /// Whether to start a keeper.
    pub keep_fresh: bool,
    /// The process until whose end the token is kept fresh.
    pub until_pid: Option<InputValue>,
    /// Whether the keeper stays in the foreground.
    pub foreground: bool,
    /// The file to write the keeper's messages to.
    pub log_file: Option<InputValue>,
}

/// The name under which the token is remembered, and what happens to it at the end.
pub struct SessionOptions {
    /// The session's name.
    pub name: Option<InputValue>,
    /// What happens to the token at the end.
    pub revoke: Revoke,
    /// The id of the only token to revoke.
    pub token_id: Option<InputValue>,
    /// Whether every session of the job is meant.
    pub all: Option<InputValue>,
}

/// What else to show.
#[expect(clippy::struct_excessive_bools, reason = "switches")]
pub struct Diagnostics {
    /// Whether to show the requests.
    pub verbose: bool,
    /// Whether to ask the platform what it knows of the token.
    pub online: bool,
    /// Whether to print the request's body and send nothing.
    pub dry_run: bool,
    /// The name of an identity mapping to write.
    pub mapping: Option<InputValue>,
    /// Whether only warnings and errors are printed.
    pub quiet: bool,
}

impl Options {
    /// Reads the options. Where the command doesn't know an option, its text is taken over without a check, and a switch, a word or a span
    /// keeps its default.
    ///
    /// # Errors
    /// Fails on the first invalid value.
    pub fn parse(inputs: &Inputs, program: Vec<OsString>, as_jf: bool) -> Result<Self> {
        use table as t;
        inputs.check_action()?;
        let first = RefCell::new(None);
        let text = |option| noted(inputs.text(option), &first);
        let switch = |option| noted(inputs.switch(option), &first);
        let span = |option| noted(inputs.span(option), &first);
        let url = text(&t::URL);
        let login = url.clone().filter(|url| url.after_ssh().is_some()).map(|url| (&t::URL, url));
        let options = Self {
            connection: Connection {
                url,
                insecure_http: switch(&t::INSECURE_HTTP),
                retry_for: span(&t::RETRY_FOR).unwrap_or(Duration::from_secs(30)),
                ca_file: text(&t::CA_FILE),
                insecure_tls: noted(inputs.switched_on(&t::INSECURE_TLS), &first),
                headers: text(&t::HEADER),
            },
            credential: CredentialOptions {
                given: noted(inputs.given(Group::Credential), &first).into_iter().chain(login).collect(),
                user: text(&t::USER),
                password: text(&t::PASSWORD),
            },
            token: TokenOptions {
                username: noted(inputs.username(), &first),
                scope: text(&t::SCOPE),
                groups: text(&t::GROUPS),
                grant_admin: switch(&t::GRANT_ADMIN),
                expiry: text(&t::EXPIRY),
                max_life: text(&t::MAX_LIFE),
                refreshable: switch(&t::REFRESHABLE),
                reference: switch(&t::REFERENCE),
                description: text(&t::DESCRIPTION),
                audience: text(&t::AUDIENCE),
                project: text(&t::PROJECT),
                force_revocable: noted(inputs.switch_if_given(&t::FORCE_REVOCABLE), &first),
                missing: noted(inputs.missing(), &first),
            },
            hand_over: HandOver {
                format: noted(inputs.format(), &first).or(as_jf.then_some(Format::Json)),
                output_file: text(&t::OUTPUT_FILE),
                token_file: text(&t::TOKEN_FILE),
                env_var: text(&t::ENV_VAR),
                refresh_token: switch(&t::OUTPUT_REFRESH_TOKEN),
                overwrite: noted(inputs.switched_on(&t::OVERWRITE), &first),
                merge: noted(inputs.switched_on(&t::MERGE), &first),
            },
            renewal: Renewal {
                by: noted(inputs.word(&t::RENEW_BY, &RenewBy::WORDS), &first),
                by_source: text(&t::RENEW_BY).map(|given| given.source),
                min_ttl: span(&t::MIN_TTL),
                keep_fresh: switch(&t::KEEP_FRESH),
                until_pid: text(&t::UNTIL_PID),
                foreground: switch(&t::FOREGROUND),
                log_file: text(&t::LOG_FILE),
            },
            session: SessionOptions {
                name: text(&t::SESSION),
                revoke: noted(inputs.revoke(), &first),
                token_id: text(&t::TOKEN_ID),
                all: noted(inputs.switched_on(&t::ALL_SESSIONS), &first),
            },
            diagnostics: Diagnostics {
                verbose: switch(&t::VERBOSE),
                online: switch(&t::ONLINE),
                dry_run: switch(&t::DRY_RUN),
                mapping: text(&t::MAPPING),
                quiet: switch(&t::QUIET),
            },
            outlive_parent: switch(&t::OUTLIVE_PARENT),
            pass_if_unreadable: switch(&t::PASS_IF_UNREADABLE),
            program,
            flags: inputs.flags.clone(),
            as_jf,
        };
        // It was read before anything could be printed; what is wrong with it is told here.
        noted(inputs.word(&t::LOG_FORMAT, &LogFormat::WORDS), &first);
        first.into_inner().map_or(Ok(options), Err)
    }
}

/// The value, or none if it is wrong. The first error is kept: leaving at each of them would take 15 KiB of the program.
fn noted<T: Default>(read: Result<T>, first: &RefCell<Option<Error>>) -> T {
    read.unwrap_or_else(|error| {
        first.borrow_mut().get_or_insert(error);
        T::default()
    })
}
