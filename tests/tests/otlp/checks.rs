//! What must hold of the points that arrived.

use procmon_tests::{Attribute, Kind, Point, point::Temporality, time};

/// Metrics that every process sends, with kind and unit.
const ALWAYS: &[(&str, Kind, &str)] = &[
    ("process.cpu.time", Kind::Counter, "s"),
    ("procmon.cpu.on_cpu.time", Kind::Counter, "s"),
    ("procmon.cpu.run_queue.time", Kind::Counter, "s"),
    (
        "process.context_switches",
        Kind::Counter,
        "{context_switch}",
    ),
    ("process.thread.count", Kind::UpDownCounter, "{thread}"),
    ("process.memory.usage", Kind::UpDownCounter, "By"),
    ("process.memory.virtual", Kind::UpDownCounter, "By"),
    ("procmon.memory.rss", Kind::UpDownCounter, "By"),
    ("procmon.memory.swap", Kind::UpDownCounter, "By"),
    (
        "procmon.memory.mapping.operations",
        Kind::Counter,
        "{operation}",
    ),
    ("procmon.memory.mapping.size", Kind::Counter, "By"),
    ("process.paging.faults", Kind::Counter, "{fault}"),
    (
        "process.unix.file_descriptor.count",
        Kind::UpDownCounter,
        "{file_descriptor}",
    ),
    (
        "procmon.file_descriptor.operations",
        Kind::Counter,
        "{operation}",
    ),
    ("process.disk.io", Kind::Counter, "By"),
    ("process.uptime", Kind::Gauge, "s"),
    ("procmon.process.forks", Kind::Counter, "{fork}"),
    ("procmon.process.execs", Kind::Counter, "{exec}"),
];

/// The values a series took, in order of time.
pub fn values(points: &[Point], pid: i64, metric: &str, attributes: &[(&str, &str)]) -> Vec<f64> {
    let mut found: Vec<&Point> = points
        .iter()
        .filter(|point| point.pid() == Some(pid) && point.is(metric, attributes))
        .collect();
    found.sort_by_key(|point| point.time);
    found.iter().filter_map(|point| point.value).collect()
}

/// How much a series has grown since its first point. A counter at 0 may be sent from its first
/// count on, and counts from attach on.
pub fn grown(points: &[Point], pid: i64, metric: &str, attributes: &[(&str, &str)]) -> f64 {
    let values = values(points, pid, metric, attributes);
    values.last().copied().unwrap_or(0.0)
}

/// What [`OPERATIONS`](crate::scene) are, this many times.
pub fn assert_counts(points: &[Point], pid: i64, factor: f64) {
    let memory = "procmon.memory.mapping.operations";
    let files = "procmon.file_descriptor.operations";
    let of_memory = |kind| grown(points, pid, memory, &[("procmon.memory.operation", kind)]);
    let of_files = |kind| {
        grown(
            points,
            pid,
            files,
            &[("procmon.file_descriptor.operation", kind)],
        )
    };
    let size = |direction| {
        grown(
            points,
            pid,
            "procmon.memory.mapping.size",
            &[("procmon.memory.mapping.direction", direction)],
        )
    };
    assert_eq!(of_memory("mmap"), 1000.0 * factor);
    assert_eq!(of_memory("munmap"), 400.0 * factor);
    assert_eq!(of_memory("mremap"), 0.0);
    assert_eq!(size("map"), 1000.0 * 8192.0 * factor);
    assert_eq!(size("unmap"), 400.0 * 8192.0 * factor);
    assert_eq!(of_files("open"), 70.0 * factor);
    assert_eq!(of_files("dup"), 5.0 * factor);
    assert_eq!(of_files("close"), 75.0 * factor);
    let failed = [
        ("procmon.file_descriptor.operation", "open"),
        ("error.type", "ENOENT"),
    ];
    assert_eq!(grown(points, pid, files, &failed), 30.0 * factor);
}

/// Whether the last of the operations has been counted.
pub fn has_acted(points: &[Point], pid: i64) -> bool {
    let attributes = [("procmon.file_descriptor.operation", "close")];
    grown(
        points,
        pid,
        "procmon.file_descriptor.operations",
        &attributes,
    ) >= 75.0
}

/// Names, kinds, units and temporality.
pub fn assert_catalogue(points: &[Point], pid: i64) {
    for (name, kind, unit) in ALWAYS {
        let found: Vec<&Point> = points
            .iter()
            .filter(|point| point.pid() == Some(pid) && point.metric == *name)
            .collect();
        assert!(!found.is_empty(), "no {name} of {pid}");
        for point in found {
            assert_eq!(
                (point.kind, point.unit.as_str()),
                (*kind, *unit),
                "{point:?}"
            );
            let temporality = (*kind != Kind::Gauge).then_some(Temporality::Cumulative);
            assert_eq!(point.temporality, temporality, "{point:?}");
        }
    }
}

/// Resource attributes with their types, and start times.
pub fn assert_resource(points: &[Point], pid: i64, began: u64) {
    let mine: Vec<&Point> = points
        .iter()
        .filter(|point| point.pid() == Some(pid))
        .collect();
    let resource = &mine[0].resource;
    assert_eq!(resource["process.pid"], Attribute::Int(pid));
    assert_eq!(
        resource["process.executable.name"],
        Attribute::from("victim")
    );
    assert!(
        matches!(&resource["process.command"], Attribute::Str(command) if command.ends_with("victim"))
    );
    assert_eq!(resource["process.owner"], Attribute::from("root"));
    assert_eq!(resource["os.type"], Attribute::from("linux"));
    for name in [
        "host.name",
        "host.arch",
        "service.name",
        "service.instance.id",
    ] {
        assert!(
            matches!(resource.get(name), Some(Attribute::Str(_))),
            "{name}: {resource:?}"
        );
    }
    let Attribute::Str(created) = &resource["process.creation.time"] else {
        panic!("process.creation.time is no string: {resource:?}")
    };
    let created = time::parse(created).unwrap();
    assert!(
        created <= began,
        "created after it was seen running: {resource:?}"
    );
    for point in mine {
        assert_eq!(&point.resource, resource, "one process, one resource");
        assert!(point.scope.starts_with("procmon "), "{point:?}");
        match point.kind {
            Kind::Gauge => assert_eq!(point.start, 0, "{point:?}"),
            _ => assert!(point.start <= point.time, "{point:?}"),
        }
        match point.metric.as_str() {
            // Kept by the kernel since the process's birth.
            "process.cpu.time" | "process.context_switches" | "process.paging.faults" => {
                assert_eq!(point.start / 1_000_000, created / 1_000_000, "{point:?}");
            }
            // Kept by our probes since they were attached, which was after its birth.
            "procmon.memory.mapping.operations" | "procmon.file_descriptor.operations" => {
                assert!(point.start >= began, "{point:?}");
            }
            _ => {}
        }
    }
}
