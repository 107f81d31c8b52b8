//! Randomness from the operating system.

/// A random number; zero where the system has none, which then weakens a name or a pause, and no secret.
#[must_use]
pub fn number() -> u64 {
    getrandom::u64().unwrap_or_default()
}

/// A random fraction from 0 up to 1.
#[must_use]
pub fn fraction() -> f64 {
    f64::from((number() >> 32) as u32) / (f64::from(u32::MAX) + 1.0)
}
