//! The name of the variable that gets the token.

use crate::error::Result;
use crate::options::InputValue;
use crate::options::table::{ACCESS_TOKEN, ALL, EXPORTED, HOME, OURS, PASSWORD};

/// Variables that mean something already, in capitals (a star stands for any text), and what they mean. For zsh `path` is `PATH`, and elsewhere
/// case may not count, so it never does.
const TAKEN: [(&str, &str); 4] = [
    (
        "*PATH LD_* DYLD_* *_PRELOAD ENV BASH_ENV BASH_FUNC_* SHELLOPTS BASHOPTS *_COMMAND ZDOTDIR *_OPTIONS *_OPTS *FLAGS *_WRAPPER \
         PYTHONSTARTUP PYTHONHOME PERL5LIB PERL5OPT PERL5DB RUBYOPT RUBYLIB LUA_INIT PHPRC DOTNET_STARTUP* OPENSSL_CONF OPENSSL_MODULES \
         GIT_* SSH_ASKPASS EDITOR VISUAL PAGER BROWSER PATHEXT COMSPEC SYSTEMROOT WINDIR",
        "says which code other programs run",
    ),
    (
        "_ HOME USER LOGNAME SHELL PWD OLDPWD IFS PS1 PS2 PS3 PS4 OPTIND UID EUID PPID CDPATH GLOBIGNORE HOSTNAME TERM LANG LC_* TZ TMPDIR TMP \
         TEMP XDG_* USERPROFILE APPDATA LOCALAPPDATA",
        "is the system's or the shell's own",
    ),
    ("*_PROXY SSL_CERT_* CURL_CA_BUNDLE REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS", "says how programs reach the network"),
    ("CI GITHUB_* RUNNER_* ACTIONS_* INPUT_* STATE_*", "is the CI's own"),
];

/// Checks the name.
///
/// # Errors
/// Fails if no shell could read a variable of that name, or if it means something already.
pub fn variable(given: &InputValue) -> Result<&str> {
    let name = given.text.as_str();
    if name.starts_with(|c: char| c.is_ascii_digit()) || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(given.wrong("not a valid variable name", "Use letters, digits and underscores, no digit first."));
    }
    match meaning(&name.to_ascii_uppercase()) {
        None => Ok(name),
        Some(what) => Err(given.wrong(format!("{name} {what}"), "Give the token a variable of its own, such as JF_ACCESS_TOKEN.")),
    }
}

fn meaning(name: &str) -> Option<&'static str> {
    let is_option = || ALL.iter().any(|option| option.variable == name) && ![ACCESS_TOKEN.variable, PASSWORD.variable].contains(&name);
    if name.starts_with(OURS) || name.starts_with(EXPORTED) || name == HOME || is_option() {
        return Some("is read by jf-token and jf, as something else than the token");
    }
    let is_it = |pattern: &str| match (pattern.strip_prefix('*'), pattern.strip_suffix('*')) {
        (Some(end), _) => name.ends_with(end),
        (_, Some(begin)) => name.starts_with(begin),
        _ => name == pattern,
    };
    TAKEN.iter().find(|(patterns, _)| patterns.split_whitespace().any(is_it)).map(|(_, what)| *what)
}
