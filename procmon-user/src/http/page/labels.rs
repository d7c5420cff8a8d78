//! The labels of processes, written once a view: all their series have the same.

use crate::metrics::prometheus;
use crate::process::ProcessSample;
use serde_json::json;

use crate::process::describe::{Word, describe};
use crate::shape::{Group, View};

use super::text;

/// What stands on each series of a process; the rest is in `process_info`.
const ON_EACH_SERIES: [&str; 4] = [
    "process.pid",
    "process.creation.time",
    "process.executable.name",
    "container.id",
];

/// The labels of everyone who has series of their own.
#[derive(Debug)]
pub struct Labels {
    /// The places of processes in the frame, and where their labels end.
    processes: Vec<(u32, u32)>,
    text: String,
    groups: Vec<String>,
}

impl Labels {
    /// Those of a view.
    pub fn of(view: &View) -> Self {
        let keys = ON_EACH_SERIES.map(|key| (key, prometheus::label(key)));
        let mut out = Vec::new();
        let mut processes = Vec::new();
        for place in view.own_places() {
            series_labels(&mut out, &keys, &view.frame.processes[place]);
            // A frame has fewer processes than 2^32, and less text.
            processes.push((place as u32, out.len() as u32));
        }
        processes.shrink_to_fit();
        out.shrink_to_fit();
        Self {
            processes,
            text: String::from_utf8(out).expect("labels are made of text"),
            groups: view.folding.groups.iter().map(of_group).collect(),
        }
    }

    /// How many processes there are.
    pub fn count(&self) -> usize {
        self.processes.len()
    }

    /// The place of a process in the frame, and its labels.
    pub fn get(&self, index: usize) -> (usize, &str) {
        let (place, end) = self.processes[index];
        let begin = index
            .checked_sub(1)
            .map_or(0, |last| self.processes[last].1);
        (place as usize, &self.text[begin as usize..end as usize])
    }

    /// Those of a group.
    pub fn of_group(&self, index: usize) -> &str {
        &self.groups[index]
    }
}

fn series_labels(out: &mut Vec<u8>, keys: &[(&str, String)], sample: &ProcessSample) {
    let mut first = true;
    describe(sample, |key, word| {
        if let Some((_, label)) = keys.iter().find(|(of, _)| *of == key) {
            put(out, first, label, word);
            first = false;
        }
    });
}

fn of_group(group: &Group) -> String {
    let mut out = Vec::new();
    text::label(&mut out, true, "procmon_group_by", group.by);
    text::label(&mut out, false, "procmon_group_name", &group.name);
    String::from_utf8(out).expect("labels are made of text")
}

/// Puts an attribute as a label.
pub fn put(out: &mut Vec<u8>, first: bool, label: &str, word: Word<'_>) {
    match word {
        Word::Text(value) => text::label(out, first, label, value),
        Word::Number(number) => text::label(out, first, label, &number.to_string()),
        // As OpenTelemetry writes arrays where there are none.
        Word::Texts(texts) => text::label(out, first, label, &json!(texts).to_string()),
    }
}
