//! The process table of the catalogue.

use procmon_common::probes::Family;
use procmon_common::{Counter, Feature, Operation};

use super::Instrument::{self, Counter as Sum, ExponentialHistogram, Gauge, UpDownCounter};
use super::Source::{self, Kernel, Probe, Snapshot};
use super::{Attribute, Level, Metric, Points, ProcessRead, ProcessReading, Switch, Value};
use crate::process::{ConnectionState, Extra, ProbeCounters, ProcessSample, Rows, Seen, Totals};

const CPU_MODE: &[Attribute] = &[Attribute {
    key: "cpu.mode",
    values: &["user", "system"],
}];
const OFF_CPU_REASON: &[Attribute] = &[Attribute {
    key: "procmon.off_cpu.reason",
    values: &["sleep", "uninterruptible", "stopped"],
}];
const SWITCH_TYPE: &[Attribute] = &[Attribute {
    key: "process.context_switch.type",
    values: &["voluntary", "involuntary"],
}];
const FAULT_TYPE: &[Attribute] = &[Attribute {
    key: "system.paging.fault.type",
    values: &["minor", "major"],
}];
const MEMORY_KIND: &[Attribute] = &[Attribute {
    key: "procmon.memory.kind",
    values: &["anon", "file", "shmem"],
}];
const DISK_DIRECTION: &[Attribute] = &[Attribute {
    key: "disk.io.direction",
    values: &["read", "write"],
}];
const MAPPING_DIRECTION: &[Attribute] = &[Attribute {
    key: "procmon.memory.mapping.direction",
    values: &["map", "unmap"],
}];
const LIMIT_TYPE: &[Attribute] = &[Attribute {
    key: "procmon.limit.type",
    values: &["soft", "hard"],
}];
const NETWORK_DIRECTION: &[Attribute] = &[Attribute {
    key: "network.io.direction",
    values: &["receive", "transmit"],
}];
const NETWORK_OPERATIONS: &[Attribute] = &[
    Attribute {
        key: "network.io.direction",
        values: &["receive", "transmit"],
    },
    Attribute {
        key: "network.transport",
        values: &["tcp", "udp"],
    },
];
const CONNECTION: &[Attribute] = &[
    Attribute {
        key: "network.transport",
        values: &["tcp", "udp"],
    },
    Attribute {
        key: "network.connection.state",
        values: &[
            "established",
            "syn_sent",
            "syn_received",
            "fin_wait_1",
            "fin_wait_2",
            "close_wait",
            "last_ack",
            "listen",
            "closing",
        ],
    },
];
const MAPPING_KIND: &[Attribute] = &[Attribute {
    key: "procmon.mapping.kind",
    values: &["heap", "stack", "anonymous", "file", "shared"],
}];
const MEMORY_OPERATION: &str = "procmon.memory.operation";
const FILE_OPERATION: &str = "procmon.file_descriptor.operation";
const ERROR_TYPE: Attribute = Attribute {
    key: "error.type",
    values: &[],
};
const MEMORY_OPERATIONS: &[Attribute] = &[
    Attribute {
        key: MEMORY_OPERATION,
        values: &["mmap", "munmap", "mremap", "brk"],
    },
    ERROR_TYPE,
];
const FILE_OPERATIONS: &[Attribute] = &[
    Attribute {
        key: FILE_OPERATION,
        values: &["open", "close", "dup", "socket", "accept", "pipe", "other"],
    },
    ERROR_TYPE,
];

/// [`Metric::new`], whose closures it makes one type.
const fn row(
    name: &'static str,
    instrument: Instrument,
    unit: &'static str,
    source: Source,
    switch: Switch,
    description: &'static str,
    read: ProcessRead,
) -> Metric<ProcessRead> {
    Metric::new(name, instrument, unit, source, switch, description, read)
}

