//! No CI, or one that is not known here.

use super::facts::job_id;
use super::{Ci, JobHome, Recognise};
use crate::io::{Environment, LogStyle};

/// Variables that several CIs set in each job, and that differ from job to job.
const SIGNS: [&str; 2] = ["BUILD_TAG", "CI_JOB_ID"];

struct Unknown {
    in_ci: bool,
    job: Option<String>,
}

pub struct Sign;

impl Recognise for Sign {
    fn detect(&'static self, environment: &Environment) -> Option<Box<dyn Ci>> {
        let job = job_id(environment, &SIGNS);
        let says_so = environment.says("CI", |ci| !matches!(ci, "false" | "0"));
        (job.is_some() || says_so).then(|| Box::new(Unknown { in_ci: true, job }) as Box<dyn Ci>)
    }
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
