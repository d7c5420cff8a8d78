//! What a traced command took, in all: the end of `procmon exec`.

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::time::Duration;

use procmon_common::{Counter, Operation};

use super::report::printable;
use crate::process::{ProcessId, ProcessSample, Seen, errno};

/// A sum over processes, and how many of them had a value.
#[derive(Clone, Copy, Debug, Default)]
struct Sum {
    value: u64,
    processes: u64,
}

impl Sum {
    fn add(&mut self, value: Option<u64>) {
        if let Some(value) = value {
            self.value += value;
            self.processes += 1;
        }
    }

    /// The sum, if any process had a value.
    fn get(self) -> Option<u64> {
        (self.processes > 0).then_some(self.value)
    }
}

/// The sums over all processes of a command.
#[derive(Debug)]
pub struct Summary {
    command: String,
    seen: HashSet<ProcessId>,
    user: Sum,
    system: Sum,
    on_cpu: Sum,
    run_queue: Sum,
    voluntary: Sum,
    involuntary: Sum,
    minor: Sum,
    major: Sum,
    disk_read: Sum,
    disk_written: Sum,
    /// Processes that the probes counted.
    probes: Sum,
    /// What was counted of some of them.
    counted: Seen,
    counters: [u64; Counter::COUNT],
    failures: BTreeMap<(Operation, &'static str), u64>,
    /// The largest resident set of one process, and the process's executable.
    peak: Option<(u64, String)>,
    notes: Vec<String>,
}

impl Summary {
    /// The summary of `command`, of which nothing has been seen yet.
    pub fn new<S: AsRef<str>>(command: impl IntoIterator<Item = S>) -> Self {
        let words: Vec<_> = command
            .into_iter()
            .map(|word| printable(word.as_ref()).into_owned())
            .collect();
        Self {
            command: words.join(" "),
            seen: HashSet::new(),
            user: Sum::default(),
            system: Sum::default(),
            on_cpu: Sum::default(),
            run_queue: Sum::default(),
            voluntary: Sum::default(),
            involuntary: Sum::default(),
            minor: Sum::default(),
            major: Sum::default(),
            disk_read: Sum::default(),
            disk_written: Sum::default(),
            probes: Sum::default(),
            counted: Seen::default(),
            counters: [0; Counter::COUNT],
            failures: BTreeMap::new(),
            peak: None,
            notes: Vec::new(),
        }
    }

    /// Adds a process: its final sample, or at the end that of one that still
    /// lives. A process that was added before is not added again.
    pub fn add(&mut self, sample: &ProcessSample) {
        if !self.seen.insert(sample.id) {
            return;
        }
        let totals = &sample.totals;
        self.user.add(totals.user_ns);
        self.system.add(totals.system_ns);
        self.on_cpu.add(totals.on_cpu_ns);
        self.run_queue.add(totals.run_queue_ns);
        self.voluntary.add(totals.voluntary_switches);
        self.involuntary.add(totals.involuntary_switches);
        self.minor.add(totals.minor_faults);
        self.major.add(totals.major_faults);
        self.disk_read.add(totals.disk_read_bytes);
        self.disk_written.add(totals.disk_write_bytes);
        if let Some(peak) = totals.peak_rss.max(totals.rss)
            && self.peak.as_ref().is_none_or(|(most, _)| peak > *most)
        {
            self.peak = Some((peak, sample.metadata.executable.clone()));
        }
        let Some(probes) = &sample.probes else {
            return;
        };
        self.probes.add(Some(1));
        self.counted = self.counted.or(probes.seen);
        for (sum, value) in self.counters.iter_mut().zip(probes.counters) {
            *sum += value;
        }
        for (operation, number, count) in &probes.failures {
            let key = (*operation, errno::name(*number));
            *self.failures.entry(key).or_default() += count;
        }
    }

    /// Adds a line to what was not seen.
    pub fn note(&mut self, note: impl Into<String>) {
        self.notes.push(note.into());
    }

