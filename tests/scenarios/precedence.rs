//! Which credential counts where several are given: the table of `docs/credentials.md`, tried pair by pair.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sandbox::Issuer;

use crate::support::Scene;

/// A way to give a credential.
struct Way {
    /// Its rank in the document.
    rank: usize,
    /// What kind it is.
    kind: &'static str,
    /// What a message calls the source.
    source: &'static str,
    /// The arguments that give it.
    flags: &'static [&'static str],
    /// The variables that give it; `*` stands for a value that the scene makes.
    variables: &'static [(&'static str, &'static str)],
}

const fn way(
    rank: usize,
    kind: &'static str,
    source: &'static str,
    flags: &'static [&'static str],
    variables: &'static [(&'static str, &'static str)],
) -> Way {
    Way { rank, kind, source, flags, variables }
}

/// The ranks as the document names them.
const RANKS: [&str; 5] = ["a flag", "an input of the action", "a variable", "`JF_ENV_…`", "nobody"];

const TOKEN: &str = "an access token";
const OIDC: &str = "an OIDC provider";
const SERVER: &str = "a server of jf's configuration";

const WAYS: [Way; 11] = [
    way(1, TOKEN, "--access-token-file", &["--access-token-file", "credential"], &[]),
    way(1, OIDC, "--oidc-provider", &["--oidc-provider", "github"], &[]),
    way(1, SERVER, "--server-id", &["--server-id", "acme"], &[]),
    way(2, TOKEN, "the input 'access-token'", &[], &[("INPUT_ACCESS-TOKEN", "*token")]),
    way(2, OIDC, "the input 'oidc-provider'", &[], &[("INPUT_OIDC-PROVIDER", "github")]),
    way(2, SERVER, "the input 'server-id'", &[], &[("INPUT_SERVER-ID", "acme")]),
    way(3, TOKEN, "JF_ACCESS_TOKEN", &[], &[("JF_ACCESS_TOKEN", "*token")]),
    way(3, OIDC, "JF_TOKEN_OIDC_PROVIDER", &[], &[("JF_TOKEN_OIDC_PROVIDER", "github")]),
    way(3, SERVER, "JF_TOKEN_SERVER_ID", &[], &[("JF_TOKEN_SERVER_ID", "acme")]),
    way(4, SERVER, "JF_ENV_ACME", &[], &[("JF_ENV_ACME", "*export")]),
    way(5, SERVER, "jf's configuration", &[], &[("JFROG_CLI_HOME_DIR", "*jf")]),
];

/// A scene in which each of these gives a credential.
fn with(ways: &[&Way]) -> (Scene, Vec<&'static str>, Issuer) {
    let issuer = Issuer::start();
    let mut scene = Scene::github();
    scene.vouched_for(&issuer, serde_json::json!({"username": "deployer"})).asks_for("credential").asks_for(".conf.v6");
    let token = scene.sandbox.admin_token().to_owned();
    scene.write("work/credential", &token);
    let server = serde_json::json!({"serverId": "acme", "url": scene.sandbox.url(), "accessToken": token, "isDefault": true, "version": 2});
    std::fs::create_dir(scene.path("jf")).unwrap();
    scene.write("jf/jfrog-cli.conf.v6", &serde_json::json!({"servers": [server], "version": "6"}).to_string());
    let by_input = ways.iter().any(|way| way.rank == 2);
    if by_input {
        scene.be_action(&[]);
    }
    // A named server is found in the file.
    if ways.iter().any(|way| way.kind == SERVER && way.rank < 4) {
        scene.set("JFROG_CLI_HOME_DIR", scene.path("jf").to_str().unwrap());
    }
    if ways.iter().any(|way| way.rank == 5) {
        for name in ["GITHUB_ACTIONS", "CI"] {
            scene.unset(name);
        }
    }
    let mut flags = Vec::new();
    for way in ways {
        flags.extend(way.flags);
        for (name, value) in way.variables {
            let value = match *value {
                "*token" => token.clone(),
                "*export" => STANDARD.encode(server.to_string()),
                "*jf" => scene.path("jf").display().to_string(),
                plain => plain.to_owned(),
            };
            scene.set(name, &value);
        }
    }
    (scene, flags, issuer)
}

#[test]
fn of_two_credentials_the_one_of_the_higher_rank_counts_and_two_of_one_rank_are_an_error() {
    let document = include_str!("../../docs/credentials.md");
    let ranks: Vec<_> = document.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").nth(1)).collect();
    let ranks: Vec<_> = ranks.into_iter().filter(|rank| RANKS.contains(rank)).collect();
    assert_eq!(ranks, RANKS, "the table of docs/credentials.md");
    for (index, first) in WAYS.iter().enumerate() {
        for second in &WAYS[index..] {
            // In the action there is no server that nobody named, and a job of the same kind twice is no choice.
            if first.rank.min(second.rank) == 2 && second.rank == 5
                || (first.source != second.source && first.kind == second.kind && first.rank == second.rank)
            {
                continue;
            }
            let ways = if first.source == second.source { vec![first] } else { vec![first, second] };
            let (scene, flags, issuer) = with(&ways);
            let ran = scene.run(&[&["create", "--dry-run"], &flags[..]].concat());
            let both = format!("{} and {}: {}", first.source, second.source, ran.story);
            assert!(!ran.story.contains("--- request") && issuer.requests().is_empty(), "{both}");
            if first.rank == second.rank && first.kind != second.kind {
                assert_eq!(ran.code, 2, "{both}");
                assert!(ran.stderr.contains(first.source) && ran.stderr.contains(second.source), "{both}");
            } else {
                assert_eq!(ran.code, 0, "{both}");
                let given = if first.rank == 5 { "is its default".into() } else { format!("{} gives", first.source) };
                assert!(ran.stderr.contains(&format!("by {} that {given}", first.kind)), "{both}");
            }
        }
    }
}
