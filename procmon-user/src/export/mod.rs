//! What takes views away: OTLP, MQTT, the text report, JSON lines, and the
//! summary of a traced command.

mod backoff;
pub mod jsonl;
pub mod mqtt;
pub mod otlp;
pub mod report;
pub mod sink;
pub mod summary;
