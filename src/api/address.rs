use std::net::IpAddr;

use reqwest::Url;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::io::trimmed;
use crate::options::InputValue;

/// The URL of a JFrog platform, without a trailing slash and without the path of a service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct PlatformUrl(String);

/// Why a text is not the URL of a platform, and what would be right.
struct Wrong(String, &'static str);

const RIGHT: &str = "Give the platform's URL, such as https://acme.jfrog.io.";

impl PlatformUrl {
    /// Reads the URL as people paste it: with or without a trailing slash, with or without `/artifactory`, `/access` or `/ui`.
    ///
    /// # Errors
    /// Fails if it is not an http or https URL, if it has a user name, a password, a query or a fragment, or if, without `insecure_http`,
    /// it would send tokens unencrypted to another machine.
    pub fn new(given: &InputValue, insecure_http: bool) -> Result<Self> {
        let text = trimmed(&given.text);
        if text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']) {
            return Err(given.wrong("has quotes around it", "Take them off: what is not a shell reads them as a part of the value."));
        }
        if text.contains("***") || text.starts_with('[') && text.ends_with(']') && !text.contains(':') {
            return Err(given.wrong("is what stands in a log in place of a secret", RIGHT));
        }
        if !text.contains("://") {
            let why = if text.contains(' ') { "is not a URL" } else { "has no scheme" };
            return Err(given.wrong(why, format!("{RIGHT} It starts with https://.")));
        }
        let url = parse(text).map_err(|Wrong(why, right)| given.wrong(why, right))?;
        if url.scheme() == "http" && !insecure_http && !is_loopback(&url) {
            let right = "Use https://. If this network really is yours alone, give --insecure-http.";
            return Err(given.wrong("plain http would send the tokens in clear over the network", right));
        }
        Ok(Self::of(&without_services(url)))
    }

    fn of(url: &Url) -> Self {
        Self(url.as_str().trim_end_matches('/').to_owned())
    }

    /// The URL without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The URL of a request.
    #[must_use]
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{path}", self.0)
    }

    /// The host's name or address, without the brackets of an IPv6 address.
    #[must_use]
    pub fn host(&self) -> String {
        let host = Url::parse(&self.0).ok().and_then(|url| url.host_str().map(str::to_owned));
        host.unwrap_or_default().trim_matches(['[', ']']).to_owned()
    }

    /// Whether it is an https URL.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.starts_with("https:")
    }
}

impl TryFrom<String> for PlatformUrl {
    type Error = String;

    /// Reads a URL that was checked when it was given. It comes from a file, which could contain anything.
    fn try_from(text: String) -> std::result::Result<Self, String> {
        parse(&text).map(|url| Self::of(&url)).map_err(|Wrong(why, _)| why)
    }
}

/// Cuts the services' names off the end of the path; never of the host, which may be called so.
fn without_services(mut url: Url) -> Url {
    let mut path = url.path().trim_end_matches('/');
    while let Some(shorter) = ["/artifactory", "/access", "/ui"].iter().find_map(|service| path.strip_suffix(service)) {
        path = shorter.trim_end_matches('/');
    }
    let path = path.to_owned();
    url.set_path(&path);
    url
}

fn parse(text: &str) -> std::result::Result<Url, Wrong> {
    if !has_plain_host(text) {
        return Err(Wrong("has a host name with other characters than ASCII's".into(), "Write the host as the DNS has it: xn--….example."));
    }
    let url = Url::parse(text).map_err(|error| Wrong(format!("is not a URL ({error})"), RIGHT))?;
    if url.scheme() == "ssh" {
        let right = "Leave the other credential out, or give the platform's https:// URL with it.";
        return Err(Wrong("names a login by SSH, and another credential is given".into(), right));
    }
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Wrong(format!("the scheme '{}' is not known", url.scheme()), RIGHT));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let right = "Take the part before the @ out, and give the access token by JF_ACCESS_TOKEN or --access-token-file.";
        return Err(Wrong("holds a user name or password".into(), right));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(Wrong("has a query (?) or a fragment (#)".into(), RIGHT));
    }
    Ok(url)
}

/// Whether the host is plain ASCII without percent-encoding. The URL parser accepts no others, and in a debug build it panics on some.
#[must_use]
pub fn has_plain_host(url: &str) -> bool {
    let rest = url.split_once(':').map_or(url, |(_, rest)| rest);
    // The parser skips these, as a browser does.
    let rest = rest.trim_start_matches(['/', '\\', '\t', '\n', '\r']);
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    host.is_ascii() && !host.contains('%')
}

/// The name that `Http` looks up nowhere.
pub const LOCALHOST: &str = "localhost";

/// Whether the host is this machine. A name that ends in `.localhost` may resolve to another one.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == LOCALHOST || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::Source;

    fn read(text: &str) -> Result<PlatformUrl> {
        PlatformUrl::new(&InputValue { text: text.into(), source: Source::Flag("--url".into()) }, false)
    }

    #[test]
    fn every_way_to_write_the_platform_means_the_same() {
        for text in [
            "https://x.io",
            "https://x.io/",
            "https://X.io//",
            "https://x.io/artifactory/",
            "https://x.io/access",
            " https://x.io:443/ui/ ",
            "https://x.io/artifactory/access//ui",
        ] {
            assert_eq!(read(text).unwrap().as_str(), "https://x.io", "{text}");
        }
        assert_eq!(read("https://x.io/jfrog/artifactory").unwrap().as_str(), "https://x.io/jfrog");
        assert_eq!(read("https://x.io/my-ui").unwrap().as_str(), "https://x.io/my-ui");
        assert_eq!(read("https://access/artifactory").unwrap().as_str(), "https://access");
        assert_eq!(read("https://ui").unwrap().as_str(), "https://ui");
    }

    #[test]
    fn a_host_outside_ascii_is_refused_before_a_parser_sees_it() {
        for text in ["https://xY\u{498}o", "https://xY%D2%98o/", "https:///\u{498}", "https:/\t/\u{498}/://", "https://a@\u{498}"] {
            assert!(read(text).is_err_and(|error| error.to_string().contains("ASCII")), "{text}");
        }
        for text in ["https://x.io/\u{498}", "https://x.io/%20"] {
            assert!(read(text).is_ok(), "{text}");
        }
        // Names that only look international are the parser's own to refuse.
        for label in ["xn--", "xn--a", "xn--0", "xn--99999999", "xn--\u{0}", "xn--bcher-kva", "xn--xyo-b9d.xn--zz"] {
            let _ = read(&format!("https://{label}"));
        }
    }

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        for text in ["http://127.0.0.1:8081", "http://localhost", "http://[::1]:80"] {
            assert!(read(text).is_ok(), "{text}");
        }
        for text in ["http://x.io", "http://localhost.x.io", "http://x.localhost", "http://localhost.", "http://10.0.0.1", "http://[::2]"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
