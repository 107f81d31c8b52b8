//! The grammar of a scope, as the platform reads it (JFrog's REST documentation, "Create Token").

use std::ops::Range;

use crate::error::Result;
use crate::options::{InputValue, near, shown};

/// Where the scope is wrong (in bytes), why, and what would be right.
struct Wrong(Range<usize>, &'static str, &'static str);

const ACTIONS: &str = "Use some of r,w,d,a,m,x,s or *.";
const KINDS: &str = "An entry is applied-permissions/user, applied-permissions/admin, applied-permissions/groups:a,b, \
                     applied-permissions/roles:project:role, artifact:target:actions or system:what:actions.";
const SYSTEM: [&str; 6] = ["metrics", "livelogs", "identities", "permissions", "info", "storage"];

/// Checks a scope. An entry of an unknown kind may be right.
///
/// # Errors
/// Fails if the scope is wrong. The message shows it with carets under the wrong part.
pub fn check(given: &InputValue) -> Result<()> {
    let scope = &given.text;
    let Err(Wrong(at, why, right)) = parse(scope).map(drop) else { return Ok(()) };
    let meant = meant(&scope[at.clone()]).filter(|_| why.contains("unknown"));
    let before = scope[..at.start].chars().count();
    let width = scope[at].chars().count().max(1);
    let echo = shown(scope);
    let marked = if echo == *scope { format!("\n  {echo}\n  {}{}", " ".repeat(before), "^".repeat(width)) } else { String::new() };
    Err(given.wrong(format!("{why}{marked}"), meant.map_or_else(|| right.to_owned(), |meant| format!("Did you mean {meant}?"))))
}

/// The entry that was meant by one that is only a part of it, or has a slip in its first word.
fn meant(entry: &str) -> Option<String> {
    const PERMISSIONS: &str = "applied-permissions";
    let permission = entry.split_once('/').map_or(entry, |(_, permission)| permission);
    let (word, rest) = permission.split_at(permission.find(':').unwrap_or(permission.len()));
    let word = near(word, ["user", "admin", "groups", "roles"].into_iter()).filter(|word| word.ends_with('s') != rest.is_empty())?;
    let is_near = entry.split_once('/').is_none_or(|(before, _)| near(before, [PERMISSIONS].into_iter()).is_some());
    is_near.then(|| format!("{PERMISSIONS}/{word}{rest}"))
}

/// The entries of a right scope whose kind is unknown here. The platform may know them.
#[must_use]
pub fn unknown(scope: &str) -> Vec<&str> {
    parse(scope).unwrap_or_default().into_iter().map(|at| &scope[at]).collect()
}

/// The name without the double quotes around it; `None` if it has quotes elsewhere.
#[must_use]
pub fn unquoted(name: &str) -> Option<&str> {
    let bare = name.strip_prefix('"').and_then(|name| name.strip_suffix('"')).unwrap_or(name);
    (!bare.contains('"')).then_some(bare)
}

/// The parts of a list, split at the commas outside double quotes; `None` if a quote is not closed.
#[must_use]
pub fn parts(list: &str) -> Option<Vec<&str>> {
    Some(split(list, 0..list.len(), ',').ok()?.into_iter().map(|at| &list[at]).collect())
}

/// The scope of these groups. Names with a space or a comma are put in double quotes, as the API requires.
#[must_use]
pub fn groups(names: &[String]) -> String {
    let quoted = names.iter().map(|name| if name.contains([' ', ',']) { format!("\"{name}\"") } else { name.clone() });
    format!("applied-permissions/groups:{}", quoted.collect::<Vec<_>>().join(","))
}

/// The scope with every group in double quotes, as an identity mapping wants them (JFrog's Terraform provider says so).
#[must_use]
pub fn quoted_groups(scope: &str) -> String {
    let Some(names) = scope.strip_prefix("applied-permissions/groups:") else { return scope.to_owned() };
    let quoted = parts(names).unwrap_or_default().into_iter().map(|name| format!("\"{}\"", unquoted(name).unwrap_or(name)));
    format!("applied-permissions/groups:{}", quoted.collect::<Vec<_>>().join(","))
}

/// The entries of an unknown kind, if the scope is right.
fn parse(scope: &str) -> std::result::Result<Vec<Range<usize>>, Wrong> {
    let (mut groups_seen, mut unknown) = (false, Vec::new());
    for at in split(scope, 0..scope.len(), ' ')? {
        let entry = &scope[at.clone()];
        if let Some(permission) = entry.strip_prefix("applied-permissions/") {
            let rest = at.end - permission.len();
            if permission.starts_with("groups:") && std::mem::replace(&mut groups_seen, true) {
                return Err(Wrong(at, "a second groups entry", "Put all groups into one entry: with two, the platform later answers 403."));
            }
            check_permission(scope, rest..at.end)?;
        } else if entry.starts_with("artifact:") || entry.starts_with("system:") {
            if !check_actions(scope, &at)? {
                unknown.push(at);
            }
        } else if entry.is_empty() {
            return Err(Wrong(at, "an empty entry", "Put one space between entries."));
        } else if has_a_kind(entry) && !["group:", "groups:", "role:", "roles:"].iter().any(|slip| entry.starts_with(slip)) {
            unknown.push(at);
        } else {
            return Err(Wrong(at, "an unknown entry", KINDS));
        }
    }
    Ok(unknown)
}

