use std::fmt;

use serde::de::{Deserialize, Deserializer};
use serde::ser::{Serialize, Serializer};
use zeroize::Zeroizing;

/// A token: wiped on drop, never shown.
///
/// It has no `Display`, so that no message can contain one by accident:
///
/// ```compile_fail
/// let secret = redact::Secret::new("x").unwrap();
/// let header = format!("Bearer {secret}");
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Trims a text and makes it a secret.
    ///
    /// # Errors
    /// Says briefly what is wrong (empty, a space inside, not ASCII), and never shows the text.
    /// Every token format of JFrog is printable ASCII; anything else would break the header it goes into.
    pub fn new(text: &str) -> Result<Self, &'static str> {
        let text = text.trim();
        if text.is_empty() {
            return Err("is empty");
        }
        if text.contains(|c: char| c.is_ascii_whitespace()) {
            return Err("has a space or a line break inside");
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("has characters that no token has");
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The plain text, only for the code that sends or delivers it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(super::HIDDEN)
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Zeroizing::new(String::deserialize(deserializer)?);
        Secret::new(&text).map_err(serde::de::Error::custom)
    }
}

/// For the state file and `--format json`, the only JSON that contains tokens.
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_trimmed_and_never_shown() {
        let secret = Secret::new(" abc\r\n").unwrap();
        assert_eq!(secret.expose(), "abc");
        assert_eq!(format!("{secret:?}"), "***");
    }

    #[test]
    fn refuses_what_no_header_can_hold() {
        for bad in ["", " \n", "a b", "a\nb", "a\u{0}b", "caf\u{e9}"] {
            assert!(Secret::new(bad).is_err(), "{bad:?}");
        }
    }
}
