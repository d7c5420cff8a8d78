//! Holds what arrived against JSON lines, which show every process.

use std::collections::BTreeMap;

use procmon::metrics::{Instrument, process::PROCESS};
use procmon_tests::jsonl::Object;

use crate::received::{Process, Received, Values, milliseconds, number};

/// The objects of one frame.
pub struct Tick {
    /// Its time.
    pub at_ms: u64,
    /// Processes that ended since the frame before.
    pub ended: Vec<Object>,
    /// Live ones.
    pub live: Vec<Object>,
}

impl Tick {
    /// Whether this process has ended since the frame before.
    pub fn has_ended(&self, one: &Process) -> bool {
        self.ended.iter().any(|object| process(object) == *one)
    }
}

/// Objects by frame: first those that have ended, then the live, which have its time.
pub fn ticks(objects: Vec<Object>) -> Vec<Tick> {
    let mut ticks: Vec<Tick> = Vec::new();
    let mut ended = Vec::new();
    for object in objects {
        if object.has_exited() {
            ended.push(object);
            continue;
        }
        let at_ms = at_ms(&object);
        match ticks.last_mut() {
            Some(tick) if tick.at_ms == at_ms => tick.live.push(object),
            _ => ticks.push(Tick {
                at_ms,
                ended: std::mem::take(&mut ended),
                live: vec![object],
            }),
        }
    }
    ticks
}

/// What has been compared so far.
pub struct Ledger {
    /// Everything is in groups, whoever has series of his own.
    groups: bool,
    births: Births,
    /// When the first frame was, and the one before.
    frames: Option<[u64; 2]>,
    /// The counters that were last seen of everybody.
    last: BTreeMap<Process, Values>,
    /// How much counters of groups have grown.
    pub grown: Values,
}

impl Ledger {
    /// Of a run without groups.
    pub fn of_processes(births: Births) -> Self {
        Self {
            groups: false,
            births,
            frames: None,
            last: BTreeMap::new(),
            grown: Values::new(),
        }
    }

    /// Of a run with groups.
    pub fn of_groups(births: Births) -> Self {
        Self {
            groups: true,
            ..Self::of_processes(births)
        }
    }

    /// What a process has done since it was last seen; a process that was never seen, since its
    /// birth, unless that was before this time.
    fn increment(&self, object: &Object, at_ms: u64) -> Values {
        let now = values(object, Instrument::Counter);
        let last = self.last.get(&process(object));
        match last {
            // Of one that the task iterator does not show procmon learns by its
            // first call: what it did before is nobody's increment.
            None if !self.births.is_after(object, at_ms) => Values::new(),
            last => minus(&now, last),
        }
    }

    /// Asserts that the next frame adds up.
    pub fn check(&mut self, tick: &Tick, received: &Received) {
        self.levels(tick, received);
        if let Some([first_ms, before_ms]) = self.frames {
            let mut whole = Values::new();
            let mut shown = Values::new();
            for object in &tick.live {
                let process = process(object);
                let now = values(object, Instrument::Counter);
                let earlier = self.last.get(&process);
                let increment = self.increment(object, before_ms);
                add(&mut whole, &increment);
                let Some(own) = received.process(tick.at_ms, &process) else {
                    continue;
                };
                agree(own, &now);
                let own_before = received.process(before_ms, &process);
                match (own_before, earlier) {
                    _ if self.groups => {}
                    (Some(_), Some(_)) => add(&mut shown, &minus(&only_counters(own), own_before)),
                    // Series that begin with the process, or with its being seen.
                    (None, None) => add(&mut shown, &increment),
                    _ => {}
                }
            }
            for object in &tick.ended {
                let process = process(object);
                let earlier = self.last.get(&process);
                let increment = self.increment(object, first_ms);
                add(&mut whole, &increment);
                let own = received.process(at_ms(object), &process);
                if let Some(own) = own.filter(|_| !self.groups) {
                    let own_before = received.process(before_ms, &process);
                    assert!(own_before.is_some(), "{process:?} ends as it began: folded");
                    add(&mut shown, &minus(&only_counters(own), own_before));
                } else if !self.groups && earlier.is_none() {
                    // procmon.exited.* alone have it.
                    add(&mut shown, &increment);
                }
            }
            for (_, name) in received.groups_at(tick.at_ms) {
                let now = only_counters(received.group(tick.at_ms, name));
                let groups = received.groups_at(before_ms);
                let was = groups.iter().any(|(_, before)| *before == name);
                let before = was.then(|| received.group(before_ms, name));
                let increment = minus(&now, before);
                assert!(
                    increment.values().all(|n| *n >= 0),
                    "{name} falls: {increment:?}"
                );
                add(&mut self.grown, &increment);
                add(&mut shown, &increment);
            }
            assert_eq!(
                without_zeros(shown),
                without_zeros(whole),
                "at {}",
                tick.at_ms
            );
        }
        let live = tick.live.iter();
        let live = live.map(|object| (process(object), values(object, Instrument::Counter)));
        self.last.extend(live);
        let first = self.frames.map_or(tick.at_ms, |[first, _]| first);
        self.frames = Some([first, tick.at_ms]);
    }

