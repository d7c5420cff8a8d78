//! A program that does exactly what it is told, call by call, and nothing else that procmon
//! counts: `victim mmap=1000:4096 open=5 open-fail=3 exit=7`.
//!
//! The arguments are parsed, and all memory is taken, before the first operation; the
//! operations are raw system calls. What the loader and the runtime do at start and end is the
//! same in every run, so the difference of two runs is the difference asked for.

mod calls;
mod control;
mod family;
mod holdings;
mod load;
mod memory;
mod ops;
mod raw;
mod state;
mod uring;

use std::{env, ffi::OsString, process::ExitCode};

fn main() -> ExitCode {
    let words: Vec<OsString> = env::args_os().skip(1).collect();
    if words.is_empty() || words.iter().any(|word| word == "--help" || word == "-h") {
        print!("{}", ops::help());
        return ExitCode::SUCCESS;
    }
    // glibc takes memory of its own for each thread: one arena, so that what that comes to does
    // not depend on who came first. musl has no arenas.
    // SAFETY: no other thread runs yet.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1)
    };
    match ops::parse(&words) {
        Ok(list) => {
            let mut state = state::State::new(&list);
            ops::perform(&list, &mut state);
            raw::exit(0)
        }
        Err(reason) => {
            eprintln!("victim: {reason}");
            ExitCode::from(2)
        }
    }
}
