//! The only table of options. A test compares `--help`, `action.yml` and `docs/options.md` with it.

use std::ffi::OsStr;

/// The kind of value that an option takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Free text; `--help` shows this name for it.
    Text(&'static str),
    /// Free text that must not be shown; `--help` shows this name for it.
    Secret(&'static str),
    /// true or false. The flag without a value means true.
    Switch,
}

/// The group that an option belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// The platform, and how to reach it.
    Connection,
    /// The credential.
    Credential,
    /// What token to ask for.
    Token,
    /// Where the token goes.
    HandOver,
    /// How the token is kept fresh.
    Renewal,
    /// How a program is run.
    Program,
    /// How the token is remembered, and what happens to it at the end.
    Session,
    /// What else to show.
    Diagnostics,
    /// How messages are written. Every command knows these.
    Messages,
}

impl Group {
    /// Every group, in the order of help.
    pub const ALL: [Group; 9] = [
        Group::Token,
        Group::HandOver,
        Group::Renewal,
        Group::Program,
        Group::Session,
        Group::Connection,
        Group::Credential,
        Group::Diagnostics,
        Group::Messages,
    ];

    /// What help puts above its options.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Group::Token => "The token",
            Group::HandOver => "Where the token goes",
            Group::Renewal => "Renewal",
            Group::Program => "The program",
            Group::Session => "The session",
            Group::Connection => "The platform",
            Group::Credential => "The credential",
            Group::Diagnostics => "What is shown",
            Group::Messages => "Messages",
        }
    }
}

/// One option: a flag, an action input and a variable.
#[derive(Debug)]
pub struct Opt {
    /// The flag without its dashes, and the name of the action's input.
    pub name: &'static str,
    /// The environment variable.
    pub variable: &'static str,
    /// The kind of value it takes.
    pub value: Value,
    /// The group it belongs to.
    pub group: Group,
    /// Whether the GitHub Action has it as an input.
    pub in_action: bool,
    /// One line of help.
    pub help: &'static str,
    /// The line of help with the variable after it, as `--help` shows it.
    pub help_with_variable: &'static str,
}

impl Opt {
    /// The variable in which a runner passes an action's input.
    #[must_use]
    pub fn input_variable(&self) -> String {
        format!("{INPUT}{}", self.name.to_ascii_uppercase())
    }

    /// What gives the same secret without the argument list.
    #[must_use]
    pub fn instead_of_the_flag(&self) -> String {
        let same = |end: &str| ALL.iter().find(|other| other.name.strip_prefix(self.name) == Some(end));
        let others = ["-file", "-path", "-stdin"].into_iter().filter_map(same).map(|other| format!("--{}", other.name));
        let ways: Vec<_> = std::iter::once(self.variable.to_owned()).chain(others).collect();
        ways.join(" or ")
    }

    /// Whether more would happen without this option: a token could do more, or live longer, or more tokens would end.
    #[must_use]
    pub fn limits(&self) -> bool {
        let limits_the_token = self.group == Group::Token && matches!(self.value, Text(_)) && self.name != DESCRIPTION.name;
        limits_the_token || self.name == TOKEN_ID.name
    }

    /// Whether another credential could be used without this option.
    #[must_use]
    pub fn names_the_credential(&self) -> bool {
        let says_more = [&OIDC_AUDIENCE, &OIDC_PROVIDER_TYPE, &REPOSITORY, &APPLICATION_KEY];
        self.group == Group::Credential && self.value != Switch && says_more.into_iter().all(|other| other.name != self.name)
    }
}

macro_rules! options {
    ($($id:ident $name:literal $variable:literal $value:expr, $group:ident, $in_action:literal, $help:literal;)*) => {
        $(#[doc = $help] pub const $id: Opt = Opt {
            name: $name, variable: $variable, value: $value, group: Group::$group, in_action: $in_action, help: $help,
            help_with_variable: concat!($help, " [", $variable, "]"),
        };)*
        /// Every option, in the order of the documentation.
        pub const ALL: &[&Opt] = &[$(&$id),*];
    };
}

