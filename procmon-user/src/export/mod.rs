//! What takes views away: OTLP, the text report, JSON lines, and the summary
//! of a traced command.

pub mod jsonl;
pub mod otlp;
pub mod report;
pub mod sink;
pub mod summary;
