//! The bytes of a configuration file.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;
use std::sync::Arc;

use super::mistake::{Mistake, Origin};

/// Most bytes of a file: a thousand times what a long one has.
pub const MOST_BYTES: u64 = 1 << 20;

/// Reads a file whole.
///
/// # Errors
/// When it is missing, unreadable, no file, too large or not UTF-8.
pub fn read(path: &Path) -> Result<String, Mistake> {
    let file: Arc<str> = path.display().to_string().into();
    let whole = |problem: String| Mistake {
        at: Origin::WholeFile(Arc::clone(&file)),
        problem,
    };
    let opened = File::open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => whole(format!(
            "there is no such file; `{REFERENCE}` writes one to begin with"
        )),
        ErrorKind::PermissionDenied => whole(format!("{error}: let procmon's user read it")),
        _ => whole(format!("cannot open: {error}")),
    })?;
    let mut bytes = Vec::new();
    // One byte more than there may be: a pipe does not say how much it has.
    match opened.take(MOST_BYTES + 1).read_to_end(&mut bytes) {
        Err(error) if error.kind() == ErrorKind::IsADirectory => {
            return Err(whole("it is a directory: name the file in it".to_owned()));
        }
        Err(error) => return Err(whole(format!("cannot read: {error}"))),
        Ok(_) if bytes.len() as u64 > MOST_BYTES => {
            return Err(whole(format!(
                "it is larger than {} KiB: no configuration is",
                MOST_BYTES >> 10
            )));
        }
        Ok(_) => {}
    }
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let bytes = error.as_bytes();
        let before = &bytes[..good];
        let line_begins = before.iter().rposition(|byte| *byte == b'\n');
        let in_line = &before[line_begins.map_or(0, |at| at + 1)..];
        Mistake {
            at: Origin::File {
                file,
                line: before.iter().filter(|byte| **byte == b'\n').count() + 1,
                column: String::from_utf8_lossy(in_line).chars().count() + 1,
            },
            problem: format!(
                "byte 0x{:02x} is not UTF-8: save the file as UTF-8",
                bytes[good]
            ),
        }
    })
}

/// The command that writes a file to begin with.
const REFERENCE: &str = "procmon config reference --format yaml";
