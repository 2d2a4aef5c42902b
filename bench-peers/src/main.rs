//! The program `bench-peers`; see the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    bench_peers::main()
}