/// Every metric of a process, in the order of the contract.
pub const PROCESS: &[Metric<ProcessRead>] = &[
    row("process.cpu.time", Sum, "s", Kernel, Switch::Cpu,
        "CPU time of the process, all its threads, since its start.",
        |p, out| modes(p, out, |t| [t.user_ns, t.system_ns])).by(CPU_MODE).float(),
    row("process.cpu.utilization", Gauge, "1", Snapshot, Switch::Cpu,
        "CPU time since the last tick, as a share of the CPUs available to the process.",
        |p, out| {
            if let Some(rate) = p.derived.and_then(|d| d.cpu) {
                float(out, &[("cpu.mode", "user")], Some(rate.user / rate.available));
                float(out, &[("cpu.mode", "system")], Some(rate.system / rate.available));
            }
        }).by(CPU_MODE).float().opt_in().read_apart(Extra::Limits),
    row("procmon.cpu.usage", Gauge, "{cpu}", Snapshot, Switch::Cpu,
        "CPU time since the last tick, in cores: 1.0 is one full core.",
        |p, out| {
            if let Some(rate) = p.derived.and_then(|d| d.cpu) {
                float(out, &[("cpu.mode", "user")], Some(rate.user));
                float(out, &[("cpu.mode", "system")], Some(rate.system));
            }
        }).by(CPU_MODE).float().opt_in(),
    row("procmon.cpu.limit", UpDownCounter, "{cpu}", Kernel, Switch::Cpu,
        "CPUs the process may use: the smaller of its cgroup's quota and its affinity.",
        |p, out| float(out, &[], p.sample.totals.cpu_limit_milli.map(|m| m as f64 / 1e3)))
        .float().opt_in().not_additive().read_apart(Extra::Limits),
    row("procmon.cpu.throttled.time", Sum, "s", Kernel, Switch::Cpu,
        "Time the process's cgroup was throttled by its CPU quota.",
        |p, out| float(out, &[], p.sample.totals.throttled_ns.map(seconds)))
        .float().opt_in().not_additive().read_apart(Extra::Limits),
    row("procmon.cpu.on_cpu.time", Sum, "s", Kernel, Switch::Cpu,
        "Time the process's threads ran on a CPU, exact to the nanosecond; a running thread's is at most one scheduler tick old.",
        |p, out| float(out, &[], p.sample.totals.on_cpu_ns.map(seconds))).float(),
    row("procmon.cpu.run_queue.time", Sum, "s", Kernel, Switch::Cpu,
        "Time the process's threads were runnable but did not run; threads dead before attach are unknown.",
        |p, out| float(out, &[], p.sample.totals.run_queue_ns.map(seconds))).float(),
    row("procmon.cpu.off_cpu.time", Sum, "s", Probe, Switch::Cpu,
        "Time the process's threads were neither running nor runnable, by what they waited for; counted at the first switch after the wait.",
        |p, out| if counted(p, Feature::OffCpu).is_some() {
            counters(p, out, "procmon.off_cpu.reason", &[
                ("sleep", Counter::OffCpuSleep),
                ("uninterruptible", Counter::OffCpuUninterruptible),
                ("stopped", Counter::OffCpuStopped),
            ], |ns| Value::Float(seconds(ns)));
        }).by(OFF_CPU_REASON).part(Feature::OffCpu).float().opt_in(),
    row("procmon.cpu.run_queue.duration", ExponentialHistogram, "s", Probe, Switch::Cpu,
        "How long the process's threads waited for a CPU each time they were runnable.",
        |p, out| if let Some(probes) = counted(p, Feature::RunQueue) {
            out.point(&[], Value::Histogram(&probes.waits));
        }).part(Feature::RunQueue).float().opt_in(),
    row("procmon.cpu.migrations", Sum, "{migration}", Kernel, Switch::Cpu,
        "Moves of the process's threads from one CPU to another; threads dead before attach are unknown.",
        |p, out| int(out, &[], p.sample.totals.migrations)).opt_in(),
    row("process.context_switches", Sum, "{context_switch}", Kernel, Switch::Cpu,
        "Context switches of all the process's threads, live and dead.",
        |p, out| pair(p, out, ("process.context_switch.type", ["voluntary", "involuntary"]),
            |t| [t.voluntary_switches, t.involuntary_switches])).by(SWITCH_TYPE),
    row("process.thread.count", UpDownCounter, "{thread}", Kernel, Switch::Threads,
        "Threads of the process.",
        |p, out| int(out, &[], p.sample.totals.threads)),
    row("process.memory.usage", UpDownCounter, "By", Kernel, Switch::Memory,
        "Physical memory of the process (resident set).",
        |p, out| int(out, &[], p.sample.totals.rss)),
    row("process.memory.virtual", UpDownCounter, "By", Kernel, Switch::Memory,
        "Address space of the process.",
        |p, out| int(out, &[], p.sample.totals.virtual_memory)),
    row("process.memory.utilization", Gauge, "1", Snapshot, Switch::Memory,
        "Resident set as a share of the host's memory.",
        |p, out| float(out, &[], p.derived.and_then(|d| d.memory_utilization)))
        .float().opt_in(),
    row("procmon.memory.limit", UpDownCounter, "By", Kernel, Switch::Memory,
        "Memory limit of the process's cgroup, if one is set.",
        |p, out| int(out, &[], p.sample.totals.memory_limit)).opt_in().not_additive()
        .read_apart(Extra::Limits),
    row("procmon.memory.limit.utilization", Gauge, "1", Snapshot, Switch::Memory,
        "Resident set as a share of the cgroup's memory limit.",
        |p, out| {
            let t = &p.sample.totals;
            float(out, &[], ratio(t.rss, t.memory_limit));
        }).float().opt_in().read_apart(Extra::Limits),
    row("procmon.memory.rss", UpDownCounter, "By", Kernel, Switch::Memory,
        "Resident set by kind of page.",
        |p, out| {
            let t = &p.sample.totals;
            for (kind, value) in [("anon", t.rss_anon), ("file", t.rss_file), ("shmem", t.rss_shmem)] {
                int(out, &[("procmon.memory.kind", kind)], value);
            }
        }).by(MEMORY_KIND),
    row("procmon.memory.swap", UpDownCounter, "By", Kernel, Switch::Memory,
        "Memory of the process that is swapped out.",
        |p, out| int(out, &[], p.sample.totals.swap)),
    row("procmon.memory.page_tables", UpDownCounter, "By", Kernel, Switch::Memory,
        "Memory of the process's page tables.",
        |p, out| int(out, &[], p.sample.totals.page_tables)).opt_in(),
    row("procmon.memory.peak_rss", Gauge, "By", Kernel, Switch::Memory,
        "The largest resident set the process has had.",
        |p, out| int(out, &[], p.sample.totals.peak_rss)).opt_in(),
    row("procmon.memory.uss", UpDownCounter, "By", Kernel, Switch::Memory,
        "Unique set size: memory that would be free if the process ended. Read under a budget.",
        |p, out| int(out, &[], p.sample.totals.uss)).opt_in().read_apart(Extra::Sets),
    row("procmon.memory.pss", UpDownCounter, "By", Kernel, Switch::Memory,
        "Proportional set size: shared pages divided among their users. Read under a budget.",
        |p, out| int(out, &[], p.sample.totals.pss)).opt_in().read_apart(Extra::Sets),
    row("procmon.memory.mapping.usage", UpDownCounter, "By", Kernel, Switch::Memory,
        "Resident memory by kind of mapping, huge pages included; shared mappings are those made with MAP_SHARED, of a file or none, and other threads' stacks are anonymous. Read under a budget.",
        |p, out| if let Some(usage) = &p.sample.totals.mappings {
            for (kind, bytes) in [
                ("heap", usage.heap),
                ("stack", usage.stack),
                ("anonymous", usage.anonymous),
                ("file", usage.file),
                ("shared", usage.shared),
            ] {
                out.point(&[("procmon.mapping.kind", kind)], Value::Int(bytes));
            }
        }).by(MAPPING_KIND).opt_in().read_apart(Extra::Sets),
    row("procmon.memory.sample.age", Gauge, "s", Snapshot, Switch::Memory,
        "Age of the oldest of the unique and proportional set sizes and the use of mappings.",
        |p, out| float(out, &[], p.sample.totals.uss_age_ns.map(seconds)))
        .float().opt_in().read_apart(Extra::Sets),
    row("procmon.memory.mapping.operations", Sum, "{operation}", Probe, Switch::Memory,
        "System calls that change the address space, one a call; failed ones by errno.",
        |p, out| if seen(p, |seen| seen.memory).is_some() {
            operations(p, out, MEMORY_OPERATION, Operation::MEMORY);
        }).by(MEMORY_OPERATIONS).counted_by(Family::Memory),
    row("procmon.memory.mapping.size", Sum, "By", Probe, Switch::Memory,
        "Bytes asked for and given back by successful mmap, munmap, mremap and brk, rounded to pages.",
        |p, out| if seen(p, |seen| seen.memory).is_some() && counted(p, Feature::MappingBytes).is_some() {
            counters(p, out, "procmon.memory.mapping.direction", &[
                ("map", Counter::MappedBytes),
                ("unmap", Counter::UnmappedBytes),
            ], Value::Int);
        }).by(MAPPING_DIRECTION).part(Feature::MappingBytes).counted_by(Family::Memory),
    row("process.paging.faults", Sum, "{fault}", Kernel, Switch::Memory,
        "Page faults of the process; major ones had to wait for storage.",
        |p, out| pair(p, out, ("system.paging.fault.type", ["minor", "major"]),
            |t| [t.minor_faults, t.major_faults])).by(FAULT_TYPE),
    row("process.unix.file_descriptor.count", UpDownCounter, "{file_descriptor}", Kernel,
        Switch::FileDescriptors, "Descriptors the process has open.",
        |p, out| int(out, &[], p.sample.totals.descriptors)),
    row("procmon.file_descriptor.limit", UpDownCounter, "{file_descriptor}", Kernel,
        Switch::FileDescriptors, "RLIMIT_NOFILE of the process; an unlimited one is absent.",
        |p, out| {
            let t = &p.sample.totals;
            for (kind, value) in [("soft", t.descriptor_soft_limit), ("hard", t.descriptor_hard_limit)] {
                int(out, &[("procmon.limit.type", kind)], value.filter(|v| *v != u64::MAX));
            }
        }).by(LIMIT_TYPE).opt_in().not_additive(),
    row("procmon.file_descriptor.utilization", Gauge, "1", Snapshot, Switch::FileDescriptors,
        "Open descriptors as a share of the soft limit.",
        |p, out| {
            let t = &p.sample.totals;
            float(out, &[], ratio(t.descriptors, t.descriptor_soft_limit));
        }).float().opt_in(),
    row("procmon.file_descriptor.operations", Sum, "{operation}", Probe, Switch::FileDescriptors,
        "System calls that make or close descriptors, one a call; failed ones by errno.",
        |p, out| if seen(p, |seen| seen.files).is_some() {
            operations(p, out, FILE_OPERATION, Operation::FILES);
        }).by(FILE_OPERATIONS).counted_by(Family::Files),
    row("process.disk.io", Sum, "By", Kernel, Switch::DiskIo,
        "Bytes the process caused to be moved from and to the storage layer.",
        |p, out| pair(p, out, ("disk.io.direction", ["read", "write"]),
            |t| [t.disk_read_bytes, t.disk_write_bytes])).by(DISK_DIRECTION),
    row("process.disk.operations", Sum, "{operation}", Kernel, Switch::DiskIo,
        "Read and write system calls of the process, on any file.",
        |p, out| pair(p, out, ("disk.io.direction", ["read", "write"]),
            |t| [t.read_calls, t.write_calls])).by(DISK_DIRECTION).opt_in(),
    row("procmon.io.logical", Sum, "By", Kernel, Switch::DiskIo,
        "Bytes moved by the process's read and write calls, from any file or cache.",
        |p, out| pair(p, out, ("disk.io.direction", ["read", "write"]),
            |t| [t.read_chars, t.write_chars])).by(DISK_DIRECTION).opt_in(),
    row("process.network.io", Sum, "By", Probe, Switch::NetworkIo,
        "Payload of the process's AF_INET and AF_INET6 sockets, without headers; what is only peeked at, and what splice takes from a socket, is not counted.",
        |p, out| if seen(p, |seen| seen.network).is_some() {
            counters(p, out, "network.io.direction", &[
                ("receive", Counter::NetworkReceived),
                ("transmit", Counter::NetworkTransmitted),
            ], Value::Int);
        }).by(NETWORK_DIRECTION).counted_by(Family::Network),
    row("procmon.network.operations", Sum, "{operation}", Probe, Switch::NetworkIo,
        "Sends and receives on the process's TCP and UDP sockets.",
        |p, out| if let Some(probes) = seen(p, |seen| seen.network) {
            for (direction, transport, counter) in [
                ("receive", "tcp", Counter::TcpReceives),
                ("transmit", "tcp", Counter::TcpTransmits),
                ("receive", "udp", Counter::UdpReceives),
                ("transmit", "udp", Counter::UdpTransmits),
            ] {
                let attributes = [("network.io.direction", direction), ("network.transport", transport)];
                out.point(&attributes, Value::Int(probes.get(counter)));
            }
        }).by(NETWORK_OPERATIONS).opt_in().counted_by(Family::Network),
    row("procmon.network.connection.count", UpDownCounter, "{connection}", Kernel, Switch::NetworkIo,
        "TCP sockets of the process by state, and its bound UDP sockets, which have none, over IPv4 and IPv6; connections in time_wait belong to no process. Read under a budget, at most 2 minutes old; absent beyond 20,000 descriptors.",
        |p, out| if let Some(connections) = &p.sample.totals.connections {
            for state in ConnectionState::ALL {
                let attributes = [
                    ("network.transport", "tcp"),
                    ("network.connection.state", state.name()),
                ];
                out.point(&attributes, Value::Int(connections.tcp(state)));
            }
            out.point(&[("network.transport", "udp")], Value::Int(connections.udp));
        }).by(CONNECTION).opt_in().read_apart(Extra::Connections),
    row("process.uptime", Gauge, "s", Snapshot, Switch::Always,
        "Time since the process started; in its last point, how long it lived.",
        |p, out| float(out, &[], p.sample.totals.uptime_ns.map(seconds))).float(),
    row("procmon.process.forks", Sum, "{fork}", Probe, Switch::Always,
        "Child processes the process made; threads are not counted.",
        |p, out| counter(p, out, Counter::Forks)),
    row("procmon.process.execs", Sum, "{exec}", Probe, Switch::Always,
        "Programs the process executed (successful execve).",
        |p, out| counter(p, out, Counter::Execs)),
    row("procmon.oom_kills", Sum, "{kill}", Probe, Switch::Memory,
        "Times the kernel chose the process to be killed for want of memory; its last point has the memory it held then, or on older kernels procmon.memory.peak_rss alone.",
        |p, out| if seen(p, |seen| seen.oom).is_some() {
            counter(p, out, Counter::OomKills);
        }).opt_in().counted_by(Family::Oom),
];

