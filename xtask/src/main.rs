//! `cargo xtask <command>`: see the library.

fn main() -> std::process::ExitCode {
    xtask::main()
}
