//! Random histories of processes: what is sent adds up to the whole.

use procmon_common::{Counter, Operation};
use proptest::prelude::*;

use super::*;
use crate::metrics::Instrument::{Counter as Sum, UpDownCounter};

/// What happens between two frames.
#[derive(Clone, Debug)]
enum Event {
    Birth {
        chosen: bool,
        executable: u8,
    },
    /// One appears that is older than the frame before.
    Appears,
    /// One that no frame sees.
    Brief {
        executable: u8,
        work: Work,
    },
    Works {
        who: usize,
        work: Work,
    },
    Exec {
        who: usize,
        executable: u8,
    },
    Ends {
        who: usize,
        work: Work,
    },
    /// It has no thread left, and its exit record is not there yet.
    Vanishes {
        who: usize,
    },
    /// One that is gone comes back.
    Returns,
    /// One that is gone ends after all.
    EndsLate {
        work: Work,
    },
}

#[derive(Clone, Copy, Debug)]
struct Work {
    cpu: u64,
    rss: u64,
    opens: u64,
    failed: u64,
}

fn work() -> impl Strategy<Value = Work> {
    (0..1_000u64, 0..1_000u64, 0..5u64, 0..3u64).prop_map(|(cpu, rss, opens, failed)| Work {
        cpu,
        rss,
        opens,
        failed,
    })
}

fn event() -> impl Strategy<Value = Event> {
    let who = 0..32usize;
    prop_oneof![
        4 => (prop::bool::weighted(0.1), 0..4u8)
            .prop_map(|(chosen, executable)| Event::Birth { chosen, executable }),
        1 => Just(Event::Appears),
        1 => (0..6u8, work()).prop_map(|(executable, work)| Event::Brief { executable, work }),
        8 => (who.clone(), work()).prop_map(|(who, work)| Event::Works { who, work }),
        1 => (who.clone(), 0..4u8).prop_map(|(who, executable)| Event::Exec { who, executable }),
        2 => (who.clone(), work()).prop_map(|(who, work)| Event::Ends { who, work }),
        2 => who.prop_map(|who| Event::Vanishes { who }),
        1 => Just(Event::Returns),
        1 => work().prop_map(|work| Event::EndsLate { work }),
    ]
}

fn settings() -> impl Strategy<Value = Settings> {
    let group_by = prop_oneof![
        2 => Just(None),
        1 => Just(Some(GroupBy::Executable)),
        1 => Just(Some(GroupBy::Tree)),
    ];
    let max_series = prop_oneof![Just(None), (LEAST_SERIES..300).prop_map(Some)];
    let by = proptest::sample::subsequence(Key::ALL.to_vec(), 1..=Key::ALL.len());
    (0..4usize, by.prop_shuffle(), 0..8u64, group_by, max_series)
        .prop_map(|(top, by, sticky, group_by, max_series)| Settings {
            top,
            by,
            sticky,
            group_by,
            max_series,
        })
        .prop_filter("nothing is folded", |settings| !settings.sends_all())
}

/// The processes there are.
struct World {
    live: Vec<ProcessSample>,
    gone: Vec<ProcessSample>,
    ended: Vec<ProcessSample>,
    second: u64,
    next_pid: u32,
    births: u64,
}

impl World {
    /// Pids come again, as soon as nobody has them.
    fn birth(&mut self, born: u64, executable: u8) -> ProcessSample {
        loop {
            self.next_pid = 2 + (self.next_pid + 1) % 20;
            let pid = self.next_pid;
            if self
                .live
                .iter()
                .chain(&self.gone)
                .all(|one| one.id.pid != pid)
            {
                let mut sample = process(pid, born);
                // No two of the same pid start in the same tick of the clock.
                self.births += 1;
                sample.id.start_ticks += 1 + self.births % 99;
                let metadata = Arc::make_mut(&mut sample.metadata);
                metadata.executable = format!("program-{executable}");
                metadata.parent_pid = Some(u32::from(executable) + 2);
                sample.probes = Some(fixture::probes(&[]));
                do_work(
                    &mut sample,
                    Work {
                        cpu: 0,
                        rss: 1,
                        opens: 1,
                        failed: 0,
                    },
                );
                return sample;
            }
        }
    }

