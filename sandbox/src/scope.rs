//! The grammar of `scope`, and the groups and projects that exist.

pub(crate) const USER: &str = "applied-permissions/user";
pub(crate) const ADMIN: &str = "applied-permissions/admin";

const GROUPS: [&str; 4] = ["readers", "deployers", "group 2", "group,3"];
pub(crate) const PROJECTS: [&str; 2] = ["p1", "proj-1"];
const ROLES: [&str; 6] = ["Project Admin", "Developer", "Contributor", "Viewer", "Release Manager", "Security Manager"];
const SYSTEM: [&str; 6] = ["metrics", "livelogs", "identities", "permissions", "info", "storage"];
const ACTIONS: [&str; 8] = ["r", "w", "d", "a", "m", "x", "s", "*"];

/// Checks a scope; the error says what is wrong.
pub(crate) fn check(scope: &str) -> Result<(), String> {
    for entry in split(scope, ' ')? {
        check_entry(entry).map_err(|why| format!("Invalid scope '{entry}': {why}"))?;
    }
    Ok(())
}

/// Whether the scope has more than one `groups:` entry. Access issues such a token, but it is refused
/// everywhere (seen in terraform-provider-artifactory#1233).
pub(crate) fn groups_twice(scope: &str) -> bool {
    scope.matches("applied-permissions/groups:").count() > 1
}

fn check_entry(entry: &str) -> Result<(), String> {
    if let Some(applied) = entry.strip_prefix("applied-permissions/") {
        return match applied.split_once(':') {
            None if matches!(applied, "user" | "admin") => Ok(()),
            Some(("groups", names)) => known("group", names, &GROUPS),
            Some(("roles", rest)) => {
                let (project, roles) = rest.split_once(':').ok_or("no roles")?;
                known("project", project, &PROJECTS)?;
                known("role", roles, &ROLES)
            }
            _ => Err("unknown kind of permission".to_owned()),
        };
    }
    let (subject, actions) = entry.rsplit_once(':').ok_or("no actions")?;
    match subject.split_once(':') {
        Some(("artifact", target)) if !target.is_empty() && !target.starts_with('/') => {}
        Some(("system", part)) if SYSTEM.contains(&part) => {}
        _ => return Err("unknown resource".to_owned()),
    }
    known("action", actions, &ACTIONS)
}

/// Checks that all names of a comma-separated list exist.
fn known(what: &str, list: &str, existing: &[&str]) -> Result<(), String> {
    for quoted in split(list, ',')? {
        let name = match quoted.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').unwrap_or(rest),
            None => quoted,
        };
        if !existing.contains(&name) {
            return Err(format!("{what} '{name}' does not exist"));
        }
    }
    Ok(())
}

/// Splits outside double quotes.
fn split(text: &str, at: char) -> Result<Vec<&str>, String> {
    let mut quoted = false;
    let parts: Vec<_> = text
        .split(|c| {
            quoted ^= c == '"';
            c == at && !quoted
        })
        .collect();
    if quoted {
        return Err("unbalanced quotes".to_owned());
    }
    if parts.contains(&"") {
        return Err("an empty part".to_owned());
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn the_grammar_is_kept() {
        for good in [
            "applied-permissions/user",
            "applied-permissions/groups:readers,deployers applied-permissions/admin",
            r#"applied-permissions/groups:"group 2","group,3",readers"#,
            r#"applied-permissions/roles:p1:"Project Admin",Developer"#,
            "artifact:generic-local:r,w",
            "artifact:generic-local/a/b:*",
            "system:metrics:r",
        ] {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "applied-permissions/groups:",
            "applied-permissions/groups:group 2",
            "applied-permissions/groups:nobody",
            r#"applied-permissions/groups:"group 2"#,
            "applied-permissions/roles:nowhere:Developer",
            "applied-permissions/roles:p1:Cook",
            "applied-permissions/root",
            "applied-permissions/user  applied-permissions/admin",
            "artifact:generic-local:z",
            "artifact::r",
            "system:power:r",
            "api:*",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
