//! Ids of traces and spans.
//!
//! Of a process both follow from the boot id, its pid and its start, in ticks
//! of 1/100 s since boot: UUIDs of version 5 in the namespace that OpenTelemetry
//! names for service instances, of `BOOT_ID,PID,START,trace` and
//! `BOOT_ID,PID,START,span`; of the latter the first eight bytes. Whoever knows
//! a process knows its ids, now and after a restart of procmon.

use uuid::Uuid;

use crate::export::otlp::encode::resource::NAMESPACE;
use crate::process::ProcessId;

/// Makes ids.
#[derive(Clone, Debug)]
pub struct Ids {
    boot_id: String,
}

/// A trace's id.
pub type TraceId = [u8; 16];
/// A span's id.
pub type SpanId = [u8; 8];

impl Ids {
    /// Those of the boot with this id (/proc/sys/kernel/random/boot_id).
    pub fn new(boot_id: &str) -> Self {
        Self {
            boot_id: boot_id.to_owned(),
        }
    }

    /// The trace that begins with a process.
    pub fn trace(&self, id: ProcessId) -> TraceId {
        self.of(&format!("{},{},trace", id.pid, id.start_ticks))
    }

    /// The span of a process.
    pub fn span(&self, id: ProcessId) -> SpanId {
        first_half(self.of(&format!("{},{},span", id.pid, id.start_ticks)))
    }

    /// A trace of one span, of something procmon itself did at a time.
    pub fn own(&self, what: &str, at_unix_ns: u64) -> (TraceId, SpanId) {
        let own = std::process::id();
        let of = |part| self.of(&format!("procmon,{own},{what},{at_unix_ns},{part}"));
        (of("trace"), first_half(of("span")))
    }

    fn of(&self, text: &str) -> [u8; 16] {
        let name = format!("{},{text}", self.boot_id);
        *Uuid::new_v5(&NAMESPACE, name.as_bytes()).as_bytes()
    }
}

/// Never 0, which would be no id: the version is in it.
fn first_half(bytes: [u8; 16]) -> SpanId {
    std::array::from_fn(|index| bytes[index])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(pid: u32, start_ticks: u64) -> ProcessId {
        ProcessId { pid, start_ticks }
    }

    #[test]
    fn ids_follow_from_boot_pid_and_start_alone() {
        let ids = Ids::new("3b2e");
        // uuid5(4d63009a-8d0f-11ee-aad7-4c796ed8e320, "3b2e,7,100,span")
        let name = Uuid::new_v5(&NAMESPACE, b"3b2e,7,100,span");
        assert_eq!(ids.span(id(7, 100)), name.as_bytes()[..8]);
        let name = Uuid::new_v5(&NAMESPACE, b"3b2e,7,100,trace");
        assert_eq!(ids.trace(id(7, 100)), *name.as_bytes());
        for other in [
            ids.span(id(8, 100)),
            ids.span(id(7, 101)),
            Ids::new("3b2f").span(id(7, 100)),
        ] {
            assert_ne!(ids.span(id(7, 100)), other);
        }
    }
}