    fn happens(&mut self, event: &Event) {
        let count = self.live.len();
        let (born, long_ago) = (self.second - 1, 3);
        match *event {
            Event::Birth { chosen, executable } if count < 15 => {
                let mut sample = self.birth(born, executable);
                sample.chosen = chosen;
                self.live.push(sample);
            }
            Event::Appears if count < 15 => {
                let sample = self.birth(long_ago, 0);
                self.live.push(sample);
            }
            Event::Brief { executable, work } => {
                let mut sample = self.birth(born, executable);
                do_work(&mut sample, work);
                self.end(sample);
            }
            Event::Works { who, work } if count > 0 => do_work(&mut self.live[who % count], work),
            Event::Exec { who, executable } if count > 0 => {
                let sample = &mut self.live[who % count];
                Arc::make_mut(&mut sample.metadata).executable = format!("program-{executable}");
            }
            Event::Ends { who, work } if count > 0 => {
                let mut sample = self.live.swap_remove(who % count);
                do_work(&mut sample, work);
                self.end(sample);
            }
            Event::Vanishes { who } if count > 0 && self.gone.len() < 4 => {
                self.gone.push(self.live.swap_remove(who % count));
            }
            Event::Returns if count < 15 => self.live.extend(self.gone.pop()),
            Event::EndsLate { work } => {
                if let Some(mut sample) = self.gone.pop() {
                    do_work(&mut sample, work);
                    self.end(sample);
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, mut sample: ProcessSample) {
        sample.totals = sample.totals.of_the_ended();
        self.ended
            .push(fixture::ended(sample, self.second * SECOND, 0));
    }

    fn frame(&mut self) -> (Vec<ProcessSample>, Vec<ProcessSample>) {
        self.second += 1;
        self.live.sort_by_key(|sample| sample.id);
        (self.live.clone(), std::mem::take(&mut self.ended))
    }
}

fn do_work(sample: &mut ProcessSample, work: Work) {
    let totals = &mut sample.totals;
    let add = |value: &mut Option<u64>, n| *value = Some(value.unwrap_or(0) + n);
    add(&mut totals.on_cpu_ns, work.cpu);
    add(&mut totals.user_ns, work.cpu / 2);
    add(&mut totals.disk_read_bytes, work.cpu * 3);
    totals.rss = Some(work.rss);
    totals.threads = Some(1 + work.opens);
    totals.descriptors = Some(work.opens);
    let probes = sample.probes.as_mut().expect("it is counted");
    probes.counters[Counter::Open.index()] += work.opens;
    probes.counters[Counter::MappedBytes.index()] += work.rss;
    probes.counters[Counter::NetworkReceived.index()] += work.rss * 2;
    probes.counters[Counter::OpenFailed.index()] += work.failed;
    if work.failed > 1 {
        // One of the failures has no name.
        let failure = (Operation::Open, libc::ENOENT as u32);
        match probes.failures.first_mut() {
            Some((.., count)) => *count += work.failed - 1,
            None => probes
                .failures
                .push((failure.0, failure.1, work.failed - 1)),
        }
    }
}

/// What the collector knows and what is true, tick by tick.
#[derive(Default)]
struct Ledger {
    /// What was last seen of everybody.
    last: BTreeMap<ProcessId, Values>,
    own_before: Vec<ProcessId>,
    groups_before: BTreeMap<String, Values>,
    at_boot_ns: Option<u64>,
    first_boot_ns: Option<u64>,
}

impl Ledger {
    fn check(&mut self, view: &View, settings: &Settings) {
        let frame = &view.frame;
        let own: Vec<ProcessId> = view.own_series().map(|own| own.sample.id).collect();
        let with_groups = settings.group_by.is_some();
        self.check_levels(view, with_groups);

        let mut whole = Values::new();
        let mut shown = Values::new();
        let mut now = BTreeMap::new();
        let own_ended: Vec<ProcessId> = view.own_ended().map(|sample| sample.id).collect();
        let live = frame.processes.iter().map(|sample| (sample, false));
        let ended = frame.exited.iter().map(|sample| (sample, true));
        for (sample, has_ended) in live.chain(ended) {
            let id = sample.id;
            let values = values(sample, Sum);
            let mut increment = Values::new();
            let since = match has_ended {
                true => self.first_boot_ns,
                false => self.at_boot_ns,
            };
            let is_new = since.is_some_and(|at| id.start_ticks * 10_000_000 > at);
            let last = self.last.get(&id);
            if let Some(before) = last {
                add(&mut increment, &values, 1);
                add(&mut increment, before, -1);
            } else if is_new {
                add(&mut increment, &values, 1);
            }
            add(&mut whole, &increment, 1);
            let in_own = match has_ended {
                true => own_ended.contains(&id),
                false if last.is_some() => own.contains(&id) && self.own_before.contains(&id),
                false => own.contains(&id),
            };
            // What procmon.exited.* alone have.
            let brief = has_ended && last.is_none();
            if !with_groups && (in_own || brief) {
                add(&mut shown, &increment, 1);
            }
            if !has_ended {
                now.insert(id, values);
            }
        }
        let mut groups = BTreeMap::new();
        for group in &view.folding.groups {
            let values = values(&group.sum, Sum);
            let before = self.groups_before.get(&*group.name);
            for (series, value) in before.into_iter().flatten() {
                assert!(values[series] >= *value, "{series} of {} falls", group.name);
            }
            add(&mut shown, &values, 1);
            add(&mut shown, before.unwrap_or(&Values::new()), -1);
            groups.insert(group.name.to_string(), values);
        }
        assert_eq!(without_zeros(shown), without_zeros(whole));
        self.last.extend(now);
        self.own_before = own;
        self.groups_before = groups;
        self.at_boot_ns = Some(frame.at_boot_ns);
        self.first_boot_ns.get_or_insert(frame.at_boot_ns);
    }

    fn check_levels(&self, view: &View, with_groups: bool) {
        let mut whole = Values::new();
        for sample in &view.frame.processes {
            add(&mut whole, &values(sample, UpDownCounter), 1);
        }
        let mut shown = Values::new();
        for own in view.own_series().filter(|_| !with_groups) {
            add(&mut shown, &values(own.sample, UpDownCounter), 1);
        }
        for group in &view.folding.groups {
            add(&mut shown, &values(&group.sum, UpDownCounter), 1);
        }
        assert_eq!(without_zeros(shown), without_zeros(whole));
        let own = view.own_series().count() as u64;
        let members: u64 = view.folding.groups.iter().map(|group| group.members).sum();
        let in_groups = view.frame.processes.len() as u64;
        let in_groups = if with_groups {
            in_groups
        } else {
            in_groups - own
        };
        assert_eq!(members, in_groups);
    }
}

proptest! {
    #[test]
    fn what_is_sent_adds_up_to_the_whole_at_every_tick(
        settings in settings(),
        ticks in prop::collection::vec(prop::collection::vec(event(), 0..12), 1..20),
    ) {
        let mut shaped = Shaped::new(settings.clone());
        let mut world = World { live: vec![], gone: vec![], ended: vec![], second: 20, next_pid: 0, births: 0 };
        let mut ledger = Ledger::default();
        for events in &ticks {
            for event in events {
                world.happens(event);
            }
            let (live, ended) = world.frame();
            let count = live.len();
            let view = shaped.next(live, ended);
            ledger.check(&view, &settings);
            let own = own(&view).len();
            if settings.top > 0 {
                prop_assert!(own <= settings.top);
            }
            if settings.max_series.is_none() {
                let most = match (settings.top, settings.group_by) {
                    (0, None) => count,
                    (top, _) => top.min(count),
                };
                prop_assert_eq!(own, most);
            }
            if let Some(cap) = settings.max_series {
                let groups: u64 = view.folding.groups.iter().map(cap::of_group).sum();
                let own = view.own_series().map(|own| {
                    cap::of_process(own.sample, own.derived, view.frame.at_unix_ns)
                });
                let series = groups + own.sum::<u64>();
                prop_assert!(series <= cap || own_is_empty(&view), "{series} of {cap}");
            }
        }
    }
}

fn own_is_empty(view: &View) -> bool {
    view.own_series().next().is_none()
}
