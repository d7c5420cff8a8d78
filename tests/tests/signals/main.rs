//! Logs and traces over OTLP: events of processes, procmon's own log, lives as spans.

mod collectors;
mod events;
mod outages;
mod own_log;
mod support;
mod traces;
