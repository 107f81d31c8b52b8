//! No CI, or one that is not known by name: then `CI=true` is all there is to go by.

use super::Ci;
use crate::environment::Environment;

/// What other CIs call their job, so that two jobs on one machine don't share a session.
const JOB_IDS: [&str; 10] = [
    "CI_JOB_ID",
    "BUILDKITE_JOB_ID",
    "CIRCLE_WORKFLOW_JOB_ID",
    "SYSTEM_JOBID",
    "BITBUCKET_STEP_UUID",
    "BUILD_TAG",
    "TRAVIS_JOB_ID",
    "APPVEYOR_JOB_ID",
    "CODEBUILD_BUILD_ID",
    "DRONE_BUILD_NUMBER",
];

struct Unknown {
    in_ci: bool,
    job: Option<String>,
}

pub fn detect(environment: &Environment) -> Option<Box<dyn Ci>> {
    let ci = environment.get("CI").ok()??;
    let job = JOB_IDS.iter().find_map(|name| environment.get(name).ok()?);
    let job = job.map(|job| job.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').take(80).collect());
    (!matches!(ci, "false" | "0")).then(|| Box::new(Unknown { in_ci: true, job }) as Box<dyn Ci>)
}

pub fn outside() -> Box<dyn Ci> {
    Box::new(Unknown { in_ci: false, job: None })
}

impl Ci for Unknown {
    fn name(&self) -> &'static str {
        if self.in_ci { "this CI" } else { "a machine without a CI" }
    }

    fn is_ci(&self) -> bool {
        self.in_ci
    }

    fn job(&self) -> Option<String> {
        self.job.clone()
    }
}
