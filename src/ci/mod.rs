//! What differs between CIs: how each is recognised, hides secrets, passes values on and vouches for a job. One file per CI, one line in
//! `KNOWN`.

mod action;
mod azure;
mod bitbucket;
mod buildkite;
mod circleci;
mod codefresh;
mod drone;
mod facts;
mod forgejo;
mod gitea;
mod github;
mod gitlab;
mod harness;
mod jenkins;
mod masking;
mod none;
mod others;
mod semaphore;
mod spacelift;
mod terraform;

use std::path::{Path, PathBuf};

use redact::Secret;

use crate::error::{Error, Report, Result};
use crate::io::{Console, Environment, LogStyle, MaskCommand};

pub use action::{Action, SavedToken};
pub use github::blocks;
pub use masking::{Extent, Masking};

/// What a CI is recognised by.
trait Recognise: Sync {
    /// The CI, if the environment is that of one of its jobs.
    fn detect(&'static self, environment: &Environment) -> Option<Box<dyn Ci>>;
}

/// Every CI that is recognised, the most specific first.
const KNOWN: [&dyn Recognise; 22] = [
    &forgejo::DIALECT,
    &gitea::DIALECT,
    &github::DIALECT,
    &gitlab::Sign,
    &azure::FACTS,
    &circleci::FACTS,
    &buildkite::FACTS,
    &bitbucket::FACTS,
    &codefresh::FACTS,
    &semaphore::FACTS,
    &spacelift::FACTS,
    &terraform::FACTS,
    &harness::FACTS,
    &others::WOODPECKER,
    &drone::FACTS,
    &jenkins::FACTS,
    &others::TEAMCITY,
    &others::TRAVIS,
    &others::APPVEYOR,
    &others::CODEBUILD,
    &others::CLOUD_BUILD,
    &none::Sign,
];

/// The CI that the environment belongs to.
#[must_use]
pub fn detect(environment: &Environment) -> Box<dyn Ci> {
    KNOWN.iter().find_map(|known| known.detect(environment)).unwrap_or_else(none::outside)
}

/// Whether a CI could do what it was asked to.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// It was done.
    Done,
    /// This CI has no such thing.
    Unsupported,
}

/// A value that outlives the command, for others to read.
#[derive(Clone, Copy)]
pub enum Export<'a> {
    /// A variable for the job's later steps.
    Variable {
        /// The variable's name.
        name: &'a str,
        /// The variable's value.
        value: &'a str,
    },
    /// The step's outputs, all or none.
    Outputs(&'a [(&'a str, String)]),
    /// A value for the post step of the same use of an action.
    State {
        /// The value's name.
        name: &'a str,
        /// The value.
        value: &'a str,
    },
    /// A folder of programs to put into the PATH of the job's later steps.
    Path(&'a Path),
    /// Markdown for the page that shows the step.
    Summary(&'a str),
}

/// Where a job keeps what must last until its last command.
#[derive(Default)]
pub struct JobHome {
    /// A folder of the job's own that is not part of an artifact.
    pub folder: Option<PathBuf>,
    /// Whether the folder above may not have existed before; then it is removed too, if it is empty.
    pub may_lack_folder_above: bool,
    /// If there is no such folder: what distinguishes this job from others on the same machine, fit for a file name.
    pub id: Option<String>,
}

/// An identity token, by which the CI says who the job is, or how to get it.
#[derive(Debug)]
pub enum IdToken {
    /// There is none. The text says why, and what to change in the job.
    Unavailable(String),
    /// A variable of the job holds the identity token.
    Variable {
        /// The variable's name.
        name: String,
        /// The identity token.
        token: Secret,
        /// Where its audience is set, in words that follow "set it": `by aud in the job's id_tokens`.
        audience: &'static str,
    },
    /// A request to the CI returns it, as often as it is asked.
    Fetch(IdTokenRequest),
    /// A command of the CI prints it, as often as it is run.
    Run {
        /// The program and its arguments.
        command: Vec<String>,
        /// What to do where it fails: whole sentences.
        help: &'static str,
    },
}

/// For a CI of which no way is known.
fn none_known(name: &str) -> IdToken {
    IdToken::Unavailable(format!(
        "jf-token knows of none that {name} gives: give one by --oidc-token-file, --oidc-token-command or --oidc-token-var"
    ))
}

/// The request that returns an identity token.
#[derive(Debug)]
pub struct IdTokenRequest {
    /// The whole address, including the audience.
    pub url: String,
    /// Whether it is a POST with an empty body, not a GET.
    pub posts: bool,
    /// What authenticates the job to the CI.
    pub bearer: Secret,
    /// Whether the header holds the bearer alone, without the word `Bearer`.
    pub bare: bool,
    /// The variables that hold this address and this bearer.
    pub variables: &'static [&'static str],
    /// The field of the answer that holds the token.
    pub field: &'static str,
}

/// What a CI says of a job, for the platform's records of an exchange.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct JobContext {
    /// The job.
    pub job: Option<String>,
    /// The run of the pipeline.
    pub run: Option<String>,
    /// The repository's address.
    pub repository: Option<String>,
    /// The revision.
    pub revision: Option<String>,
    /// The branch.
    pub branch: Option<String>,
}

/// A CI. The defaults are those of a CI that can't do the thing.
pub trait Ci: LogStyle + Send + Sync {
    /// The CI's name, for messages.
    fn name(&self) -> &'static str;

    /// Whether a job runs here, so that others can read what is printed.
    fn is_ci(&self) -> bool {
        true
    }

    /// Where the job keeps its own files.
    fn job(&self) -> JobHome {
        JobHome::default()
    }

