//! Randomness from the operating system.

/// A random number; zero if the system provides none. That would make a name or a pause predictable, but no secret depends on it.
#[must_use]
pub fn number() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// A random fraction, at least 0 and less than 1.
#[must_use]
pub fn fraction() -> f64 {
    f64::from((number() >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}
