//! No CI, or one that is not known by name: then `CI=true` is all there is to go by.

use super::Ci;
use crate::environment::Environment;

struct Unknown {
    in_ci: bool,
}

pub fn detect(environment: &Environment) -> Option<Box<dyn Ci>> {
    let ci = environment.get("CI").ok()??;
    (!matches!(ci, "false" | "0")).then(|| Box::new(Unknown { in_ci: true }) as Box<dyn Ci>)
}

pub fn outside() -> Box<dyn Ci> {
    Box::new(Unknown { in_ci: false })
}

impl Ci for Unknown {
    fn name(&self) -> &'static str {
        if self.in_ci { "this CI" } else { "a machine without a CI" }
    }

    fn is_ci(&self) -> bool {
        self.in_ci
    }
}
