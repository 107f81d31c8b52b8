//! No CI, or one that has no file of its own here yet.

use std::hash::{DefaultHasher, Hash, Hasher};

use super::{Ci, JobHome};
use crate::io::{Environment, LogStyle};

/// Variables that other CIs set in each job. Those that differ from job to job keep two jobs on one machine from sharing a session.
const SIGNS: [&str; 17] = [
    "APPVEYOR_JOB_ID",
    "BITBUCKET_STEP_UUID",
    "BUILDKITE_JOB_ID",
    "BUILD_TAG",
    "CIRCLE_WORKFLOW_JOB_ID",
    "CI_JOB_ID",
    "CODEBUILD_BUILD_ID",
    "DRONE_BUILD_NUMBER",
    "DRONE_REPO",
    "DRONE_STAGE_NUMBER",
    "JENKINS_URL",
    "SYSTEM_JOBID",
    "TEAMCITY_BUILD_PROPERTIES_FILE",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "TRAVIS",
    "TRAVIS_JOB_ID",
];

struct Unknown {
    in_ci: bool,
    job: Option<String>,
}

pub fn detect(environment: &Environment) -> Option<Box<dyn Ci>> {
    let value = |name: &str| environment.get(name).ok().flatten();
    let signs: Vec<_> = SIGNS.iter().filter_map(|name| value(name)).collect();
    let says_so = environment.says("CI", |ci| !matches!(ci, "false" | "0"));
    if signs.is_empty() && !says_so {
        return None;
    }
    let mut hasher = DefaultHasher::new();
    signs.hash(&mut hasher);
    let job = (!signs.is_empty()).then(|| format!("{:016x}", hasher.finish()));
    Some(Box::new(Unknown { in_ci: true, job }))
}

pub fn outside() -> Box<dyn Ci> {
    Box::new(Unknown { in_ci: false, job: None })
}

impl LogStyle for Unknown {}

impl Ci for Unknown {
    fn name(&self) -> &'static str {
        if self.in_ci { "this CI" } else { "a machine without a CI" }
    }

    fn is_ci(&self) -> bool {
        self.in_ci
    }

    fn job(&self) -> JobHome {
        JobHome { id: self.job.clone(), ..JobHome::default() }
    }
}
