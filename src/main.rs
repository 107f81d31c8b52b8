//! See `ARCHITECTURE.md`.

fn main() {
    // Not an ExitCode, which has 8 bits: that of a program on Windows has 32.
    std::process::exit(jf_token::main());
}
