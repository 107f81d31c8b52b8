//! The platform's URL: a request keeps the scheme, host and port that were given, and plain http stays on this machine.
#![no_main]

use jf_token::fuzzing::mint_url;
use libfuzzer_sys::fuzz_target;
use url::{Host, Url};

fuzz_target!(|text: &str| {
    let Some(asked) = mint_url(text, true) else {
        assert_eq!(mint_url(text, false), None, "insecure http only allows more");
        return;
    };
    let given = Url::parse(text.trim()).unwrap();
    let asked = Url::parse(&asked).unwrap();
    assert_eq!(asked.origin(), given.origin(), "{asked}");
    assert!(asked.username().is_empty() && asked.password().is_none() && asked.query().is_none() && asked.fragment().is_none());

    let before = asked.path().strip_suffix("/access/api/v1/tokens").unwrap();
    let cut = given.path().strip_prefix(before).unwrap();
    assert!(cut.split('/').all(|part| matches!(part, "" | "artifactory" | "access" | "ui")), "{cut} was cut");
    assert!(!["/", "/artifactory", "/access", "/ui"].iter().any(|end| before.ends_with(end)), "{before} was left");

    let is_here = match given.host().unwrap() {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(ip) => ip.octets()[0] == 127,
        Host::Ipv6(ip) => ip.segments() == [0, 0, 0, 0, 0, 0, 0, 1] || ip.to_ipv4_mapped().is_some_and(|ip| ip.octets()[0] == 127),
    };
    assert_eq!(mint_url(text, false).is_some(), is_here || given.scheme() == "https");
});