/// Whether the entry begins with `kind:`, as all do but permissions.
fn has_a_kind(entry: &str) -> bool {
    let is_kind =
        |kind: &str| kind.starts_with(|c: char| c.is_ascii_lowercase()) && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    entry.split_once(':').is_some_and(|(kind, rest)| is_kind(kind) && !rest.is_empty())
}

/// Checks what follows `applied-permissions/`.
fn check_permission(scope: &str, at: Range<usize>) -> std::result::Result<(), Wrong> {
    let permission = &scope[at.clone()];
    match permission.split_once(':') {
        None if matches!(permission, "user" | "admin") => Ok(()),
        None if matches!(permission, "groups" | "roles") => Err(Wrong(at, "a list is missing", "Put a colon and the names behind it.")),
        Some(("groups", names)) => list(scope, at.end - names.len()..at.end),
        Some(("roles", roles)) => {
            let start = at.end - roles.len();
            let parts = split(scope, start..at.end, ':')?;
            let [project, roles] = &parts[..] else {
                return Err(Wrong(start..at.end, "roles need a project", "Write roles:project:role."));
            };
            if !is_project_key(&scope[project.clone()]) {
                return Err(Wrong(project.clone(), "not a project key", PROJECT_KEY));
            }
            list(scope, roles.clone())
        }
        _ => Err(Wrong(at, "an unknown permission", "Use user, admin, groups:… or roles:….")),
    }
}

/// Checks `artifact:target:actions` or `system:what:actions`. Returns whether its kind is known.
fn check_actions(scope: &str, at: &Range<usize>) -> std::result::Result<bool, Wrong> {
    let parts = split(scope, at.clone(), ':')?;
    let [kind, target, actions] = &parts[..] else {
        return Err(Wrong(at.clone(), "a part is missing", "Write artifact:target:actions or system:what:actions."));
    };
    if target.is_empty() {
        return Err(Wrong(at.clone(), "the target is empty", "Name a repository (or *) between the colons."));
    }
    if &scope[actions.clone()] != "*" {
        for action in split(scope, actions.clone(), ',')? {
            if !matches!(&scope[action.clone()], "r" | "w" | "d" | "a" | "m" | "x" | "s") {
                return Err(Wrong(action, "an unknown action", ACTIONS));
            }
        }
    }
    Ok(&scope[kind.clone()] == "artifact" || SYSTEM.contains(&&scope[target.clone()]))
}

/// Checks a comma-separated list of names, which may be in double quotes.
fn list(scope: &str, at: Range<usize>) -> std::result::Result<(), Wrong> {
    for name in split(scope, at, ',')? {
        match unquoted(&scope[name.clone()]) {
            Some("") => return Err(Wrong(name, "an empty name", "Name something between the commas.")),
            Some(_) => {}
            None => return Err(Wrong(name, "a quote inside a name", "Put the double quotes around the whole name.")),
        }
    }
    Ok(())
}

/// Splits `scope[at]` at each separator that is outside double quotes.
fn split(scope: &str, at: Range<usize>, separator: char) -> std::result::Result<Vec<Range<usize>>, Wrong> {
    let (mut parts, mut start, mut quote) = (Vec::new(), at.start, None);
    for (index, c) in scope[at.clone()].char_indices().map(|(index, c)| (at.start + index, c)) {
        if c == '"' {
            quote = if quote.is_some() { None } else { Some(index) };
        } else if c == separator && quote.is_none() {
            parts.push(start..index);
            start = index + 1;
        }
    }
    if let Some(open) = quote {
        return Err(Wrong(open..at.end, "a quote is not closed", "Close it with another \"."));
    }
    parts.push(start..at.end);
    Ok(parts)
}

/// What a project key looks like, for messages.
pub const PROJECT_KEY: &str = "A project key has 2 to 32 lower-case letters, digits and dashes, and starts with a letter.";

/// Whether this is a project key: `^[a-z][a-z0-9-]{1,31}$`.
#[must_use]
pub fn is_project_key(text: &str) -> bool {
    (2..=32).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_platform_documents_is_right() {
        for scope in [
            "applied-permissions/user",
            "applied-permissions/groups:readers,deployers applied-permissions/admin",
            "applied-permissions/groups:\"group 2\",\"group,3\",x",
            "applied-permissions/roles:p1:\"Project Admin\",Developer",
            "artifact:generic-local/a/b:r,w artifact:*:*",
            "system:metrics:r system:livelogs:r,w",
        ] {
            assert!(parse(scope).is_ok(), "{scope}");
        }
    }

    #[test]
    fn names_that_need_quotes_get_them() {
        let names = ["a", "group 2", "group,3"].map(str::to_owned);
        assert_eq!(groups(&names), "applied-permissions/groups:a,\"group 2\",\"group,3\"");
        assert!(parse(&groups(&names)).is_ok());
        assert_eq!(quoted_groups(&groups(&names)), "applied-permissions/groups:\"a\",\"group 2\",\"group,3\"");
        assert_eq!(quoted_groups("applied-permissions/user"), "applied-permissions/user");
    }
}
