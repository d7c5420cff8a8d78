//! Tests that cannot run here say so.

use std::{fs::OpenOptions, io::Write as _};

use crate::environment::SKIP_LOG;

/// Notes that a test is skipped, where `cargo xtask test` lists it at the end.
pub fn note(function: &str, reason: &str) {
    let name = function
        .trim_end_matches("::here")
        .trim_end_matches("::{{closure}}");
    let line = format!("SKIPPED {name}: {}\n", reason.replace('\n', " "));
    eprint!("{line}");
    if let Some(path) = std::env::var_os(SKIP_LOG) {
        let written = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .and_then(|mut file| file.write_all(line.as_bytes()));
        if let Err(error) = written {
            panic!("cannot note a skipped test in {}: {error}", path.display());
        }
    }
}

/// Ends this test as skipped, with the reason.
#[macro_export]
macro_rules! skip {
    ($($reason:tt)*) => {{
        fn here() {}
        $crate::skip::note(std::any::type_name_of_val(&here), &format!($($reason)*));
        return;
    }};
}

/// The value of a `Result<_, String>`, or this test is skipped with its reason.
#[macro_export]
macro_rules! need {
    ($value:expr) => {
        match $value {
            Ok(value) => value,
            Err(reason) => $crate::skip!("{reason}"),
        }
    };
}
