//! The `procmon` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    procmon::proc::statvfs::serve_if_asked().unwrap_or_else(procmon::cli::main)
}