const _: () = assert!(PROCESS.len() <= Rows::MOST);

/// The metrics that are sent of a process, each with its place in [`PROCESS`].
pub fn of(
    sample: &ProcessSample,
) -> impl Iterator<Item = (usize, &'static Metric<ProcessRead>)> + use<> {
    let (rows, opt_in) = (sample.wanted.rows, sample.has_opt_in());
    let all = PROCESS.iter().enumerate();
    all.filter(move |(place, row)| rows.has(*place) && (opt_in || row.level == Level::Recommended))
}

/// Whether the metric at this place is sent of a process.
pub fn is_sent(place: usize, sample: &ProcessSample) -> bool {
    let is_for_all = PROCESS[place].level == Level::Recommended;
    sample.wanted.rows.has(place) && (is_for_all || sample.has_opt_in())
}

/// The metric of this name.
pub fn named(name: &str) -> Option<&'static Metric<ProcessRead>> {
    PROCESS.iter().find(|row| row.name == name)
}

/// The probes' counters, if those of a feature are among them.
fn counted<'a>(p: &ProcessReading<'a>, feature: Feature) -> Option<&'a ProbeCounters> {
    let probes = p.sample.probes.as_ref()?;
    probes.since(Some(feature)).map(|_| probes)
}

/// The probes' counters, where what they count is seen.
fn seen<'a>(p: &ProcessReading<'a>, of: fn(&Seen) -> bool) -> Option<&'a ProbeCounters> {
    let probes = p.sample.probes.as_ref();
    probes.filter(|probes| of(&probes.seen))
}

fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

fn ratio(part: Option<u64>, whole: Option<u64>) -> Option<f64> {
    match (part, whole) {
        (Some(part), Some(whole)) if whole != 0 && whole != u64::MAX => {
            Some(part as f64 / whole as f64)
        }
        _ => None,
    }
}

fn int(out: &mut dyn Points, attributes: &[(&'static str, &str)], value: Option<u64>) {
    if let Some(value) = value {
        out.point(attributes, Value::Int(value));
    }
}

fn float(out: &mut dyn Points, attributes: &[(&'static str, &str)], value: Option<f64>) {
    if let Some(value) = value.filter(|v| v.is_finite()) {
        out.point(attributes, Value::Float(value));
    }
}

fn modes(p: &ProcessReading<'_>, out: &mut dyn Points, read: fn(&Totals) -> [Option<u64>; 2]) {
    let [user, system] = read(&p.sample.totals);
    float(out, &[("cpu.mode", "user")], user.map(seconds));
    float(out, &[("cpu.mode", "system")], system.map(seconds));
}

fn pair(
    p: &ProcessReading<'_>,
    out: &mut dyn Points,
    (key, values): (&'static str, [&'static str; 2]),
    read: fn(&Totals) -> [Option<u64>; 2],
) {
    for (value, number) in values.into_iter().zip(read(&p.sample.totals)) {
        int(out, &[(key, value)], number);
    }
}

fn counter(p: &ProcessReading<'_>, out: &mut dyn Points, counter: Counter) {
    int(
        out,
        &[],
        p.sample.probes.as_ref().map(|probes| probes.get(counter)),
    );
}

fn counters(
    p: &ProcessReading<'_>,
    out: &mut dyn Points,
    key: &'static str,
    values: &[(&'static str, Counter)],
    number: fn(u64) -> Value<'static>,
) {
    if let Some(probes) = &p.sample.probes {
        for (value, counter) in values {
            out.point(&[(key, value)], number(probes.get(*counter)));
        }
    }
}

fn operations(
    p: &ProcessReading<'_>,
    out: &mut dyn Points,
    key: &'static str,
    operations: &[Operation],
) {
    let Some(probes) = &p.sample.probes else {
        return;
    };
    for operation in operations {
        let name = operation.name();
        let succeeded = probes.get(operation.succeeded());
        out.point(&[(key, name)], Value::Int(succeeded));
        probes.each_failure(*operation, |error, count| {
            out.point(&[(key, name), (ERROR_TYPE.key, error)], Value::Int(count));
        });
    }
}
