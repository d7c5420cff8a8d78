//! Bytes over loopback: whose they are.

use procmon_tests::{
    Victim,
    jsonl::{self, Object},
    need, payload, storm,
};

use crate::support::{Recording, exec};

/// Bytes received and transmitted.
fn moved(object: &Object) -> (f64, f64) {
    let of = |direction| {
        let key = format!("process.network.io{{network.io.direction=\"{direction}\"}}");
        object.get(&key).unwrap()
    };
    (of("receive"), of("transmit"))
}

#[test]
fn bytes_over_loopback_are_what_the_calls_returned_by_write_sendfile_and_udp() {
    need!(payload::exact());
    let objects = exec(&format!("tcp={} udp=1000:1200", storm::bytes()));
    let stream = storm::bytes() as f64;
    assert_eq!(objects.len(), 3);
    let mut seen: Vec<(f64, f64)> = objects.iter().map(moved).collect();
    seen.sort_by(|a, b| a.partial_cmp(b).unwrap());
    assert_eq!(
        seen,
        [
            // The victim: its bytes, its datagrams, and the answers to them.
            (1_000.0, stream + 1_200_000.0),
            // The child of the datagrams, who also looked ahead.
            (1_200_000.0, 1_000.0),
            // The child of the stream.
            (stream, 0.0),
        ]
    );
}

#[test]
fn a_third_process_of_the_same_namespace_shows_no_network_bytes() {
    need!(payload::exact());
    let mut idle = Victim::held_before("").unwrap();
    let pid = idle.pid().to_string();
    let recording = Recording::start(&["--pid", &pid, "--interval", "100ms"]);
    let busy = Victim::start("tcp=10000000").unwrap();
    assert!(busy.finish().unwrap().status.success());
    idle.go().unwrap();
    idle.finish().unwrap();
    let objects = jsonl::parse(&recording.text()).unwrap();
    let last = objects.last().unwrap();
    assert!(last.has_exited());
    assert_eq!(moved(last), (0.0, 0.0));
}
