//! The one table of options. `--help`, `action.yml` and the README's tables are held against it by a test.

use super::Command::{self, Create, Inspect, Revoke};

/// What an option's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Free text, shown in `--help` under this name.
    Text(&'static str),
    /// Free text that must not be shown, under this name.
    Secret(&'static str),
    /// true or false; as a flag it needs no value.
    Switch,
}

/// One option: a flag, an action input and a variable.
#[derive(Debug)]
pub struct Opt {
    /// The flag without its dashes, and the action's input.
    pub name: &'static str,
    /// The environment variable.
    pub variable: &'static str,
    /// What its value is.
    pub value: Value,
    /// The commands that know it.
    pub commands: &'static [Command],
    /// Whether the GitHub Action has it as an input.
    pub in_action: bool,
    /// One line of help.
    pub help: &'static str,
    /// The same with the variable behind it, as `--help` shows it.
    pub help_with_variable: &'static str,
}

impl Opt {
    /// The variable in which a runner hands an action's input over.
    #[must_use]
    pub fn input_variable(&self) -> String {
        format!("INPUT_{}", self.name.to_uppercase())
    }
}

macro_rules! options {
    ($($id:ident $name:literal $variable:literal $value:expr, $commands:expr, $in_action:literal, $help:literal;)*) => {
        $(#[doc = $help] pub const $id: Opt = Opt {
            name: $name, variable: $variable, value: $value, commands: &$commands, in_action: $in_action, help: $help,
            help_with_variable: concat!($help, " [", $variable, "]"),
        };)*
        /// Every option, in the order of the documentation.
        pub const ALL: &[&Opt] = &[$(&$id),*];
    };
}

use Value::{Secret, Switch, Text};

options! {
    USERNAME "username" "JF_TOKEN_USERNAME" Text("USERNAME"), [Create], true, "User the token is for; absent: the caller";
    URL "url" "JF_URL" Text("URL"), [Create, Revoke, Inspect], true, "The platform's URL, such as https://acme.jfrog.io";
    ACCESS_TOKEN "access-token" "JF_ACCESS_TOKEN" Secret("TOKEN"), [Create, Revoke, Inspect], true, "The credential: an access or reference token";
    ACCESS_TOKEN_FILE "access-token-file" "JF_TOKEN_ACCESS_TOKEN_FILE" Text("FILE"), [Create, Revoke, Inspect], true, "Read the credential from this file";
    ACCESS_TOKEN_STDIN "access-token-stdin" "JF_TOKEN_ACCESS_TOKEN_STDIN" Switch, [Create, Revoke, Inspect], false, "Read the credential from standard input";
    USER "user" "JF_USER" Text("USER"), [Create], true, "As in jf: beside an access token, the same as USERNAME";
    PASSWORD "password" "JF_PASSWORD" Secret("PASSWORD"), [Create], true, "As in jf: beside an access token not used, alone refused, for the platform creates tokens for an access token only";
    SCOPE "scope" "JF_TOKEN_SCOPE" Text("SCOPE"), [Create], true, "Scope of the token; excludes groups and grant-admin";
    GROUPS "groups" "JF_TOKEN_GROUPS" Text("A,B"), [Create], true, "Groups whose permissions the token gets";
    GRANT_ADMIN "grant-admin" "JF_TOKEN_GRANT_ADMIN" Switch, [Create], true, "Give the token admin permissions";
    EXPIRY "expiry" "JF_TOKEN_EXPIRY" Text("TIME"), [Create], true, "Life of the token: seconds, or 90m, 12h, 7d; 0 is for ever; absent: the platform's default";
    REFRESHABLE "refreshable" "JF_TOKEN_REFRESHABLE" Switch, [Create], true, "Also ask for a refresh token";
    REFERENCE "reference" "JF_TOKEN_REFERENCE" Switch, [Create], true, "Also ask for a reference token";
    DESCRIPTION "description" "JF_TOKEN_DESCRIPTION" Text("TEXT"), [Create], true, "Description of the token, at most 1024 characters";
    AUDIENCE "audience" "JF_TOKEN_AUDIENCE" Text("AUDIENCE"), [Create], true, "Services that accept the token, such as 'jfrt@*'";
    PROJECT "project" "JF_PROJECT" Text("KEY"), [Create], true, "Project the token belongs to";
    FORCE_REVOCABLE "force-revocable" "JF_TOKEN_FORCE_REVOCABLE" Switch, [Create], true, "Make a short-lived token revocable too";
    FORMAT "format" "JF_TOKEN_FORMAT" Text("FORMAT"), [Create, Inspect], false, "What to print: json, token, env, shell or none (inspect: table or json)";
    OUTPUT_FILE "output-file" "JF_TOKEN_OUTPUT_FILE" Text("FILE"), [Create], true, "Write NAME=VALUE lines to this file, for this user only";
    TOKEN_FILE "token-file" "JF_TOKEN_TOKEN_FILE" Text("FILE"), [Create], true, "Write the bare access token to this file, for this user only";
    ENV_VAR "env-var" "JF_TOKEN_ENV_VAR" Text("NAME"), [Create], true, "Put the access token into this variable for the job's later steps";
    OUTPUT_REFRESH_TOKEN "output-refresh-token" "JF_TOKEN_OUTPUT_REFRESH_TOKEN" Switch, [Create], true, "Also hand the refresh token over, not only the access token";
    SESSION "session" "JF_TOKEN_SESSION" Text("NAME"), [Create, Revoke, Inspect], true, "Name under which the token is remembered";
    REVOKE "revoke" "JF_TOKEN_REVOKE" Text("WHEN"), [Create, Revoke], true, "Revoke when the job ends: true, false (only its files go), or strict (a failure to do so fails the job)";
    TOKEN_ID "token-id" "JF_TOKEN_TOKEN_ID" Text("ID"), [Revoke], false, "Revoke this token only";
    ONLINE "online" "JF_TOKEN_ONLINE" Switch, [Inspect], false, "Also ask the platform what it knows of the token";
    DRY_RUN "dry-run" "JF_TOKEN_DRY_RUN" Switch, [Create], false, "Print the request's body and send nothing";
    RETRY_FOR "retry-for" "JF_TOKEN_RETRY_FOR" Text("TIME"), [Create, Revoke, Inspect], true, "How long to go on trying: seconds, or 2m; 0 is never; absent: 30";
    INSECURE_HTTP "insecure-http" "JF_TOKEN_INSECURE_HTTP" Switch, [Create, Revoke, Inspect], true, "Allow plain http to another machine: everyone on the way reads the tokens";
    VERBOSE "verbose" "JF_TOKEN_VERBOSE" Switch, [Create, Revoke, Inspect], true, "Show the requests on standard error, with secrets replaced";
}

/// A variable of ours that is no option: the folder that holds the sessions.
pub const HOME: &str = "JF_TOKEN_HOME";
