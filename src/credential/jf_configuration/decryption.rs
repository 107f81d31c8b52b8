//! How jf encrypts the secrets in its file: AES-256-GCM, as base64 of the nonce, the encrypted text and the tag.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use redact::Secret;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use super::{read, shown_path};
use crate::io::{Environment, text_of};

/// The variable with the key, or with the path of its file, which then ends in `.key`.
const VARIABLE: &str = "JFROG_CLI_ENCRYPTION_KEY";
/// The length of a key, in bytes.
const LENGTH: usize = 32;

/// The key, and where it came from.
#[derive(Clone)]
pub struct Key {
    bytes: Zeroizing<Vec<u8>>,
    place: String,
    is_variable: bool,
}

/// What is wrong, and what would be right.
type Wrong = (String, String);

impl Key {
    /// Finds the key: in the environment, else in jf's folder.
    pub fn find(environment: &Environment, home: &Path) -> Result<Self, Wrong> {
        let given = environment.whole(VARIABLE).map_err(|error| (error.to_string(), error.help().to_owned()))?;
        let key = match given {
            Some(path) if path.rsplit_once('.').is_some_and(|(_, end)| end == "key") => {
                // What only looks like a path may be the key.
                let place = format!("the file that {VARIABLE} names");
                let help = format!("{VARIABLE} is the path of a file if it ends in .key, else the key itself.");
                let content = read(Path::new(path)).map_err(|why| (format!("its key can't be read from {place}: {why}"), help.clone()))?;
                let content = content.ok_or_else(|| (format!("{place} does not exist"), help))?;
                Self { bytes: of_a_file(&content), place, is_variable: false }
            }
            Some(key) => Self { bytes: Zeroizing::new(key.as_bytes().to_vec()), place: VARIABLE.into(), is_variable: true },
            None => Self::of_the_folder(home)?,
        };
        if key.bytes.len() != LENGTH {
            return Err((format!("the key in {} has not {LENGTH} bytes", key.place), "Give the key that jf encrypted it with.".into()));
        }
        Ok(key)
    }

    fn of_the_folder(home: &Path) -> Result<Self, Wrong> {
        let file = home.join("security").join("security.yaml");
        let place = shown_path(&file);
        let help = format!(
            "Set {VARIABLE} to the key that jf encrypted it with, or to the path of its file, or put it into {place} as masterKey."
        );
        let none = || ("there is no key".to_owned(), help.clone());
        let content = read(&file).map_err(|why| (format!("its key can't be read from {place}: {why}"), help.clone()))?.ok_or_else(none)?;
        let bytes = text_of(&content).and_then(|yaml| master_key(&yaml)).ok_or_else(none)?;
        Ok(Self { bytes, place, is_variable: false })
    }

    /// The key, if a program could find it in the environment.
    pub fn of_the_environment(&self) -> Option<Secret> {
        self.is_variable.then(|| Secret::new(std::str::from_utf8(&self.bytes).ok()?).ok()).flatten()
    }

    /// Decrypts a text.
    pub fn decrypt(&self, text: &str) -> Result<Zeroizing<String>, (String, &'static str)> {
        let wrong = || {
            let what =
                format!("its access token can't be decrypted with the key in {}: that is another key, or the token is damaged", self.place);
            (what, "Give the key that jf encrypted it with; or configure the token again by jf c edit.")
        };
        let mut bytes = Zeroizing::new(STANDARD.decode(text.trim()).map_err(|_| wrong())?);
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or_else(wrong)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| wrong())?;
        let key = UnboundKey::new(&AES_256_GCM, &self.bytes).map_err(|_| wrong())?;
        let plain = LessSafeKey::new(key).open_in_place(nonce, Aad::empty(), sealed).map_err(|_| wrong())?;
        std::str::from_utf8(plain).map(|plain| Zeroizing::new(plain.to_owned())).map_err(|_| wrong())
    }
}

/// The key in a file that holds nothing else: any bytes of its length, else text.
fn of_a_file(content: &[u8]) -> Zeroizing<Vec<u8>> {
    let bytes = content.trim_ascii_end();
    match text_of(content).filter(|_| bytes.len() != LENGTH) {
        Some(text) => Zeroizing::new(text.trim_ascii_end().as_bytes().to_vec()),
        None => Zeroizing::new(bytes.to_vec()),
    }
}

/// The only key of `security.yaml` that matters here.
fn master_key(yaml: &str) -> Option<Zeroizing<Vec<u8>>> {
    let of_line = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.trim_matches(['"', '\'']).eq_ignore_ascii_case("masterKey").then_some(())?;
        let value = value.trim();
        let value = match value.chars().next().filter(|first| matches!(first, '"' | '\'')) {
            Some(quote) => value[1..].split(quote).next().unwrap_or_default(),
            None => value.split(" #").next().unwrap_or_default().trim_end(),
        };
        (!value.is_empty()).then(|| Zeroizing::new(value.as_bytes().to_vec()))
    };
    yaml.lines().find_map(of_line)
}
