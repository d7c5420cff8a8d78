//! The text report: a block for each process, for people and for `grep`.

mod host;
mod process;

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::io::Write as _;

use self::host::HostBefore;
use self::process::Before;
use super::sink::{Sink, SinkError};
use crate::frame::{Frame, losses_in_words};
use crate::process::identity::rfc3339;
use crate::process::{ProcessId, ProcessSample};
use crate::shape::View;

/// How many processes the report of a whole host shows.
pub const LARGEST: usize = 20;
/// The column a number ends in, 1-based.
const NUMBER_END: usize = 29;
/// "MB" stands for these; so it did in the format's first life.
const MEGABYTE: f64 = 1_048_576.0;

/// Writes a block for each process and view: the chosen ones, or the host and
/// its largest processes.
pub struct Report {
    sink: Sink,
    all: bool,
    before: HashMap<ProcessId, Before>,
    host: Option<HostBefore>,
    /// (event, reason, count) as last told.
    lost: Vec<(&'static str, &'static str, u64)>,
}

impl Report {
    /// A report to `sink`; with `all` of the host and its [`LARGEST`] processes
    /// by resident set, else of the chosen processes.
    pub fn new(sink: Sink, all: bool) -> Self {
        Self {
            sink: sink.apart(),
            all,
            before: HashMap::new(),
            host: None,
            lost: Vec::new(),
        }
    }

    /// Writes the blocks of a view: first of those that have ended, then of
    /// the live.
    pub fn write(&mut self, view: &View) -> Result<(), SinkError> {
        let frame = &view.frame;
        for sample in &frame.exited {
            let before = self.before.remove(&sample.id);
            if before.is_some() || (sample.chosen && !self.all) {
                let before = before.as_ref();
                self.block(|out| process::exited(out, sample, before, frame));
            }
        }
        let mut shown: Vec<_> = if self.all {
            view.processes().collect()
        } else {
            view.processes().filter(|(s, _)| s.chosen).collect()
        };
        if self.all {
            shown.sort_by_key(|(s, _)| (std::cmp::Reverse(s.totals.rss), s.id));
            shown.truncate(LARGEST);
            let before = self.host.replace(HostBefore::of(frame));
            let count = shown.len();
            self.block(|out| host::block(out, frame, before.as_ref(), count));
        }
        for (sample, derived) in shown {
            let now = Before::of(sample, frame.at_unix_ns, frame.at_boot_ns);
            let before = self.before.insert(sample.id, now);
            let before = before.as_ref();
            self.block(|out| process::live(out, sample, derived, before, frame));
        }
        self.changes(frame);
        self.losses(frame);
        let live: HashSet<_> = frame.processes.iter().map(|s| s.id).collect();
        self.before.retain(|id, _| live.contains(id));
        self.sink.flush()
    }

    /// Probes whose state has changed.
    fn changes(&mut self, frame: &Frame) {
        for change in &frame.agent.changes {
            let why = change.reason.as_ref().map(|reason| format!(": {reason}"));
            self.block(|out| {
                out.line(format_args!(
                    "# {} probe {} {}{}",
                    rfc3339(frame.at_unix_ns),
                    change.probe,
                    change.state,
                    why.unwrap_or_default()
                ));
            });
        }
    }

    /// What was lost, when there is more of it than at the last block: what the
    /// kernel half could not keep, late ticks, and frames.
    fn losses(&mut self, frame: &Frame) {
        let lost = frame.agent.lost();
        if lost == self.lost {
            return;
        }
        let words = losses_in_words(&lost);
        self.lost = lost;
        self.block(|out| {
            out.line(format_args!(
                "# {} lost so far: {}",
                rfc3339(frame.at_unix_ns),
                words
            ));
        });
    }

    fn block(&mut self, write: impl FnOnce(&mut Block<'_>)) {
        write(&mut Block(self.sink.begin_record()));
        self.sink.end_record();
    }
}

/// The text of a block, line by line.
struct Block<'a>(&'a mut Vec<u8>);

impl Block<'_> {
    fn line(&mut self, text: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{text}").expect("a vector takes all");
    }

    /// `# <time> pid=1234 executable=postgres`
    fn process_head(&mut self, unix_ns: u64, sample: &ProcessSample, rest: &str) {
        self.line(format_args!(
            "# {} pid={} executable={}{rest}",
            rfc3339(unix_ns),
            sample.id.pid,
            word(&sample.metadata.executable),
        ));
    }

    /// An empty line and the title of a section.
    fn section(&mut self, title: &str) {
        self.line(format_args!("\n{title}:"));
    }

    /// A labelled number that ends in its column, then its unit.
    fn number(&mut self, label: &str, number: std::fmt::Arguments<'_>, unit: &str) {
        let number = number.to_string();
        let width = NUMBER_END.saturating_sub(label.chars().count() + 3);
        self.line(format_args!("  {label}:{number:>width$}{unit}"));
    }

    /// A labelled value, or `n/a` where its number would end.
    fn value(&mut self, label: &str, value: Option<Quantity>) {
        match value {
            None => self.number(label, format_args!(" n/a"), ""),
            Some(Quantity::Count(count)) => self.number(label, format_args!(" {count}"), ""),
            Some(Quantity::Bytes(bytes)) => {
                let megabytes = bytes as f64 / MEGABYTE;
                self.number(label, format_args!(" {megabytes:.2}"), " MB");
            }
            Some(Quantity::Change(bytes)) => {
                let megabytes = bytes as f64 / MEGABYTE;
                self.number(label, format_args!(" {megabytes:+.2}"), " MB");
            }
            Some(Quantity::Share(share)) => {
                self.number(label, format_args!(" {:.1}", share * 100.0), "%");
            }
            Some(Quantity::Nanoseconds(ns)) => {
                self.number(label, format_args!(" {:.2}", ns as f64 / 1e6), " ms");
            }
        }
    }
}

/// A number with the way it is written.
#[derive(Clone, Copy)]
enum Quantity {
    Count(u64),
    Bytes(u64),
    Change(i64),
    Share(f64),
    Nanoseconds(u64),
}

/// A name as the value of `key=value`: in quotes where it would not be seen to
/// end, or where it could be taken for more than a name.
fn word(name: &str) -> Cow<'_, str> {
    let odd = |c: char| c.is_whitespace() || is_hidden(c) || matches!(c, '"' | '\\' | '=');
    if !name.is_empty() && !name.contains(odd) {
        return Cow::Borrowed(name);
    }
    let escaped = name.replace('\\', "\\\\").replace('"', "\\\"");
    Cow::Owned(format!("\"{}\"", printable(&escaped)))
}

/// Characters that a terminal does not show as they are: controls, separators
/// of lines, and those that turn the direction of writing.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text of a process, fit for a terminal and a line: control characters are
/// written `\n` and `\x1b`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_hidden) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("\\n"),
            c if is_hidden(c) => {
                write!(escaped, "\\x{:02x}", u32::from(c)).expect("a string takes all");
            }
            c => escaped.push(c),
        }
    }
    Cow::Owned(escaped)
}

#[cfg(test)]
mod tests;
