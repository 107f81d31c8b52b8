use std::path::PathBuf;

/// What the end of a session did.
#[derive(Default)]
pub struct Done {
    /// How often its token was renewed.
    pub renewed: u32,
    /// The tokens that were revoked, by their names.
    pub revoked: Vec<String>,
    /// How many tokens that a renewed one had replaced were revoked.
    pub earlier: usize,
    /// The files that were removed.
    pub removed: Vec<PathBuf>,
    /// The files that hold something else, out of which the token was taken.
    pub cleared: Vec<PathBuf>,
}

impl Done {
    /// Whether there was more than a single token.
    #[must_use]
    pub fn is_much(&self) -> bool {
        self.renewed > 0 || self.revoked.len() + self.earlier > 1
    }

    /// In one line; `None` if nothing was done.
    #[must_use]
    pub fn line(&self) -> Option<String> {
        let earlier = (self.earlier > 0).then(|| counted(self.earlier, "earlier token"));
        let revoked: Vec<_> = self.revoked.iter().cloned().chain(earlier).collect();
        let paths = |files: &[PathBuf]| files.iter().map(|path| path.display().to_string()).collect::<Vec<_>>();
        let (removed, cleared) = (paths(&self.removed), paths(&self.cleared));
        let tell = |what: &str, words: &[String]| (!words.is_empty()).then(|| format!("{what} {}", listed(words)));
        let done = [tell("revoked", &revoked), tell("removed", &removed), tell("took the token out of", &cleared)];
        // That it was renewed is no news by itself.
        let renewed =
            (self.renewed > 0 && done.iter().any(Option::is_some)).then(|| format!("renewed {}", counted(self.renewed as usize, "time")));
        let parts: Vec<_> = [renewed].into_iter().chain(done).flatten().collect();
        Some(parts.join("; ")).filter(|line| !line.is_empty())
    }
}

/// A number of things: `1 token`, `2 tokens`.
#[must_use]
pub fn counted(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// `a`, `a and b`, `a, b and c`.
fn listed(words: &[String]) -> String {
    match words {
        [words @ .., last] if !words.is_empty() => format!("{} and {last}", words.join(", ")),
        words => words.concat(),
    }
}
