//! GitLab CI. It has no masks at run time: echoing one would print the token.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::Ci;
use crate::environment::Environment;

#[derive(Default, Deserialize)]
struct GitLab {
    ci_project_dir: Option<String>,
    ci_job_id: Option<String>,
}

/// Any value counts: gitlab-ci-local, which runs pipelines on one's own machine, sets it to false.
pub fn detect(environment: &Environment) -> Option<Box<dyn Ci>> {
    environment.get("GITLAB_CI").ok()??;
    Some(Box::new(environment.read::<GitLab>()))
}

impl Ci for GitLab {
    fn name(&self) -> &'static str {
        "GitLab CI"
    }

    /// Only a real runner makes it.
    fn may_lack_folder_above(&self) -> bool {
        true
    }

    /// `after_script` may run in a new container, with only the builds volume carried over. `$CI_PROJECT_DIR.tmp` is the
    /// runner's own temporary folder on it, outside the working tree and so outside every artifact.
    fn home(&self) -> Option<PathBuf> {
        let (project, job) = (self.ci_project_dir.as_ref()?, self.ci_job_id.as_ref()?);
        Path::new(project).is_absolute().then(|| PathBuf::from(format!("{project}.tmp")).join(format!("jf-token-{job}")))
    }
}
