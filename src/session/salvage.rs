//! Finds the tokens in a session file that is cut short or of another version, and where they are valid.

use redact::Secret;

use crate::api::PlatformUrl;

/// Every access token in the text, with the platform's address that comes before it.
pub(super) fn tokens(text: &str) -> Vec<(PlatformUrl, Secret)> {
    let addresses: Vec<_> = values(text, "platform").filter_map(|(at, value)| Some((at, PlatformUrl::try_from(value).ok()?))).collect();
    let secrets = values(text, "access_token").filter_map(|(at, value)| Some((at, Secret::new(&value).ok()?)));
    secrets
        .filter_map(|(at, secret)| {
            let before = addresses.iter().rfind(|(address, _)| *address < at);
            Some((before.or(addresses.first())?.1.clone(), secret))
        })
        .collect()
}

/// Every complete string that is the value of this field, with its position.
fn values<'t>(text: &'t str, name: &str) -> impl Iterator<Item = (usize, String)> + 't {
    let key = format!("\"{name}\"");
    let starts: Vec<usize> = text.match_indices(&key).map(|(at, key)| at + key.len()).collect();
    starts.into_iter().filter_map(move |at| {
        let rest = text[at..].trim_start().strip_prefix(':')?.trim_start();
        let value: Option<serde_json::Result<String>> = serde_json::Deserializer::from_str(rest).into_iter().next();
        Some((at, value?.ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_file_that_is_cut_short_the_whole_tokens_are_found_each_with_its_address() {
        let text = r#"{"version": 9, "list": [{"platform":"https:\/\/a.io","x":{"access_token": "one"}},
            {"platform":"https://b.io","access_token":"two"},{"platform":"no address","access_token":"three"},{"access_token":"fou"#;
        let found: Vec<_> = tokens(text).into_iter().map(|(url, secret)| format!("{} {}", url.as_str(), secret.expose())).collect();
        assert_eq!(found, ["https://a.io one", "https://b.io two", "https://b.io three"]);
        assert!(tokens(r#""access_token":"one""#).is_empty(), "without an address nobody knows where to end it");
    }
}
