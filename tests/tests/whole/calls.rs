//! System calls in great numbers.

use procmon_tests::{
    jsonl, storm,
    strace::{FILES, MEMORY, file_key, memory_key},
};

use crate::support::exec;

#[test]
fn a_million_mmap_pairs_and_a_million_open_pairs_from_8_threads_are_exactly_those() {
    let each = storm::calls() / 8;
    let base = exec("threads=8 map-pairs=0:8192 open=0");
    let full = exec(&format!("threads=8 map-pairs={each}:8192 open={each}"));
    let base = jsonl::totals(&base, &[MEMORY, FILES]);
    let full = jsonl::totals(&full, &[MEMORY, FILES]);
    let more = |key: &str| full[key] - base.get(key).copied().unwrap_or(0);
    for key in [
        memory_key("mmap", None),
        memory_key("munmap", None),
        file_key("open", None),
        file_key("close", None),
    ] {
        assert_eq!(more(&key), storm::calls(), "{key}");
    }
}