use Value::{Secret, Switch, Text};

options! {
    USERNAME "username" "JF_TOKEN_USERNAME" Text("USERNAME"), Token, true, "User the token is for (default: the caller)";
    URL "url" "JF_URL" Text("URL"), Connection, true, "The platform's URL, such as https://acme.jfrog.io";
    ACCESS_TOKEN "access-token" "JF_ACCESS_TOKEN" Secret("TOKEN"), Credential, true, "The credential: an access or reference token";
    ACCESS_TOKEN_FILE "access-token-file" "JF_TOKEN_ACCESS_TOKEN_FILE" Text("FILE"), Credential, true, "Read the credential from this file";
    ACCESS_TOKEN_STDIN "access-token-stdin" "JF_TOKEN_ACCESS_TOKEN_STDIN" Switch, Credential, false, "Read the credential from standard input";
    OIDC_PROVIDER "oidc-provider" "JF_TOKEN_OIDC_PROVIDER" Text("NAME"), Credential, true, "The credential: the CI's identity token, exchanged at the platform's OIDC provider of this name";
    OIDC_AUDIENCE "oidc-audience" "JF_TOKEN_OIDC_AUDIENCE" Text("AUDIENCE"), Credential, true, "Audience of the identity token, as the OIDC provider wants it";
    OIDC_PROVIDER_TYPE "oidc-provider-type" "JF_TOKEN_OIDC_PROVIDER_TYPE" Text("TYPE"), Credential, true, "Type of the OIDC provider: GitHub, Azure or GenericOidc";
    OIDC_IDENTITY_MAPPING "oidc-identity-mapping" "JF_TOKEN_OIDC_IDENTITY_MAPPING" Text("NAME"), Credential, true, "The only identity mapping of the OIDC provider to try";
    OIDC_TOKEN_FILE "oidc-token-file" "JF_TOKEN_OIDC_TOKEN_FILE" Text("FILE"), Credential, true, "Read the identity token from this file, again at each renewal";
    OIDC_TOKEN_STDIN "oidc-token-stdin" "JF_TOKEN_OIDC_TOKEN_STDIN" Switch, Credential, false, "Read the identity token from standard input";
    OIDC_TOKEN_COMMAND "oidc-token-command" "JF_TOKEN_OIDC_TOKEN_COMMAND" Text("COMMAND"), Credential, true, "Run this shell command for an identity token, again at each renewal";
    OIDC_TOKEN_VAR "oidc-token-var" "JF_TOKEN_OIDC_TOKEN_VAR" Text("NAME"), Credential, true, "Take the identity token from this variable";
    OIDC_TOKEN_ID "oidc-token-id" "JFROG_CLI_OIDC_EXCHANGE_TOKEN_ID" Secret("TOKEN"), Credential, true, "As in jf: the identity token itself; as a variable it comes last, for it may be left from an earlier step";
    REPOSITORY "repository" "JF_TOKEN_REPOSITORY" Text("REPOSITORY"), Credential, true, "As in jf: the repository that the exchange is for (default: the CI's)";
    APPLICATION_KEY "application-key" "JF_TOKEN_APPLICATION_KEY" Text("KEY"), Credential, true, "Application that the exchange is for";
    SERVER_ID "server-id" "JF_TOKEN_SERVER_ID" Text("ID"), Credential, true, "The credential and the URL: this server of jf's configuration";
    SSH_KEY_PATH "ssh-key-path" "JF_TOKEN_SSH_KEY_PATH" Text("FILE"), Credential, true, "The credential: this SSH key, with ssh://HOST:PORT as the URL";
    SSH_PASSPHRASE "ssh-passphrase" "JF_TOKEN_SSH_PASSPHRASE" Secret("PASSPHRASE"), Credential, true, "Passphrase of the SSH key";
    SSH_PASSPHRASE_FILE "ssh-passphrase-file" "JF_TOKEN_SSH_PASSPHRASE_FILE" Text("FILE"), Credential, true, "Read the passphrase of the SSH key from this file";
    SSH_ACCEPT_NEW "ssh-accept-new" "JF_TOKEN_SSH_ACCEPT_NEW" Switch, Credential, true, "Accept and remember the host key of an SSH server that is not known yet";
    CLIENT_CERT_PATH "client-cert-path" "JF_TOKEN_CLIENT_CERT_PATH" Text("FILE"), Credential, true, "Client certificate for TLS, a PEM file with its chain; alone it is the credential";
    CLIENT_CERT_KEY_PATH "client-cert-key-path" "JF_TOKEN_CLIENT_CERT_KEY_PATH" Text("FILE"), Credential, true, "Private key of the client certificate, a PEM file";
    CLIENT_CERT "client-cert" "JF_TOKEN_CLIENT_CERT" Text("BASE64"), Credential, true, "Client certificate as a value: PEM, or base64 of PEM";
    CLIENT_CERT_KEY "client-cert-key" "JF_TOKEN_CLIENT_CERT_KEY" Secret("BASE64"), Credential, true, "Private key of the client certificate as a value: PEM, or base64 of PEM";
    USER "user" "JF_USER" Text("USER"), Token, true, "As in jf: beside an access token, the same as USERNAME";
    PASSWORD "password" "JF_PASSWORD" Secret("PASSWORD"), Token, true, "As in jf: ignored beside an access token, refused without one, for the platform creates tokens only for an access token";
    SCOPE "scope" "JF_TOKEN_SCOPE" Text("SCOPE"), Token, true, "Scope of the token; excludes groups and grant-admin";
    GROUPS "groups" "JF_TOKEN_GROUPS" Text("A,B"), Token, true, "Groups whose permissions the token gets";
    GRANT_ADMIN "grant-admin" "JF_TOKEN_GRANT_ADMIN" Switch, Token, true, "Give the token admin permissions";
    EXPIRY "expiry" "JF_TOKEN_EXPIRY" Text("TIME"), Token, true, "Life of the token: seconds, or 90m, 1h30m, 7d; 0 means for ever, default the platform's own. Not given: 1h in the action and 6h in exec, revoked at the end; the platform's own in create";
    MAX_LIFE "max-life" "JF_TOKEN_MAX_LIFE" Text("TIME"), Token, true, "Longest life to accept: a token that lives longer, or for ever, is revoked at once, and that is a failure";
    REFRESHABLE "refreshable" "JF_TOKEN_REFRESHABLE" Switch, Token, true, "Also ask for a refresh token";
    REFERENCE "reference" "JF_TOKEN_REFERENCE" Switch, Token, true, "Also ask for a reference token";
    DESCRIPTION "description" "JF_TOKEN_DESCRIPTION" Text("TEXT"), Token, true, "Description of the token, at most 1024 characters";
    AUDIENCE "audience" "JF_TOKEN_AUDIENCE" Text("AUDIENCE"), Token, true, "Services that accept the token, such as 'jfrt@*'";
    PROJECT "project" "JF_PROJECT" Text("KEY"), Token, true, "Project the token belongs to";
    FORCE_REVOCABLE "force-revocable" "JF_TOKEN_FORCE_REVOCABLE" Switch, Token, true, "Make the token revocable even if it is short-lived; by default where its life is our own, or was given and a session revokes it";
    REQUIRE "require" "JF_TOKEN_REQUIRE" Text("OPTIONS"), Token, true, "Options that a token must not be asked for without, such as expiry,groups";
    FORMAT "format" "JF_TOKEN_FORMAT" Text("FORMAT"), HandOver, false, "What to print: json, token, env, shell, powershell, header or reference; create and refresh: none too; create: table too; inspect and status: table or json; identity: table, json or terraform";
    OUTPUT_FILE "output-file" "JF_TOKEN_OUTPUT_FILE" Text("FILE"), HandOver, true, "Write NAME=VALUE lines to this file, for this user only (--env-file is the same)";
    TOKEN_FILE "token-file" "JF_TOKEN_TOKEN_FILE" Text("FILE"), HandOver, true, "Write the bare access token to this file, for this user only";
    OVERWRITE "overwrite" "JF_TOKEN_OVERWRITE" Switch, HandOver, true, "Replace a file that holds something else: that is gone for good, and the new file is removed at the end";
    MERGE "merge" "JF_TOKEN_MERGE" Switch, HandOver, true, "Add the NAME=VALUE lines to what the file holds, and take them out again at the end (not for a dotenv report)";
    ENV_VAR "env-var" "JF_TOKEN_ENV_VAR" Text("NAME"), HandOver, true, "Put the access token into this variable, for the job's later steps or for exec's program (default there: JF_ACCESS_TOKEN)";
    OUTPUT_REFRESH_TOKEN "output-refresh-token" "JF_TOKEN_OUTPUT_REFRESH_TOKEN" Switch, HandOver, true, "Also hand the refresh token over, not only the access token";
    RENEW_BY "renew-by" "JF_TOKEN_RENEW_BY" Text("HOW"), Renewal, true, "How to renew: refresh (ends the old token at once), mint (the old token lives out its time), or auto (refresh if there is a refresh token)";
    MIN_TTL "min-ttl" "JF_TOKEN_MIN_TTL" Text("TIME"), Renewal, false, "How long the token must still be good for: seconds, or 5m (default: a minute, or a tenth of its life if that is less)";
    KEEP_FRESH "keep-fresh" "JF_TOKEN_KEEP_FRESH" Switch, Renewal, true, "Renew the token in the background until the job ends (in a script: the process that started jf-token), and rewrite its files";
    UNTIL_PID "until-pid" "JF_TOKEN_UNTIL_PID" Text("PID"), Renewal, false, "Keep the token fresh until this process ends (default: the one that started jf-token)";
    FOREGROUND "foreground" "JF_TOKEN_FOREGROUND" Switch, Renewal, false, "Stay in the foreground";
    LOG_FILE "log-file" "JF_TOKEN_LOG_FILE" Text("FILE"), Renewal, false, "Write messages to this file instead of standard error";
    OUTLIVE_PARENT "outlive-parent" "JF_TOKEN_OUTLIVE_PARENT" Switch, Program, false, "Let the program go on when the process that started jf-token ends";
    SESSION "session" "JF_TOKEN_SESSION" Text("NAME"), Session, true, "Name under which the token is remembered";
    REVOKE "revoke" "JF_TOKEN_REVOKE" Text("WHEN"), Session, true, "Revoke when the job ends: true, false (only its files go), or strict (a failure to do so fails the job)";
    TOKEN_ID "token-id" "JF_TOKEN_TOKEN_ID" Text("ID"), Session, false, "Revoke this token only";
    ALL_SESSIONS "all" "JF_TOKEN_ALL" Switch, Session, false, "Revoke the tokens of every session of this job, those that programs still use too";
    ONLINE "online" "JF_TOKEN_ONLINE" Switch, Diagnostics, false, "Also ask the platform what it knows of the token";
    MAPPING "mapping" "JF_TOKEN_MAPPING" Text("NAME"), Diagnostics, false, "Write an identity mapping of this name that only this job matches; what it gives: --username, --groups or --scope";
    DRY_RUN "dry-run" "JF_TOKEN_DRY_RUN" Switch, Diagnostics, false, "Send nothing: print the body of the request, and say who would be asked, for which user, life and rights; revoke: what would end";
    PASS_IF_UNREADABLE "pass-if-unreadable" "JF_TOKEN_PASS_IF_UNREADABLE" Switch, Diagnostics, false, "Pass the output on even if what is to be hidden can't be read";
    RETRY_FOR "retry-for" "JF_TOKEN_RETRY_FOR" Text("TIME"), Connection, true, "How long to go on starting new tries: seconds, or 2m; 0 is one try (default: 30)";
    CA_FILE "ca-file" "JF_TOKEN_CA_FILE" Text("FILE"), Connection, true, "Also trust the CA certificates in this PEM file";
    INSECURE_TLS "insecure-tls" "JF_TOKEN_INSECURE_TLS" Switch, Connection, true, "As in jf: accept any TLS certificate; anyone on the way can read the tokens";
    HEADER "header" "JF_TOKEN_HEADER" Secret("NAME=VALUE"), Connection, true, "Send this header to the platform too, for a gateway in front of it; several, one per line";
    INSECURE_HTTP "insecure-http" "JF_TOKEN_INSECURE_HTTP" Switch, Connection, true, "Allow plain http to another machine: anyone on the way can read the tokens";
    VERBOSE "verbose" "JF_TOKEN_VERBOSE" Switch, Diagnostics, true, "Show the requests on standard error, with secrets replaced";
    QUIET "quiet" "JF_TOKEN_QUIET" Switch, Messages, true, "Print warnings and errors only, no notes";
    LOG_FORMAT "log-format" "JF_TOKEN_LOG_FORMAT" Text("FORMAT"), Messages, false, "How messages are written to standard error: text, or json, one object a line for programs";
}

