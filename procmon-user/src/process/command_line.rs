//! The whole command line of a process. It may hold secrets: it is read for
//! expressions that ask for it, and never exported.

use super::ProcessId;
use crate::proc::{ProcRoot, ProcessDir, stat, tasks};

/// As much as is looked at.
const LONGEST: usize = 128 << 10;

/// The arguments with a blank between two; `None` for a process that has none
/// or has gone.
pub fn read(root: &ProcRoot, id: ProcessId) -> Option<String> {
    let mut buf = Vec::new();
    let dir = ProcessDir::open(root, id.pid).ok()?;
    dir.read("stat", &mut buf).ok()?;
    let stat = stat::parse(&buf).ok()?;
    if stat.start_ticks != id.start_ticks {
        return None;
    }
    // A leader that ended first has left it to the others.
    let dead_leader = stat.has_dead_leader();
    let living = tasks::prefix(&dir, dead_leader, &mut buf);
    dir.read_start(&format!("{living}cmdline"), LONGEST, &mut buf)
        .ok()?;
    let end = buf.iter().rposition(|byte| *byte != 0)?;
    buf.truncate(end + 1);
    for byte in &mut buf {
        if *byte == 0 {
            *byte = b' ';
        }
    }
    Some(String::from_utf8_lossy(&buf).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proc::{ReadErrors, read_totals};

    #[test]
    fn this_process() {
        let root = ProcRoot::system();
        let own = read_totals(&root, std::process::id(), &mut ReadErrors::default()).unwrap();
        let arguments: Vec<String> = std::env::args().collect();
        assert_eq!(read(&root, own.id), Some(arguments.join(" ")));
        let other = ProcessId {
            start_ticks: own.id.start_ticks + 1,
            ..own.id
        };
        assert_eq!(read(&root, other), None);
    }
}
