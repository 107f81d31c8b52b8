//! Makes the Linux binary start faster. It is linked to a fixed address, as Go's binaries are: processing the 100 KiB of relocations of a
//! position-independent one takes a fifth of the start time. The unwinder is linked statically: loading its shared library takes a tenth.
fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name: &str| std::env::var(name).unwrap_or_default();
    if variable("CARGO_CFG_TARGET_OS") == "linux" && variable("CARGO_CFG_TARGET_ENV") == "gnu" {
        println!("cargo:rustc-link-arg-bins=-no-pie");
        // The linker searches this folder first, and this script replaces the shared library by the same compiler's static one.
        let folder = variable("OUT_DIR");
        if std::fs::write(format!("{folder}/libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n").is_ok() {
            println!("cargo:rustc-link-arg-bins=-L{folder}");
        }
    }
}