    /// Writes the summary of a command that took `elapsed`.
    pub fn write(&self, out: &mut dyn Write, elapsed: Duration) -> io::Result<()> {
        writeln!(out, "\n procmon exec: {}\n", self.command)?;
        let seconds = |ns: u64| (format!("{:.3}", ns as f64 / 1e9), "s");
        let count = |count: u64| (grouped(count), "");
        let bytes = |bytes: u64| (format!("{:.2}", bytes as f64 / 1_048_576.0), "MB");

        row(out, seconds(elapsed.as_nanos() as u64), "elapsed", "")?;
        if let (Some(user), Some(system)) = (self.user.get(), self.system.get()) {
            row(out, seconds(user), "user", "")?;
            row(out, seconds(system), "system", "")?;
        }
        if let Some(on_cpu) = self.on_cpu.get() {
            let used = on_cpu as f64 / 1e9 / elapsed.as_secs_f64();
            let used = if used.is_finite() {
                format!("{used:.3} CPUs utilized")
            } else {
                String::new()
            };
            row(out, seconds(on_cpu), "on a CPU", &used)?;
        }
        if let Some(wait) = self.run_queue.get() {
            row(out, seconds(wait), "waiting for a CPU", "")?;
        }
        for (kinds, sums, names) in [
            (
                "context switches",
                [self.voluntary, self.involuntary],
                ["voluntary", "involuntary"],
            ),
            ("page faults", [self.minor, self.major], ["minor", "major"]),
        ] {
            if let [Some(first), Some(second)] = sums.map(Sum::get) {
                let parts = format!(
                    "{} {}, {} {}",
                    grouped(first),
                    names[0],
                    grouped(second),
                    names[1]
                );
                row(out, count(first + second), kinds, &parts)?;
            }
        }
        if let Some((peak, executable)) = &self.peak {
            let whose = printable(executable);
            row(out, bytes(*peak), "largest resident set", &whose)?;
        }
        if let Some(read) = self.disk_read.get() {
            row(out, bytes(read), "read from disk", "")?;
        }
        if let Some(written) = self.disk_written.get() {
            row(out, bytes(written), "written to disk", "")?;
        }
        if self.counted.network {
            let get = |counter: Counter| self.counters[counter.index()];
            let (received, sent) = (
                get(Counter::NetworkReceived),
                get(Counter::NetworkTransmitted),
            );
            row(out, bytes(received), "received over the network", "")?;
            row(out, bytes(sent), "sent over the network", "")?;
        }
        row(out, count(self.seen.len() as u64), "processes", "")?;
        if self.probes.processes > 0 {
            self.write_operations(out)?;
        }
        self.write_unseen(out)?;
        writeln!(out)
    }

    fn write_operations(&self, out: &mut dyn Write) -> io::Result<()> {
        let get = |counter: Counter| self.counters[counter.index()];
        row(out, (grouped(get(Counter::Forks)), ""), "forks", "")?;
        row(out, (grouped(get(Counter::Execs)), ""), "execs", "")?;
        for (counted, operations) in [
            (self.counted.memory, Operation::MEMORY),
            (self.counted.files, Operation::FILES),
        ] {
            if !counted {
                continue;
            }
            writeln!(out)?;
            for operation in operations {
                // All calls, as strace has them; the remark says how many failed.
                let calls = get(operation.succeeded()) + get(operation.failed());
                let failed = self.failed(*operation);
                row(out, (grouped(calls), ""), operation.name(), &failed)?;
            }
        }
        Ok(())
    }

    /// "3 failed: ENOENT 2, EACCES 1", the most frequent first.
    fn failed(&self, operation: Operation) -> String {
        let total = self.counters[operation.failed().index()];
        let mut by_name: Vec<_> = self
            .failures
            .iter()
            .filter(|((of, name), _)| *of == operation && *name != errno::OTHER)
            .map(|((_, name), count)| (*name, *count))
            .collect();
        let known: u64 = by_name.iter().map(|(_, count)| count).sum();
        if total > known {
            by_name.push(("other", total - known));
        }
        if by_name.is_empty() {
            return String::new();
        }
        by_name.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let parts: Vec<_> = by_name
            .iter()
            .map(|(name, count)| format!("{name} {}", grouped(*count)))
            .collect();
        format!("{} failed: {}", grouped(total.max(known)), parts.join(", "))
    }

    /// What no process, or not every process, had a value of.
    fn write_unseen(&self, out: &mut dyn Write) -> io::Result<()> {
        let all = self.seen.len() as u64;
        let lines = [
            (
                self.user.processes.min(self.system.processes),
                "user and system time",
            ),
            (self.on_cpu.processes, "time on a CPU"),
            (self.run_queue.processes, "wait for a CPU"),
            (
                self.voluntary.processes.min(self.involuntary.processes),
                "context switches",
            ),
            (
                self.minor.processes.min(self.major.processes),
                "page faults",
            ),
            (
                self.disk_read.processes.min(self.disk_written.processes),
                "disk reads and writes",
            ),
            (
                self.probes.processes,
                "forks, execs, mapping and descriptor operations",
            ),
        ];
        let unseen = lines.iter().filter(|(seen, _)| *seen < all);
        let unseen = unseen.map(|(seen, what)| match seen {
            0 => (*what).to_owned(),
            seen => format!("{what} of {} of {all} processes", all - seen),
        });
        let mut first = true;
        for line in unseen.chain(self.notes.iter().cloned()) {
            if std::mem::take(&mut first) {
                writeln!(out)?;
            }
            writeln!(out, " not seen: {line}")?;
        }
        Ok(())
    }
}

/// One row: the number, its unit, what it is, and a remark.
fn row(
    out: &mut dyn Write,
    (number, unit): (String, &str),
    what: &str,
    remark: &str,
) -> io::Result<()> {
    if remark.is_empty() {
        writeln!(out, "{number:>16} {unit:<2}  {what}")
    } else {
        writeln!(out, "{number:>16} {unit:<2}  {what:<24} # {remark}")
    }
}

/// An integer with a comma between thousands.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests;
