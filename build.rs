//! On Linux the binary is linked to a fixed address, as Go's are: the 100 KiB of relocations that a movable one carries
//! are a fifth of the time it takes to start.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = |name: &str| std::env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
    }
}
