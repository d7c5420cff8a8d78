//! The rows of the host table about processes that have ended.

use procmon_common::Operation;

use super::Instrument::{Counter, ExponentialHistogram};
use super::{Attribute, HostRead, Instrument, Metric, Points, Source, Switch, Value};
use crate::rollup::{CpuTimes, Group};

const EXECUTABLE: Attribute = Attribute {
    key: "process.executable.name",
    values: &[],
};
const CPU_MODE: Attribute = Attribute {
    key: "cpu.mode",
    values: &["user", "system"],
};
const ERROR_TYPE: Attribute = Attribute {
    key: "error.type",
    values: &[],
};

const fn row(
    name: &'static str,
    instrument: Instrument,
    unit: &'static str,
    attributes: &'static [Attribute],
    switch: Switch,
    description: &'static str,
    read: HostRead,
) -> Metric<HostRead> {
    let row = Metric::new(
        name,
        instrument,
        unit,
        Source::Probe,
        switch,
        description,
        read,
    );
    let row = row.by(attributes);
    match unit.as_bytes() {
        b"s" => row.float(),
        _ => row,
    }
}

/// Every metric of ended processes, in the order of the contract. Their sums
/// begin when procmon starts.
pub const EXITED: [Metric<HostRead>; 8] = [
    row(
        "procmon.exited.processes",
        Counter,
        "{process}",
        &[
            EXECUTABLE,
            Attribute {
                key: "procmon.exit.kind",
                values: &["ok", "code", "signal", "unknown"],
            },
        ],
        Switch::Always,
        "Processes that have ended, by executable and by how.",
        |host, out| {
            for (name, group) in host.exited.groups() {
                for (kind, count) in [
                    ("ok", group.ok),
                    ("code", group.code),
                    ("signal", group.signal),
                    ("unknown", group.unknown),
                ] {
                    if count > 0 {
                        out.point(
                            &[(EXECUTABLE.key, name), ("procmon.exit.kind", kind)],
                            Value::Int(count),
                        );
                    }
                }
            }
        },
    ),
    row(
        "procmon.exited.cpu.time",
        Counter,
        "s",
        &[EXECUTABLE, CPU_MODE],
        Switch::Cpu,
        "CPU time of processes that have ended.",
        |host, out| {
            for (name, group) in host.exited.groups_with(Switch::Cpu) {
                cpu(out, name, &group.cpu);
            }
        },
    ),
    row(
        "procmon.exited.disk.io",
        Counter,
        "By",
        &[
            EXECUTABLE,
            Attribute {
                key: "disk.io.direction",
                values: &["read", "write"],
            },
        ],
        Switch::DiskIo,
        "Bytes that ended processes caused to be moved from and to the storage layer.",
        |host, out| {
            for (name, group) in host.exited.groups_with(Switch::DiskIo) {
                pair(
                    out,
                    name,
                    ("disk.io.direction", ["read", "write"]),
                    group.disk,
                );
            }
        },
    ),
    row(
        "procmon.exited.network.io",
        Counter,
        "By",
        &[
            EXECUTABLE,
            Attribute {
                key: "network.io.direction",
                values: &["receive", "transmit"],
            },
        ],
        Switch::NetworkIo,
        "Socket payload of ended processes.",
        |host, out| {
            for (name, group) in host.exited.groups_with(Switch::NetworkIo) {
                pair(
                    out,
                    name,
                    ("network.io.direction", ["receive", "transmit"]),
                    group.network,
                );
            }
        },
    ),
    row(
        "procmon.exited.memory.mapping.operations",
        Counter,
        "{operation}",
        &[
            EXECUTABLE,
            Attribute {
                key: "procmon.memory.operation",
                values: &["mmap", "munmap", "mremap", "brk"],
            },
            ERROR_TYPE,
        ],
        Switch::Memory,
        "System calls of ended processes that changed the address space.",
        |host, out| {
            operations(
                host.exited.groups_with(Switch::Memory),
                out,
                "procmon.memory.operation",
                Operation::MEMORY,
            )
        },
    ),
    row(
        "procmon.exited.file_descriptor.operations",
        Counter,
        "{operation}",
        &[
            EXECUTABLE,
            Attribute {
                key: "procmon.file_descriptor.operation",
                values: &["open", "close", "dup", "socket", "accept", "pipe", "other"],
            },
            ERROR_TYPE,
        ],
        Switch::FileDescriptors,
        "System calls of ended processes that made or closed descriptors.",
        |host, out| {
            operations(
                host.exited.groups_with(Switch::FileDescriptors),
                out,
                "procmon.file_descriptor.operation",
                Operation::FILES,
            )
        },
    ),
    row(
        "procmon.exited.parent.cpu.time",
        Counter,
        "s",
        &[EXECUTABLE, CPU_MODE],
        Switch::Cpu,
        "CPU time of processes that have ended, by their parent's executable: who spends it on children.",
        |host, out| {
            for (name, times) in host.exited.parents() {
                cpu(out, name, times);
            }
        },
    ),
    row(
        "procmon.process.lifetime",
        ExponentialHistogram,
        "s",
        &[EXECUTABLE],
        Switch::Always,
        "How long ended processes lived.",
        |host, out| {
            for (name, group) in host.exited.groups() {
                out.point(&[(EXECUTABLE.key, name)], Value::Histogram(&group.lifetime));
            }
        },
    ),
];

fn cpu(out: &mut dyn Points, name: &str, times: &CpuTimes) {
    for (mode, ns) in [("user", times.user_ns), ("system", times.system_ns)] {
        let attributes = [(EXECUTABLE.key, name), (CPU_MODE.key, mode)];
        out.point(&attributes, Value::Float(ns as f64 / 1e9));
    }
}

fn pair(
    out: &mut dyn Points,
    name: &str,
    (key, values): (&'static str, [&'static str; 2]),
    numbers: [u64; 2],
) {
    for (value, number) in values.into_iter().zip(numbers) {
        out.point(&[(EXECUTABLE.key, name), (key, value)], Value::Int(number));
    }
}

fn operations<'a>(
    groups: impl Iterator<Item = (&'a str, &'a Group)>,
    out: &mut dyn Points,
    key: &'static str,
    operations: &[Operation],
) {
    for (name, group) in groups {
        for ((operation, error), count) in &group.operations {
            if !operations.contains(operation) {
                continue;
            }
            let kind = [(EXECUTABLE.key, name), (key, operation.name())];
            match error {
                None => out.point(&kind, Value::Int(*count)),
                Some(error) => {
                    let [executable, kind] = kind;
                    out.point(
                        &[executable, kind, (ERROR_TYPE.key, error)],
                        Value::Int(*count),
                    );
                }
            }
        }
    }
}