/// The prefix of variables that only jf-token reads.
pub const OURS: &str = "JF_TOKEN_";

/// The prefix of the variables in which a runner passes an action's inputs.
pub const INPUT: &str = "INPUT_";

/// The other name of `OUTPUT_FILE`.
pub const ENV_FILE: &str = "env-file";

/// Other words for options, too different from their names for `near`.
pub const SYNONYMS: [(&str, &str); 15] = [
    ("ttl", EXPIRY.name),
    ("life", EXPIRY.name),
    ("lifetime", EXPIRY.name),
    ("expires", EXPIRY.name),
    ("expires-in", EXPIRY.name),
    ("expiration", EXPIRY.name),
    ("duration", EXPIRY.name),
    ("validity", EXPIRY.name),
    ("permissions", SCOPE.name),
    ("admin", GRANT_ADMIN.name),
    ("revocable", FORCE_REVOCABLE.name),
    ("revokable", FORCE_REVOCABLE.name),
    ("refresh", REFRESHABLE.name),
    ("project-key", PROJECT.name),
    ("token", ACCESS_TOKEN.name),
];

/// The variable that names the folder of the sessions. It is not an option.
pub const HOME: &str = "JF_TOKEN_HOME";

/// What other tools and people call JFrog, at the start of the variables for its address and its token.
const OTHER_NAMES: [&str; 8] = ["JFROG_", "JF_", "ARTIFACTORY_", "ART_", "RT_", "JFROG_CLI_", "JFROG_PLATFORM_", "JF_PLATFORM_"];

/// Whether a variable of that name may have been set for this option by who knows another tool.
#[must_use]
pub fn is_meant_for(variable: &str, option: &Opt) -> bool {
    let ends: &[&str] = match option.name {
        name if name == URL.name => &["URL", "HOST", "SERVER"],
        name if name == ACCESS_TOKEN.name => &["ACCESS_TOKEN", "TOKEN", "API_KEY", "APIKEY"],
        _ => &[],
    };
    OTHER_NAMES.iter().any(|begin| variable.strip_prefix(begin).is_some_and(|end| ends.contains(&end)))
}

/// The prefix of variables that hold an exported server of jf's each, with its token.
pub const EXPORTED: &str = "JF_ENV_";

/// Whether a started program must not inherit this variable.
#[must_use]
pub fn is_hidden(variable: &OsStr) -> bool {
    variable.as_encoded_bytes().starts_with(EXPORTED.as_bytes())
        || hidden().any(|option| variable == option.variable || variable == option.input_variable().as_str())
}

/// Options whose variables a started program must not inherit: they hold a secret, or are part of the credential.
fn hidden() -> impl Iterator<Item = &'static Opt> {
    ALL.iter().copied().filter(move |option| matches!(option.value, Secret(_)) || option.group == Group::Credential)
}
