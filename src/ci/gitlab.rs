//! GitLab CI. It has no command to mask a value at run time: printing one would only show the token.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{Ci, IdToken, JobHome};
use crate::io::{Environment, LogStyle};

#[derive(Default, Deserialize)]
struct GitLab {
    ci_project_dir: Option<String>,
    ci_job_id: Option<String>,
}

/// Any value of the variable counts: gitlab-ci-local, which runs pipelines on a developer's machine, sets it to false.
pub fn detect(environment: &Environment) -> Option<Box<dyn Ci>> {
    environment.says("GITLAB_CI", |_| true).then(|| Box::new(environment.read::<GitLab>()) as Box<dyn Ci>)
}

impl LogStyle for GitLab {}

impl Ci for GitLab {
    fn name(&self) -> &'static str {
        "GitLab CI"
    }

    /// `after_script` may run in a new container, which shares only the builds volume with the job. `$CI_PROJECT_DIR.tmp` is the runner's
    /// own temporary folder on that volume, outside the working tree and therefore outside every artifact. Only a real runner creates it.
    fn job(&self) -> JobHome {
        let folder = || {
            let (project, job) = (self.ci_project_dir.as_ref()?, self.ci_job_id.as_ref()?);
            Path::new(project).is_absolute().then(|| PathBuf::from(format!("{project}.tmp")).join(format!("jf-token-{job}")))
        };
        JobHome { folder: folder(), may_lack_folder_above: true, id: None }
    }

    /// Always unavailable here: the job's `id_tokens` block names the variable and fixes the audience, so the token can only be given as an
    /// input.
    fn id_token(&self, _audience: Option<&str>) -> IdToken {
        IdToken::Unavailable("GitLab puts an identity token into the variable that the job's id_tokens block names".into())
    }
}
