//! /healthz, /readyz and what systemd is told.

use std::{
    fs,
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use procmon_tests::{Collector, Procmon, Protocol, http, need, program::SOON};
use serde_json::Value;

use crate::support::{LIMIT, NEVER, Serving, run};

fn own() -> String {
    std::process::id().to_string()
}

fn asked(address: &str, path: &str) -> (u16, Value) {
    let answer = http::get(address, path, &[]).unwrap();
    (answer.status, serde_json::from_slice(&answer.body).unwrap())
}

#[test]
fn healthz_is_well_while_every_loop_beats() {
    let serving = Serving::start(Procmon::new("run").args(["--interval", NEVER, "--pid", &own()]));
    // Longer than a loop may be without a beat that has nothing to do for a day would not do.
    let (status, body) = asked(&serving.address, "/healthz");
    assert_eq!((status, &body["healthy"]), (200, &Value::Bool(true)));
    let loops = body["loops"].as_array().unwrap();
    let names: Vec<_> = loops
        .iter()
        .filter_map(|own| own["loop"].as_str())
        .collect();
    assert!(
        names.contains(&"collect") && names.contains(&"http"),
        "{names:?}"
    );
}

#[test]
fn healthz_says_503_and_which_loop_hangs() {
    let folder = tempfile::tempdir().unwrap();
    let fifo = folder.path().join("fifo");
    let path = std::ffi::CString::new(fifo.to_str().unwrap()).unwrap();
    // SAFETY: the path is a string that ends.
    assert_eq!(unsafe { libc::mkfifo(path.as_ptr(), 0o600) }, 0);
    // Open, and not read: who writes hangs when it is full.
    let _reader = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&fifo)
        .unwrap();
    let procmon = run(&["--all", "--jsonl", fifo.to_str().unwrap()]);
    let serving = Serving::start(procmon);
    let until = Instant::now() + Duration::from_secs(60);
    let body = loop {
        let (status, body) = asked(&serving.address, "/healthz");
        if status == 503 {
            break body;
        }
        assert!(Instant::now() < until, "{body}");
        std::thread::sleep(Duration::from_millis(500));
    };
    let reasons = body["reasons"].to_string();
    assert!(
        reasons.contains("jsonl") && !reasons.contains("collect"),
        "{body}"
    );
    assert_eq!(asked(&serving.address, "/readyz").0, 503);
    // The others go on.
    let age = http::value(&serving.page(), &["heartbeat_age_seconds", "\"jsonl\""]);
    assert!(age > Some(30.0), "{age:?}");
    let age = http::value(&serving.page(), &["heartbeat_age_seconds", "\"collect\""]);
    assert!(age < Some(11.0), "{age:?}");
}

#[test]
fn readyz_tells_the_state_of_each_probe_with_its_reason() {
    let serving = Serving::start(run(&["--pid", &own()]));
    let (status, body) = asked(&serving.address, "/readyz");
    assert_eq!(
        (status, &body["ready"]),
        (200, &Value::Bool(true)),
        "{body}"
    );
    let probes = body["probes"].as_array().unwrap();
    assert!(
        probes.iter().any(|probe| probe["probe"] == "mmap"),
        "{body}"
    );
    for probe in probes {
        let active = probe["state"] == "active";
        assert_eq!(probe["reason"].is_string(), !active, "{probe}");
    }
}

#[test]
fn readyz_counts_an_exporter_only_when_it_was_asked_for() {
    let collector = need!(Collector::rotel().unwrap());
    let own = own();
    let none = Serving::start(run(&["--pid", &own]));
    assert_eq!(asked(&none.address, "/readyz").0, 200);
    let works = ["--pid", &own, "--otlp", &collector.endpoint(Protocol::Grpc)];
    let works = Serving::start(run(&works));
    assert_eq!(asked(&works.address, "/readyz").0, 200);
    let dead = format!("http://{}", procmon_tests::address::free());
    let fails = Serving::start(run(&["--pid", &own, "--otlp", &dead]));
    let answer = http::wait_for_page(&fails.address, "/readyz", |answer| answer.status == 503);
    assert!(
        answer.unwrap().text().contains("otlp: the receiver"),
        "no reason"
    );
    assert_eq!(asked(&fails.address, "/healthz").0, 200);
}

#[test]
fn systemd_is_told_of_readiness_of_life_and_of_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let receive = || {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let procmon = run(&["--pid", &own(), "--listen", "off"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000")
        .start()
        .unwrap();
    let ready = loop {
        let next = receive();
        if !next.contains("WATCHDOG=1") {
            break next;
        }
    };
    assert!(ready.contains("READY=1"), "{ready}");
    for _ in 0..5 {
        let next = receive();
        assert!(next.contains("WATCHDOG=1"), "{next}");
    }
    procmon.signal(libc::SIGTERM).unwrap();
    let last = loop {
        let next = receive();
        if !next.contains("WATCHDOG=1") {
            break next;
        }
    };
    assert!(last.contains("STOPPING=1"), "{last}");
    assert!(procmon.wait(LIMIT).unwrap().status.success());
}
