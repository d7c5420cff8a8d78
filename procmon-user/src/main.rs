//! The `procmon` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    procmon::cli::main()
}
