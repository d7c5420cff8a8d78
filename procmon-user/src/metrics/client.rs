//! The metrics that client libraries for Prometheus tell of the process they are
//! in, under their names.

use super::{Instrument, Value};
use crate::process::Basics;

/// A metric of the client libraries' common set.
#[derive(Clone, Copy, Debug)]
pub struct ClientMetric {
    /// Its name, whole.
    pub name: &'static str,
    /// A counter or a gauge.
    pub instrument: Instrument,
    /// One sentence.
    pub description: &'static str,
    /// Reads it; a value that is not known is none.
    pub read: fn(&Basics) -> Option<Value<'static>>,
}

const fn row(
    name: &'static str,
    instrument: Instrument,
    description: &'static str,
    read: fn(&Basics) -> Option<Value<'static>>,
) -> ClientMetric {
    ClientMetric {
        name,
        instrument,
        description,
        read,
    }
}

fn seconds(ns: Option<u64>) -> Option<Value<'static>> {
    ns.map(|ns| Value::Float(ns as f64 / 1e9))
}

/// A limit; client libraries write one that is not set as the number it is in
/// the kernel.
fn limit(value: Option<u64>) -> Option<Value<'static>> {
    value.map(|value| Value::Float(value as f64))
}

/// The common set.
pub const CLIENT: &[ClientMetric] = &[
    row(
        "process_cpu_seconds_total",
        Instrument::Counter,
        "Total user and system CPU time spent in seconds.",
        |own| seconds(own.cpu_ns),
    ),
    row(
        "process_resident_memory_bytes",
        Instrument::Gauge,
        "Resident memory size in bytes.",
        |own| own.resident.map(Value::Int),
    ),
    row(
        "process_virtual_memory_bytes",
        Instrument::Gauge,
        "Virtual memory size in bytes.",
        |own| own.virtual_memory.map(Value::Int),
    ),
    row(
        "process_virtual_memory_max_bytes",
        Instrument::Gauge,
        "Maximum amount of virtual memory available in bytes.",
        |own| limit(own.virtual_memory_limit),
    ),
    row(
        "process_open_fds",
        Instrument::Gauge,
        "Number of open file descriptors.",
        |own| own.descriptors.map(Value::Int),
    ),
    row(
        "process_max_fds",
        Instrument::Gauge,
        "Maximum number of open file descriptors.",
        |own| limit(own.descriptor_limit),
    ),
    row(
        "process_start_time_seconds",
        Instrument::Gauge,
        "Start time of the process since unix epoch in seconds.",
        // It is exact to the kernel's tick; more digits would be noise.
        |own| {
            own.started_unix_ns
                .map(|ns| Value::Float((ns / 1_000_000) as f64 / 1e3))
        },
    ),
    row(
        "process_network_receive_bytes_total",
        Instrument::Counter,
        "Number of bytes received by the process over the network.",
        |own| own.received.map(Value::Int),
    ),
    row(
        "process_network_transmit_bytes_total",
        Instrument::Counter,
        "Number of bytes sent by the process over the network.",
        |own| own.transmitted.map(Value::Int),
    ),
];
