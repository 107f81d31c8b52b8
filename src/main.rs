//! See `ARCHITECTURE.md`.
fn main() -> std::process::ExitCode {
    jf_token::main()
}
