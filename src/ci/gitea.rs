//! Gitea Actions, which follow GitHub's protocol. They give no identity token yet (go-gitea/gitea, issue 26383).

use super::github::Dialect;

pub static DIALECT: Dialect = Dialect {
    name: "Gitea Actions",
    sign: "GITEA_ACTIONS",
    missing: |_| {
        "Gitea makes none yet: give one by --oidc-token-file, --oidc-token-command or --oidc-token-var, or use another credential".into()
    },
};
