//! `identity`: shows what the job's identity token says, which identity mapping of the platform it matches, and writes one that it does.
//! Never shows the token.

use std::fmt::Write as _;

use serde_json::Value;

use super::CommandSpec;
use crate::api::IdentityMapping;
use crate::api::claims::{seconds, text};
use crate::credential::Identity;
use crate::credential::mapping::{Difference, oddities};
use crate::deliver::{self, object, pretty};
use crate::error::{Error, Result};
use crate::io::clock::{self, Timestamp, in_words, local_and_relative};
use crate::io::without_commands;
use crate::lifecycle::Context;
use crate::lifecycle::identity::{LookUp, Verdict, fit, identity, look_up, new_mapping};
use crate::options::table::{AUDIENCE, DESCRIPTION, EXPIRY, FORMAT, GROUPS, MAPPING, PROJECT, SCOPE, USERNAME, VERBOSE};
use crate::options::{Format, Group, Operands, Syntax};

pub const COMMAND: CommandSpec = CommandSpec {
    syntax: Syntax {
        name: "identity",
        aliases: &[],
        usage: "jf-token identity [OPTIONS]",
        about: "Show who this job is to the platform, and which identity mapping fits or would",
        examples: &["jf-token identity --oidc-provider github", "jf-token identity --mapping deploy --groups deployers --format terraform"],
        operands: Operands::None,
        groups: &[Group::Connection, Group::Credential],
        options: &[&MAPPING, &USERNAME, &GROUPS, &SCOPE, &EXPIRY, &DESCRIPTION, &AUDIENCE, &PROJECT, &FORMAT, &VERBOSE],
        formats: &[Format::Table, Format::Json, Format::Terraform],
    },
    run,
};

fn run(cx: &Context) -> anyhow::Result<i32> {
    let format = cx.options.hand_over.format.unwrap_or(Format::Table);
    let mut mapping = new_mapping(cx)?;
    if format == Format::Terraform && mapping.is_none() {
        return Err(Error::input("--format=terraform is for an identity mapping", "Give its name: --mapping NAME.").into());
    }
    let identity = identity(cx)?;
    for odd in oddities(&identity.claims) {
        cx.console.warn(&odd);
    }
    let refusal = if let Some(mapping) = &mut mapping {
        let about = fit(cx, mapping, &identity)?;
        cx.console.data(&match format {
            Format::Json => pretty(&mapping.body()),
            Format::Terraform => terraform(mapping),
            _ => recipe(cx, mapping, &about)?,
        })?;
        None
    } else {
        let found = look_up(cx, &identity)?;
        for Verdict { mapping, risks, .. } in found.iter().flat_map(|found| &found.mappings) {
            for risk in risks {
                cx.console.warn(&format!("identity mapping '{}': {risk}", mapping.name));
            }
        }
        cx.console.data(&if format == Format::Json {
            as_json(&identity, found.as_ref())
        } else {
            as_table(cx, &identity, found.as_ref())
        })?;
        found.and_then(|found| found.refusal())
    };
    match together(identity.problems).or(refusal) {
        Some(error) => Err(error.into()),
        None => Ok(0),
    }
}

/// All problems as one.
fn together(problems: Vec<Error>) -> Option<Error> {
    problems.into_iter().reduce(|first, next| first.with_advice(&format!("Besides, {next}. {}", next.help())))
}

fn as_table(cx: &Context, identity: &Identity, found: Option<&LookUp>) -> String {
    let (now, zone) = (cx.now(), clock::zone(&cx.environment));
    let time = |name: &str| seconds(&identity.claims, name).map(Timestamp::from_secs);
    let shown = |name: &str, value: &Value| match (name, value.as_u64(), value) {
        ("iat" | "nbf" | "exp", Some(at), _) => local_and_relative(Timestamp::from_secs(at), now, &zone),
        (_, _, Value::Array(values)) => values.iter().map(text).collect::<Vec<_>>().join(" "),
        _ => text(value),
    };
    let life = time("exp").map(|end| in_words(end.since(time("iat").or(time("nbf")).unwrap_or(now))));
    let again = if identity.is_lasting { "can be asked for" } else { "can't be asked for: nothing is renewed once this one has expired" };
    let mut rows = vec![
        ("identity token".to_owned(), Some(format!("from {}", identity.place))),
        ("life".to_owned(), Some(life.unwrap_or_else(|| "without an end".into()))),
        ("another one".to_owned(), Some(again.to_owned())),
    ];
    let first = ["iss", "aud", "sub", "iat", "nbf", "exp"];
    let others = identity.claims.keys().map(String::as_str).filter(|name| !first.contains(name));
    // No name may look like a command to a runner.
    let row = |name: &str| {
        let value = Some(shown(name, identity.claims.get(name)?)).filter(|text| !text.is_empty());
        Some((name.replace("::", ": :"), value))
    };
    rows.extend(first.into_iter().chain(others).filter_map(row));
    if let Some(LookUp { provider, problems, mappings }) = found {
        let fits = if problems.is_empty() {
            "fits: issuer and audience are the right ones".into()
        } else {
            format!("does not fit: {}", problems.join("; "))
        };
        rows.push((format!("OIDC provider {}", provider.name()), Some(fits)));
        rows.extend(mappings.iter().map(|verdict| (title(&verdict.mapping), Some(judgement(verdict)))));
    }
    deliver::table(rows)
}

fn title(mapping: &IdentityMapping) -> String {
    let priority = mapping.priority.map_or_else(|| "last".into(), |priority| priority.to_string());
    format!("mapping {} ({priority})", mapping.name)
}

