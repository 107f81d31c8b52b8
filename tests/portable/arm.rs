//! The static binary for aarch64, under qemu. What it starts runs on this machine's own processor, so a keeper can't be started.

use sandbox::{Sandbox, Tls};

use crate::binary;
use crate::peers::system;
use crate::support::{Ran, Scene};

fn succeeds(scene: &Scene, arguments: &[&str]) -> Ran {
    let binary = binary("JF_TOKEN_ARM_BINARY");
    let emulated = [&[binary.to_str().unwrap()], arguments].concat();
    let mut command = scene.command(system("qemu-aarch64-static").to_str().unwrap(), &emulated);
    let ran = scene.ran(arguments, command.env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap());
    assert_eq!(ran.code, 0, "{}", ran.story);
    ran
}

#[test]
fn a_token_is_minted_handed_to_a_program_hidden_renewed_and_revoked_over_http_and_https() {
    for builder in [Sandbox::builder(), Sandbox::builder().tls(Tls::Valid)] {
        let mut scene = Scene::with(builder);
        scene.asks_for("work/token");
        let last = || scene.sandbox.issued().pop().unwrap().access_token;
        let create = ["create", "--session", "s", "--expiry", "1h", "--force-revocable", "--token-file", "token", "--format", "json"];
        assert!(succeeds(&scene, &create).stdout.contains(&last()) && scene.read("work/token") == last());
        assert_eq!(succeeds(&scene, &["get", "--session", "s"]).stdout.trim(), last());
        let ran = succeeds(&scene, &["exec", "--session", "s", "--", "sh", "-c", "echo a token: $JF_ACCESS_TOKEN"]);
        assert_eq!(ran.stdout, "a token: ***\n");
        succeeds(&scene, &["exec", "--expiry", "1h", "--force-revocable", "--", "true"]);
        assert!(!scene.sandbox.is_live(&last()));
        succeeds(&scene, &["refresh", "--session", "s"]);
        assert_eq!(scene.read("work/token"), last());
        succeeds(&scene, &["revoke", "--session", "s"]);
        assert!(scene.sandbox.issued().len() == 3 && scene.sandbox.issued().iter().all(|issued| !issued.live));
    }
}