    fn levels(&self, tick: &Tick, received: &Received) {
        let mut whole = Values::new();
        let mut shown = Values::new();
        for object in &tick.live {
            let now = values(object, Instrument::UpDownCounter);
            add(&mut whole, &now);
            let own = received.process(tick.at_ms, &process(object));
            if let Some(own) = own.filter(|_| !self.groups) {
                agree(own, &now);
                add(&mut shown, &now);
            }
        }
        for (_, name) in received.groups_at(tick.at_ms) {
            let group = received.group(tick.at_ms, name);
            add(&mut shown, &only(group, Instrument::UpDownCounter));
        }
        assert_eq!(
            without_zeros(shown),
            without_zeros(whole),
            "at {}",
            tick.at_ms
        );
    }
}

/// Turns creation times, which are of a boot time in whole seconds, into times since boot.
pub struct Births {
    /// What creation times begin at, ms since 1970.
    zero_ms: u64,
    /// When the clock of boot time was 0, ms since 1970.
    boot_ms: u64,
}

impl Births {
    /// As a process shows it that is there now.
    pub fn of(pid: u32, objects: &[Object]) -> Self {
        let object = objects.iter().find(|object| object.pid == pid).unwrap();
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields = stat.rsplit(") ").next().unwrap();
        let start_ticks: u64 = fields.split(' ').nth(19).unwrap().parse().unwrap();
        Self {
            zero_ms: milliseconds(&object.creation_time) - start_ticks * 10,
            boot_ms: now_ms(libc::CLOCK_REALTIME) - now_ms(libc::CLOCK_BOOTTIME),
        }
    }

    /// Whether a process was born after this time.
    fn is_after(&self, object: &Object, at_ms: u64) -> bool {
        let born_ms = milliseconds(&object.creation_time) - self.zero_ms;
        born_ms + 10 > at_ms - self.boot_ms
    }
}

fn now_ms(clock: libc::clockid_t) -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: it writes to our timespec.
    assert_eq!(unsafe { libc::clock_gettime(clock, &mut time) }, 0);
    (time.tv_sec * 1_000 + time.tv_nsec / 1_000_000) as u64
}

fn process(object: &Object) -> Process {
    (object.pid, object.creation_time.clone())
}

fn at_ms(object: &Object) -> u64 {
    milliseconds(object.json["timestamp"].as_str().unwrap())
}

/// The unit of a key, if groups have sums of it and it is of this kind.
fn unit(key: &str, instrument: Instrument) -> Option<&'static str> {
    let name = key.split('{').next()?;
    let row = PROCESS.iter().find(|row| row.name == name)?;
    (row.is_of_groups() && row.instrument == instrument).then_some(row.unit)
}

fn values(object: &Object, instrument: Instrument) -> Values {
    let values = object.metrics.iter().filter_map(|(key, value)| {
        let unit = unit(key, instrument)?;
        Some((key.clone(), number(unit, *value)))
    });
    values.collect()
}

fn only(values: &Values, instrument: Instrument) -> Values {
    let mut values = values.clone();
    values.retain(|key, _| unit(key, instrument).is_some());
    values
}

fn only_counters(values: &Values) -> Values {
    only(values, Instrument::Counter)
}

/// What was sent of a process is what JSON lines say, but for zeros.
fn agree(sent: &Values, said: &Values) {
    for (key, value) in said {
        assert_eq!(sent.get(key).copied().unwrap_or(0), *value, "{key}");
    }
}

fn add(sum: &mut Values, more: &Values) {
    for (key, value) in more {
        *sum.entry(key.clone()).or_default() += value;
    }
}

fn minus(now: &Values, before: Option<&Values>) -> Values {
    let before = |key| before.and_then(|before| before.get(key)).copied();
    let values = now.iter();
    values
        .map(|(key, value)| (key.clone(), value - before(key).unwrap_or(0)))
        .collect()
}

fn without_zeros(mut values: Values) -> Values {
    values.retain(|_, value| *value != 0);
    values
}
