//! GitLab CI. It has no masks at run time: echoing one would print the token.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Ci, IdToken, JobHome};
use crate::io::{Environment, LogStyle};

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

impl LogStyle for GitLab {}

impl Ci for GitLab {
    fn name(&self) -> &'static str {
        "GitLab CI"
    }

    /// `after_script` may run in a new container, with only the builds volume carried over. `$CI_PROJECT_DIR.tmp` is the
    /// runner's own temporary folder on it, outside the working tree and so outside every artifact. Only a real runner makes it.
    fn job(&self) -> JobHome {
        let folder = || {
            let (project, job) = (self.ci_project_dir.as_ref()?, self.ci_job_id.as_ref()?);
            Path::new(project).is_absolute().then(|| PathBuf::from(format!("{project}.tmp")).join(format!("jf-token-{job}")))
        };
        JobHome { folder: folder(), may_lack_folder_above: true, id: None }
    }

    /// The job's `id_tokens` name the variable and fix the audience, so it is an input: nothing here can ask for one.
    fn id_token(&self, _audience: Option<&str>) -> IdToken {
        IdToken::Unavailable("GitLab puts an identity token into the variable that the job's id_tokens block names".into())
    }
}
