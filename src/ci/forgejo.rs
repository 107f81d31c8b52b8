//! Forgejo Actions, which follow GitHub's protocol (forgejo.org/docs, "Security: OpenID Connect"). `permissions` has no say here.

use super::github::Dialect;

pub static DIALECT: Dialect = Dialect {
    name: "Forgejo Actions",
    sign: "FORGEJO_ACTIONS",
    missing: |_| "A job gets one only if it asks for it: add enable-openid-connect: true to the job or to the whole workflow".into(),
};
