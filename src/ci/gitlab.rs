//! GitLab CI. It has no command to mask a value at run time: printing one would only show the token.

use std::path::{Path, PathBuf};

use super::facts::{context, one_variable, text};
use super::{Ci, IdToken, JobContext, JobHome, Recognise};
use crate::io::{Environment, LogStyle, read_regular_file};
use crate::options::shown;
use crate::options::table::OIDC_TOKEN_ID;

/// The longest configuration that is read, in bytes.
const LONGEST_CONFIGURATION: u64 = 1 << 20;

struct GitLab(Environment);

pub struct Sign;

impl Recognise for Sign {
    /// Any value of the variable counts: gitlab-ci-local, which runs pipelines on a developer's machine, sets it to false.
    fn detect(&'static self, environment: &Environment) -> Option<Box<dyn Ci>> {
        environment.says("GITLAB_CI", |_| true).then(|| Box::new(GitLab(environment.clone())) as Box<dyn Ci>)
    }
}

impl LogStyle for GitLab {}

impl Ci for GitLab {
    fn name(&self) -> &'static str {
        "GitLab CI"
    }

    fn why_empty(&self) -> &'static str {
        "A protected variable is given only to jobs of protected branches and tags, one of an environment only to its jobs, and none to a fork's pipeline: run this job only where it has it."
    }

    /// `after_script` may run in a new container, which shares only the builds volume with the job. `$CI_PROJECT_DIR.tmp` is the runner's
    /// own temporary folder on that volume, outside the working tree and therefore outside every artifact. Only a real runner creates it.
    fn job(&self) -> JobHome {
        let folder = || {
            let (project, job) = (text(&self.0, "CI_PROJECT_DIR")?, text(&self.0, "CI_JOB_ID")?);
            Path::new(project).is_absolute().then(|| PathBuf::from(format!("{project}.tmp")).join(format!("jf-token-{job}")))
        };
        JobHome { folder: folder(), may_lack_folder_above: true, id: None }
    }

    /// As the project's own configuration says; what that includes from elsewhere is not at hand.
    fn is_report(&self, path: &Path) -> bool {
        let Some(project) = text(&self.0, "CI_PROJECT_DIR").map(Path::new) else { return false };
        let configuration = project.join(text(&self.0, "CI_CONFIG_PATH").unwrap_or(".gitlab-ci.yml"));
        let bytes = read_regular_file(&configuration, LONGEST_CONFIGURATION).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let is_it = |report: PathBuf| {
            let folder = report.parent().and_then(|folder| dunce::canonicalize(folder).ok());
            folder.zip(report.file_name()).is_some_and(|(folder, name)| folder.join(name) == path)
        };
        reports(&text).into_iter().any(|report| is_it(project.join(report)))
    }

    /// The job's `id_tokens` block names the variable and fixes the audience (docs.gitlab.com, "ID token authentication"). The name ends in
    /// `_ID_TOKEN` by convention, or is the one that jf reads.
    fn id_token(&self, audience: Option<&str>) -> IdToken {
        let is_one = |name: &str| name.ends_with("_ID_TOKEN") || name == OIDC_TOKEN_ID.variable;
        one_variable(&self.0, is_one, "JF", "by aud in the job's id_tokens").unwrap_or_else(|| {
            let audience = shown(audience.unwrap_or("AUDIENCE"));
            IdToken::Unavailable(format!(
                "A job gets one only if it asks for it: add id_tokens: {{ JF_ID_TOKEN: {{ aud: {audience} }} }} to it; if it has one under a name \
                 that does not end in _ID_TOKEN, choose it by --oidc-token-var NAME"
            ))
        })
    }

    fn claims(&self) -> &'static [&'static str] {
        &[
            "project_path",
            "namespace_path",
            "project_id",
            "ref",
            "ref_type",
            "ref_protected",
            "environment",
            "pipeline_source",
            "user_login",
        ]
    }

    /// guess: what JFrog records of a GitHub job, in this CI's terms. `CI_REPOSITORY_URL` holds a token.
    fn job_context(&self) -> JobContext {
        context(&self.0, ["CI_JOB_NAME", "CI_PIPELINE_ID", "CI_PROJECT_URL", "CI_COMMIT_SHA", "CI_COMMIT_REF_NAME"])
    }
}

/// The files after each `dotenv:`, on its line or as a list below it.
fn reports(configuration: &str) -> Vec<&str> {
    let (mut in_list, mut found) = (false, Vec::new());
    for line in configuration.lines().map(|line| line.split('#').next().unwrap_or_default()).filter(|line| !line.trim().is_empty()) {
        let (is_named, value) = line.split_once("dotenv:").map_or((false, line.trim_start()), |(_, rest)| (true, rest));
        in_list = if is_named { value.trim().is_empty() } else { in_list && value.starts_with('-') };
        if is_named || in_list {
            found.extend(value.trim_start_matches('-').split([',', '[', ']', '{', '}']));
        }
    }
    found.into_iter().map(|word| word.trim().trim_matches(['"', '\''])).filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_dotenv_reports_are_found_in_each_way_to_write_them() {
        let found = |text: &str| reports(text).into_iter().map(str::to_owned).collect::<Vec<_>>();
        let job = "build:\n  script: jf-token create --env-file .env\n  artifacts:\n    reports:\n";
        assert_eq!(found(&format!("{job}      dotenv: build.env # variables\n    paths:\n      - .env\n")), ["build.env"]);
        assert_eq!(
            found(&format!("{job}      dotenv:\n        - 'a.env'\n\n        - \"b.env\"\n    paths:\n      - .env\n")),
            ["a.env", "b.env"]
        );
        assert_eq!(found("x: { reports: { dotenv: [a.env, b/c.env] } }\n- .env"), ["a.env", "b/c.env"]);
        assert!(found("script:\n  - cat .env\n").is_empty());
    }

    #[test]
    fn the_variable_of_the_id_tokens_block_is_found_by_its_name() {
        let job = |more: &[(&str, &str)]| {
            let environment = more.iter().copied().chain([("GITLAB_CI", "true"), ("CI_JOB_NAME", "test")]).collect();
            Sign.detect(&environment).unwrap()
        };
        let token = "eyJh.eyJi.c2ln";
        for (names, taken) in [
            (&["ANY_ID_TOKEN"][..], "ANY_ID_TOKEN"),
            (&["SIGSTORE_ID_TOKEN", "JFROG_ID_TOKEN"], "JFROG_ID_TOKEN"),
            (&["SIGSTORE_ID_TOKEN", OIDC_TOKEN_ID.variable], OIDC_TOKEN_ID.variable),
            (&["ANY_ID_TOKEN", "JF_ACCESS_TOKEN", "CI_JOB_JWT"], "ANY_ID_TOKEN"),
        ] {
            let all: Vec<_> = names.iter().map(|name| (*name, token)).collect();
            assert!(matches!(job(&all).id_token(None), IdToken::Variable { name, .. } if name == taken), "{taken}");
        }
        assert!(matches!(job(&[]).id_token(Some("a")), IdToken::Unavailable(why) if why.contains("JF_ID_TOKEN: { aud: a }")));
        assert_eq!(job(&[]).job_context().job.as_deref(), Some("test"));
    }
}
