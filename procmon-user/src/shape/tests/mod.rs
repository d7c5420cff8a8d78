mod cost;
mod histories;
mod places;

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::analysis::Rates;
use crate::metrics::process::PROCESS;
use crate::metrics::{Instrument, ProcessReading, Value};
use crate::process::ProcessId;
use crate::process::fixture::{self, SECOND};

/// Additive values by series; times in ns.
type Values = BTreeMap<String, i128>;

/// What is summed up of a sample, by instrument.
fn values(sample: &ProcessSample, instrument: Instrument) -> Values {
    let mut values = Values::new();
    let reading = ProcessReading {
        sample,
        derived: None,
        at_unix_ns: 0,
    };
    let rows = PROCESS.iter().filter(|row| row.is_of_groups());
    for row in rows.filter(|row| row.instrument == instrument) {
        let mut take = |attributes: &[(&'static str, &str)], value: Value<'_>| {
            let value = match value {
                Value::Int(value) => value.into(),
                Value::Float(value) => (value * 1e9).round() as i128,
                Value::Histogram(_) => panic!("histograms are not additive"),
            };
            values.insert(format!("{} {attributes:?}", row.name), value);
        };
        (row.read)(&reading, &mut take);
    }
    values
}

/// Adds values, this many times each.
fn add(sum: &mut Values, values: &Values, times: i128) {
    for (series, value) in values {
        *sum.entry(series.clone()).or_default() += times * value;
    }
}

/// Takes out what is 0: it is the same as absent.
fn without_zeros(mut values: Values) -> Values {
    values.retain(|_, value| *value != 0);
    values
}

/// A process nobody chose that started at this second after boot.
fn process(pid: u32, born: u64) -> ProcessSample {
    ProcessSample {
        id: ProcessId {
            pid,
            start_ticks: born * 100,
        },
        chosen: false,
        ..fixture::sample(pid, "program")
    }
}

/// Shapes frames that are a second apart.
struct Shaped {
    shaper: Shaper,
    rates: Rates,
    second: u64,
}

impl Shaped {
    fn new(settings: Settings) -> Self {
        Self {
            shaper: Shaper::new(settings),
            rates: Rates::default(),
            second: 20,
        }
    }

    fn next(&mut self, live: Vec<ProcessSample>, ended: Vec<ProcessSample>) -> View {
        let frame = Arc::new(fixture::frame(self.second * SECOND, live, ended));
        self.second += 1;
        let derived = self.rates.derive(&frame);
        self.shaper.shape(frame, derived)
    }
}

/// The pids of those that have series of their own.
fn own(view: &View) -> Vec<u32> {
    view.own_series().map(|own| own.sample.id.pid).collect()
}

fn top(top: usize) -> Settings {
    Settings {
        top,
        ..Settings::default()
    }
}

#[test]
fn every_additive_metric_of_a_sum_is_the_sum_of_the_processes() {
    use crate::export::otlp::testing::sample;
    let (a, b) = (sample(7), sample(8));
    let mut sum = fold::Sum::default();
    sum.begin();
    for sample in [&a, &b] {
        sum.add_levels(sample);
        sum.add_increments(sample, fold::Before::Birth, 0);
    }
    sum.end(0);
    let whole = ProcessSample {
        totals: sum.totals(),
        probes: sum.probes(0),
        ..sample(9)
    };
    for row in PROCESS.iter().filter(|row| row.is_of_groups()) {
        let read = |sample: &ProcessSample| {
            let mut values = Values::new();
            let reading = ProcessReading {
                sample,
                derived: None,
                at_unix_ns: 0,
            };
            let mut take = |attributes: &[(&'static str, &str)], value: Value<'_>| {
                let value = match value {
                    Value::Int(value) => value.into(),
                    Value::Float(value) => (value * 1e9).round() as i128,
                    Value::Histogram(_) => panic!("{} is a histogram", row.name),
                };
                values.insert(format!("{attributes:?}"), value);
            };
            (row.read)(&reading, &mut take);
            values
        };
        let mut expected = read(&a);
        add(&mut expected, &read(&b), 1);
        assert!(!expected.is_empty(), "{} is tested", row.name);
        assert_eq!(read(&whole), expected, "{}", row.name);
    }
}

#[test]
fn without_settings_everything_is_sent_and_nothing_remembered() {
    let mut shaped = Shaped::new(Settings::default());
    let ended = fixture::ended(process(9, 1), 20 * SECOND, 0);
    let view = shaped.next(vec![process(7, 1), process(8, 1)], vec![ended]);
    assert_eq!(own(&view), [7, 8]);
    assert_eq!(view.own_ended().count(), 1);
    assert_eq!((view.folding.groups.len(), view.series_folded()), (0, 0));
}

#[test]
fn a_part_of_the_probes_that_comes_back_begins_a_new_sum() {
    use procmon_common::{Counter, Feature};
    let mapped = |bytes, since: Option<u64>| {
        let mut sample = process(7, 1);
        let mut probes = fixture::probes(&[(Counter::MappedBytes, bytes), (Counter::Mmap, bytes)]);
        probes.features[Feature::MappingBytes.index()] =
            since.map(|s| (fixture::BOOT + s) * SECOND);
        sample.probes = Some(probes);
        vec![sample]
    };
    let mut shaped = Shaped::new(Settings {
        group_by: Some(GroupBy::Executable),
        ..Settings::default()
    });
    let mut sum = |bytes, since| {
        let view = shaped.next(mapped(bytes, since), vec![]);
        let probes = view.folding.groups[0].sum.probes.clone().unwrap();
        let since = probes.features[Feature::MappingBytes.index()];
        let since = since.map(|ns| ns / SECOND - fixture::BOOT);
        let bytes = probes.get(Counter::MappedBytes);
        (since, bytes, probes.get(Counter::Mmap))
    };
    assert_eq!(sum(100, Some(10)), (Some(20), 0, 0));
    assert_eq!(sum(130, Some(10)), (Some(20), 30, 30));
    assert_eq!(sum(140, None), (None, 0, 40));
    assert_eq!(sum(150, None), (None, 0, 50));
    // Back since second 23.5: what it shows was all counted since then.
    assert_eq!(sum(8, Some(24)), (Some(23), 8, 50));
    assert_eq!(sum(9, Some(24)), (Some(23), 9, 51));
}
