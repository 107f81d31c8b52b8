//! What makes the Linux binary start quickly. It is linked to a fixed address, as Go's are: the 100 KiB of relocations that a movable one
//! carries are a fifth of the time. And the unwinder is linked in: the shared library that it comes in otherwise is another tenth.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    if variable("CARGO_CFG_TARGET_OS") == "linux" && variable("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
        // The linker looks here first: for it the shared library is the static one of the same compiler.
        let folder = variable("OUT_DIR");
        if std::fs::write(format!("{folder}/libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n").is_ok() {
            println!("cargo:rustc-link-arg-bins=-L{folder}");
        }
    }
}