fn judgement(verdict: &Verdict) -> String {
    if !verdict.differs.is_empty() {
        let differs: Vec<_> = verdict.differs.iter().map(Difference::to_string).collect();
        return format!("no: {}", differs.join("; "));
    }
    let spec = &verdict.mapping.token_spec;
    let mut gives: Vec<_> = spec.iter().map(|(name, value)| format!("{name} {}", text(value))).collect();
    if !spec.contains_key("expires_in") {
        gives.push("expires_in 60 (the default)".into());
    }
    if !verdict.lacks.is_empty() {
        gives.push(format!("but the exchange fails, for the token has no {}", verdict.lacks.join(", ")));
    }
    let matches = if verdict.is_used { "yes, this is used" } else { "yes, but another one comes before it" };
    format!("{matches}: {}", gives.join(", "))
}

fn as_json(identity: &Identity, found: Option<&LookUp>) -> String {
    let end = seconds(&identity.claims, "exp").and_then(|at| Timestamp::from_secs(at).rfc3339());
    let problems = identity.problems.iter().map(|problem| Value::from(problem.to_string())).collect();
    let mut fields = vec![
        ("claims", identity.claims.clone().into()),
        ("from", identity.place.as_str().into()),
        ("another", identity.is_lasting.into()),
        ("expires_at", end.map_or(Value::Null, Value::from)),
        ("problems", Value::Array(problems)),
    ];
    if let Some(found) = found {
        let mut provider = found.provider.0.clone();
        provider.insert("problems".into(), texts(&found.problems));
        fields.push(("provider", provider.into()));
        fields.push(("mappings", Value::Array(found.mappings.iter().map(verdict).collect())));
    }
    pretty(&object(fields))
}

fn verdict(Verdict { mapping, differs, is_used, lacks, risks }: &Verdict) -> Value {
    let difference = |Difference { claim, wanted, has }: &Difference| {
        object(vec![("claim", claim.as_str().into()), ("wanted", wanted.clone()), ("has", has.clone().unwrap_or_default())])
    };
    object(vec![
        ("name", mapping.name.as_str().into()),
        ("priority", mapping.priority.map_or(Value::Null, Value::from)),
        ("matches", differs.is_empty().into()),
        ("used", (*is_used).into()),
        ("differs", Value::Array(differs.iter().map(difference).collect())),
        ("lacks", texts(lacks)),
        ("risks", texts(risks)),
        ("token_spec", mapping.token_spec.clone().into()),
    ])
}

fn texts(texts: &[String]) -> Value {
    Value::Array(texts.iter().map(|text| text.as_str().into()).collect())
}

/// What an admin does to create the mapping.
fn recipe(cx: &Context, mapping: &IdentityMapping, about: &str) -> Result<String> {
    let (path, about) = (mapping.path(), without_commands(about));
    let url = cx.platform()?.map_or_else(|| format!("$JF_URL{path}"), |platform| platform.endpoint(&path));
    Ok(format!(
        "Identity mapping '{}', which only jobs {about} match, if they are started like this one.\n\
         An admin creates it by the API, with this as mapping.json:\n\n{}\n\
         \x20   printf 'Authorization: Bearer %s\\n' \"$ADMIN_TOKEN\" |\n\
         \x20   curl -sS --fail-with-body -H @- -H 'Content-Type: application/json' -d @mapping.json \"{url}\"\n\n\
         Or by Terraform:\n\n{}",
        mapping.name,
        pretty(&mapping.body()),
        terraform(mapping)
    ))
}

/// The resource of JFrog's Terraform provider `platform`.
fn terraform(mapping: &IdentityMapping) -> String {
    let label: String = mapping.name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' }).collect();
    let label = if label.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') { label } else { format!("_{label}") };
    let mut head = vec![("name".to_owned(), hcl(&mapping.name))];
    head.extend(mapping.description.iter().map(|text| ("description".to_owned(), hcl(text))));
    head.push(("provider_name".to_owned(), hcl(&mapping.provider)));
    head.extend(mapping.priority.map(|priority| ("priority".to_owned(), priority.to_string())));
    head.extend(mapping.project.iter().map(|project| ("project_key".to_owned(), hcl(project))));
    let value = |value: &Value| value.as_str().map_or_else(|| value.to_string(), hcl);
    let claims = mapping.claims.iter().map(|(name, wanted)| (hcl(name), value(wanted))).collect();
    let spec = mapping.token_spec.iter().map(|(name, given)| (name.clone(), value(given))).collect();
    format!(
        "resource \"platform_oidc_identity_mapping\" \"{label}\" {{\n{}\n  claims_json = jsonencode({{\n{}  }})\n\n  token_spec = {{\n{}  }}\n}}\n",
        aligned("  ", head),
        aligned("    ", claims),
        aligned("    ", spec)
    )
}

/// Lines as `terraform fmt` writes them.
fn aligned(indent: &str, pairs: Vec<(String, String)>) -> String {
    let width = pairs.iter().map(|(name, _)| name.chars().count()).max().unwrap_or_default();
    pairs.into_iter().fold(String::new(), |mut lines, (name, value)| {
        let _ = writeln!(lines, "{indent}{name:<width$} = {value}");
        lines
    })
}

/// A text in Terraform's language, which would replace `${…}` and `%{…}`. Nothing in it is a command to a CI.
fn hcl(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted += "\\n",
            '#' if quoted.ends_with('#') => quoted += "\\u0023",
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(c));
            }
            '{' if quoted.ends_with(['$', '%']) => {
                let sign = if quoted.ends_with('$') { '$' } else { '%' };
                quoted.extend([sign, c]);
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}
