//! Groups, and processes that are folded.

use super::*;
use crate::metrics::group::GROUP;
use crate::shape::{self, GroupBy, Shaper};

/// Shapes and encodes frame after frame.
struct Road {
    shaper: Shaper,
    encoder: Encoder,
    tick: u64,
}

impl Road {
    fn new(settings: shape::Settings, encoder: Encoder) -> Self {
        Self {
            shaper: Shaper::new(settings),
            encoder,
            tick: 10,
        }
    }

    fn next(&mut self, processes: Vec<ProcessSample>) -> Vec<ResourceMetrics> {
        let view = view(self.tick, processes, vec![]);
        self.tick += 1;
        let view = self.shaper.shape(view.frame, view.derived);
        decode(&self.encoder.encode(&view))
    }
}

/// One process has series of its own.
fn top_1() -> shape::Settings {
    shape::Settings {
        top: 1,
        ..shape::Settings::default()
    }
}

const OPENED: &str =
    "procmon.file_descriptor.operations{procmon.file_descriptor.operation=\"open\"}";

/// A process that has opened this much more, and that holds this much memory.
fn working(pid: u32, opened: u64, rss: u64) -> ProcessSample {
    let mut sample = sample(pid);
    sample.totals.rss = Some(rss);
    let probes = sample.probes.as_mut().expect("it is counted");
    probes.counters[Counter::Open.index()] += opened;
    sample
}

fn is_group(resource: &&ResourceMetrics) -> bool {
    attributes(resource)
        .iter()
        .any(|(key, _)| key == "procmon.group.by")
}

fn group(resources: &[ResourceMetrics]) -> Vec<(String, Point)> {
    points(resources.iter().find(is_group).expect("a group"))
}

#[test]
fn a_group_sends_every_additive_recommended_metric_under_its_own_resource() {
    let mut road = Road::new(top_1(), encoder());
    let sent = road.next(vec![sample(7), sample(8), sample(9)]);
    let [own, other] = &sent[..] else {
        panic!("one process and one group")
    };
    assert_eq!(pid(own), 9);
    let text = |text: &str| Any::StringValue(text.to_owned());
    let expected = [
        ("procmon.group.by", text("top")),
        ("procmon.group.name", text("other")),
        ("service.name", text("other")),
        ("host.name", text("db1")),
        ("host.id", text("0123456789abcdef0123456789abcdef")),
        ("host.arch", text("amd64")),
        ("os.type", text("linux")),
    ]
    .map(|(key, value)| (key.to_owned(), value));
    // Another for each group: resource::tests.
    let mut attributes = attributes(other);
    assert_eq!(attributes.remove(3).0, "service.instance.id");
    assert_eq!(attributes, expected);
    assert_eq!(other.schema_url, SCHEMA_URL);

    let metrics = &other.scope_metrics[0].metrics;
    let names: Vec<_> = metrics.iter().map(|metric| metric.name.as_str()).collect();
    let summed = PROCESS.iter().filter(|row| row.is_of_groups());
    let expected: Vec<_> = summed
        .map(|row| row.name)
        .chain(GROUP.iter().map(|row| row.name))
        .collect();
    assert_eq!(names, expected);
    let points = points(other);
    assert_eq!(
        get(&points, "process.memory.usage").value,
        int(7_012 + 8_012)
    );
    let members = get(&points, "procmon.group.members");
    assert_eq!(members.value, int(2));
    // What they did before nobody knows.
    let opened = get(&points, OPENED);
    assert_eq!(opened.value, int(0));
    for point in [members, opened] {
        assert_eq!(
            (point.start, point.time),
            (BOOT + 10 * SECOND, BOOT + 10 * SECOND)
        );
    }
}

#[test]
fn who_is_folded_ends_its_series_and_goes_on_in_other() {
    let mut road = Road::new(top_1(), encoder());
    road.next(vec![working(7, 0, 1), working(8, 0, 2)]);
    let sent = road.next(vec![working(7, 3, 2), working(8, 4, 1)]);
    let of = |pid: i64| {
        let resources = sent.iter().filter(|resource| !is_group(resource));
        let mut resources = resources.filter(|resource| super::pid(resource) == pid);
        points(resources.next().expect("a process"))
    };
    let [began, ended] = [of(7), of(8)];
    assert!(ended.iter().all(|(_, point)| point.value == Shown::Ended));
    assert!(began.iter().all(|(_, point)| point.value != Shown::Ended));
    assert_eq!(get(&group(&sent), OPENED).value, int(7));
    let sent = road.next(vec![working(7, 5, 2), working(8, 6, 1)]);
    assert_eq!(get(&group(&sent), OPENED).value, int(9));
    assert_eq!(sent.len(), 2);
}

#[test]
fn deltas_tell_nothing_twice() {
    let delta = Encoder::new(&settings(&[ENDPOINT, (TEMPORALITY, "delta")]), host());
    let mut road = Road::new(top_1(), delta);
    let opened = |sent: &[ResourceMetrics]| {
        let of = |resource: &ResourceMetrics| {
            let points = points(resource);
            let found = points.iter().find(|(name, _)| name == OPENED);
            found.map(|(_, point)| (point.value.clone(), (point.start - BOOT) / SECOND))
        };
        sent.iter().map(of).collect::<Vec<_>>()
    };
    let since_attach = working(8, 0, 2).probes.expect("it is counted");
    let since_attach = since_attach.get(Counter::Open) as i64;
    // First the process, then `other`.
    let sent = road.next(vec![working(7, 0, 1), working(8, 0, 2)]);
    assert_eq!(
        opened(&sent),
        [Some((int(since_attach), 2)), Some((int(0), 10))]
    );
    // 7 gets series of its own: what it has done is told by `other`.
    let sent = road.next(vec![working(7, 3, 1)]);
    assert_eq!(opened(&sent)[0], None);
    assert_eq!(*opened(&sent).last().expect("other"), Some((int(3), 10)));
    let sent = road.next(vec![working(7, 5, 1)]);
    assert_eq!(opened(&sent), [Some((int(2), 11)), Some((int(0), 11))]);
}

#[test]
fn a_group_that_is_no_more_ends_its_series() {
    let by_executable = shape::Settings {
        group_by: Some(GroupBy::Executable),
        ..shape::Settings::default()
    };
    let mut road = Road::new(by_executable, encoder());
    let sent = road.next(vec![sample(7), sample(8)]);
    assert_eq!(sent.len(), 2);
    assert_eq!(
        road.encoder.live_series(),
        sent.iter().map(|r| points(r).len() as u64).sum::<u64>()
    );
    let all = points(&sent[0]).len();
    loop {
        let sent = road.next(vec![sample(8)]);
        let first = points(&sent[0]);
        let ended = first
            .iter()
            .filter(|(_, point)| point.value == Shown::Ended)
            .count();
        if get(&group(&sent), "procmon.group.members").value == int(1) && sent.len() == 2 {
            // That of 8 comes first now, then the end of that of 7.
            assert_eq!(ended, 0);
            let last = points(&sent[1]);
            assert_eq!(last.len(), all);
            assert!(last.iter().all(|(_, point)| point.value == Shown::Ended));
            break;
        }
        assert_eq!((sent.len(), ended), (2, 0));
    }
    assert_eq!(road.next(vec![sample(8)]).len(), 1);
}