    /// Makes the job's log hide these texts, by lines for `log` or by a command of the CI.
    ///
    /// # Errors
    /// Fails if one might not be hidden.
    fn mask(&self, _values: &[String], _log: &dyn Fn(&str)) -> Result<Support> {
        Ok(Support::Unsupported)
    }

    /// Why a secret may be empty in this job, and what to do about it: a sentence.
    fn why_empty(&self) -> &'static str {
        "A secret that this job does not get is empty: is it set under that name, and given to jobs of this branch, and of forks?"
    }

    /// The line by which any program makes the job's log hide a value, if there is one.
    fn mask_command(&self) -> Option<&'static MaskCommand> {
        None
    }

    /// The files that belong to the CI.
    fn files(&self) -> Vec<&str> {
        Vec::new()
    }

    /// Whether the CI reads this file as variables for other jobs, as far as that can be told from here. It then knows no comments.
    fn is_report(&self, _path: &Path) -> bool {
        false
    }

    /// Takes back what was exported by this process, but its states and summaries. Returns what could not be taken back.
    fn retract(&self) -> Vec<String> {
        Vec::new()
    }

    /// Checks, before a token exists, that all of this could be exported. The values are not looked at.
    ///
    /// # Errors
    /// Fails if one of them can't be exported, and says what to do instead.
    fn prepare(&self, exports: &[Export]) -> Result<()> {
        if exports.iter().any(|export| matches!(export, Export::Variable { .. })) {
            let what = format!("{} has no way to set a variable for later steps", self.name());
            return Err(Error::input(what, "Write a file with --output-file, and read it in the later command: . FILE"));
        }
        Ok(())
    }

    /// Exports a value.
    ///
    /// # Errors
    /// Fails if it can't be written; then nothing of it is.
    fn export(&self, _export: Export) -> Result<Support> {
        Ok(Support::Unsupported)
    }

    /// The job's identity token. Where the CI lets a job choose the audience, this one; where it can't be chosen, whoever uses the token
    /// compares.
    fn id_token(&self, _audience: Option<&str>) -> IdToken {
        none_known(self.name())
    }

    /// The claims of its identity token that say which job it is, besides `iss`, `aud` and `sub`.
    fn claims(&self) -> &'static [&'static str] {
        &[]
    }

    /// What the platform may record of the job.
    fn job_context(&self) -> JobContext {
        JobContext::default()
    }
}

/// Prints a failure, also with the job's result. The exit code is the one that it leads to, if it decides that.
pub fn report(failure: &anyhow::Error, exit_code: Option<i32>, ci: &dyn Ci, console: &Console) {
    let report = Report::new(failure, exit_code);
    console.error(&report);
    // A summary that can't be written must not hide the failure itself.
    let _ = ci.export(Export::Summary(&format!("### {}\n\n```text\n{}\n```\n", report.title, console.worded(&report.text()))));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_ci_is_told_from_those_whose_variables_it_sets_too() {
        let jobs: &[(&str, &[(&str, &str)])] = &[
            ("GitHub Actions", &[("CI", "true"), ("GITHUB_ACTIONS", "true")]),
            ("Forgejo Actions", &[("GITHUB_ACTIONS", "true"), ("GITEA_ACTIONS", "true"), ("FORGEJO_ACTIONS", "true")]),
            ("Gitea Actions", &[("GITHUB_ACTIONS", "true"), ("GITEA_ACTIONS", "true")]),
            ("GitLab CI", &[("CI", "true"), ("GITLAB_CI", "true"), ("CI_JOB_ID", "1")]),
            ("Azure Pipelines", &[("TF_BUILD", "True"), ("SYSTEM_JOBID", "1")]),
            ("CircleCI", &[("CI", "true"), ("CIRCLECI", "true")]),
            ("Buildkite", &[("CI", "true"), ("BUILDKITE", "true")]),
            ("Bitbucket Pipelines", &[("CI", "true"), ("BITBUCKET_BUILD_NUMBER", "1")]),
            ("Codefresh", &[("CI", "true"), ("CF_BUILD_ID", "1")]),
            ("Semaphore", &[("CI", "true"), ("SEMAPHORE", "true")]),
            ("Spacelift", &[("TF_VAR_spacelift_run_id", "1")]),
            ("HCP Terraform", &[("TFC_RUN_ID", "run-1")]),
            ("Harness", &[("DRONE", "true"), ("DRONE_REPO", "o/r"), ("HARNESS_BUILD_ID", "1")]),
            ("Woodpecker", &[("CI", "woodpecker"), ("CI_REPO_ID", "1")]),
            ("Drone", &[("CI", "true"), ("DRONE", "true")]),
            ("Jenkins", &[("JENKINS_URL", "https://ci.example/"), ("BUILD_TAG", "jenkins-app-1")]),
            ("TeamCity", &[("TEAMCITY_VERSION", "2026.1")]),
            ("Travis CI", &[("CI", "true"), ("TRAVIS", "true")]),
            ("AppVeyor", &[("CI", "True"), ("APPVEYOR", "True")]),
            ("AWS CodeBuild", &[("CODEBUILD_BUILD_ARN", "arn:aws:codebuild:1")]),
            ("Google Cloud Build", &[("BUILDER_OUTPUT", "/builder/outputs")]),
            ("this CI", &[("CI", "true")]),
            ("this CI", &[("BUILD_TAG", "app-1")]),
            ("a machine without a CI", &[("CI", "false"), ("GITLAB_CI", ""), ("GITHUB_ACTIONS", "false")]),
        ];
        for (name, environment) in jobs {
            let ci = detect(&environment.iter().copied().collect());
            assert_eq!((ci.name(), ci.is_ci()), (*name, *name != "a machine without a CI"));
        }
    }
}
