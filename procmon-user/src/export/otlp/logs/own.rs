//! What procmon says of itself, until it is sent.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

/// How many lines wait for the next view at most.
const LINES: usize = 2048;
/// The library and the kernel programs, by the targets of their records.
const OURS: [&str; 2] = ["procmon", "procmon_ebpf"];
/// The parts that deliver.
const DELIVERY: [&str; 2] = ["procmon::export::otlp", "procmon::telemetry"];

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// When, ns of Unix time.
    pub at_unix_ns: u64,
    /// How grave it is.
    pub level: log::Level,
    /// The part of procmon that said it.
    pub part: String,
    /// What was said.
    pub words: String,
}

impl Said {
    /// What is said of lines that found no room.
    pub fn lost(lines: u64, at_unix_ns: u64) -> Self {
        Self {
            at_unix_ns,
            level: log::Level::Warn,
            part: "export".to_owned(),
            words: format!("{lines} lines of the log found no room; they stand on stderr alone"),
        }
    }
}

/// The lines that wait; its clones are the same.
#[derive(Clone, Debug, Default)]
pub struct OwnLog(Arc<Mutex<Waiting>>);

#[derive(Debug, Default)]
struct Waiting {
    lines: VecDeque<Said>,
    lost: u64,
}

impl OwnLog {
    /// Whether what is logged with this target may be sent. What those say that
    /// deliver is not, nor what libraries say: a line about a delivery that
    /// fails would make the next one, for ever.
    pub fn takes(target: &str) -> bool {
        let is_in = |module: &&str| {
            let rest = target.strip_prefix(module);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        };
        OURS.iter().any(is_in) && !DELIVERY.iter().any(is_in)
    }

    /// Keeps a line; past the bound it is counted.
    pub fn say(&self, said: Said) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.len() < LINES {
            waiting.lines.push_back(said);
        } else {
            waiting.lost += 1;
        }
    }

    /// The lines that wait, and how many found no room since this was last
    /// asked.
    pub fn take(&self) -> (Vec<Said>, u64) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lost = std::mem::take(&mut waiting.lost);
        (waiting.lines.drain(..).collect(), lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_delivery_says_of_itself_is_not_delivered() {
        for (target, taken) in [
            ("procmon", true),
            ("procmon::collector::ends", true),
            ("procmon::export::mqtt", true),
            ("procmon_ebpf", true),
            ("procmon::export::otlp", false),
            ("procmon::export::otlp::queue::sender", false),
            ("procmon::telemetry::exporter", false),
            ("procmonitor", false),
            ("h2::codec", false),
            ("hyper_util::client", false),
        ] {
            assert_eq!(OwnLog::takes(target), taken, "{target}");
        }
    }

    #[test]
    fn lines_that_find_no_room_are_counted_and_room_comes_back() {
        let own = OwnLog::default();
        for line in 0..LINES + 3 {
            own.say(Said {
                at_unix_ns: line as u64,
                level: log::Level::Info,
                part: "collector".to_owned(),
                words: line.to_string(),
            });
        }
        let (lines, lost) = own.take();
        assert_eq!((lines.len(), lost), (LINES, 3));
        assert_eq!(
            lines.last().map(|said| said.at_unix_ns),
            Some(LINES as u64 - 1)
        );
        assert_eq!(own.take(), (vec![], 0));
    }
}
