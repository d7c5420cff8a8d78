//! Clients that do harm: many, slow, or loud.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    thread,
    time::{Duration, Instant},
};

use procmon_tests::{Victim, ground, http};

use crate::support::{Serving, run};

/// The number of ticks.
fn ticks(page: &str) -> f64 {
    http::value(page, &["procmon_agent_tick_duration_seconds_count{"]).unwrap()
}

fn resident(serving: &Serving) -> u64 {
    ground::line(serving.procmon.pid(), "status", "VmRSS").unwrap()
}

/// Ticks go on for two seconds, at their pace.
fn assert_it_ticks_on(serving: &Serving) {
    let page = serving.wait_for(|page| page.contains("tick_duration_seconds_count"));
    let (before, begin) = (ticks(&page), Instant::now());
    thread::sleep(Duration::from_secs(2));
    let ticked = ticks(&serving.page()) - before;
    let due = begin.elapsed().as_secs_f64() / 0.2;
    // One at each end may be in it or not.
    assert!((ticked - due).abs() <= 2.5, "{ticked} of {due}");
}

/// Lets this process have as many descriptors as it may.
fn raise_own_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).unwrap();
}

#[test]
fn a_thousand_idle_connections_do_not_hurt() {
    let serving = Serving::start(run(&["--all"]));
    let before = resident(&serving);
    raise_own_limit();
    let mut idle: Vec<TcpStream> = Vec::new();
    for number in 0..1000 {
        let mut stream = TcpStream::connect(&serving.address).unwrap();
        if number % 2 == 0 {
            // Half of them begin to speak. One that was closed meanwhile may say so.
            let _ = stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: loc");
        }
        idle.push(stream);
    }
    assert_it_ticks_on(&serving);
    assert_eq!(
        http::get(&serving.address, "/healthz", &[]).unwrap().status,
        200
    );
    let descriptors = ground::entries(serving.procmon.pid(), "fd").unwrap();
    assert!(descriptors < 600, "{descriptors} descriptors");
    let grown = resident(&serving).saturating_sub(before);
    assert!(grown < 32 << 20, "{grown} bytes more");
}

#[test]
fn a_slow_reader_of_a_large_page_does_not_hurt() {
    let children = Victim::start("sleepers=1000 print-ready wait").unwrap();
    children.wait_ready(1).unwrap();
    // Every one of them has every metric.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("procmon.yaml");
    let rule = r#"select: {rules: [{match: 'executable == "victim"'}]}"#;
    std::fs::write(&file, rule).unwrap();
    let serving = Serving::start(run(&["--all", "--config", file.to_str().unwrap()]));
    let size = serving.page().len();
    assert!(size > 10 << 20, "{size}");
    let before = resident(&serving);
    // None of them reads more than what they are given at once.
    let mut slow: Vec<TcpStream> = (0..40)
        .map(|_| {
            let mut stream = TcpStream::connect(&serving.address).unwrap();
            let request = b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
            stream.write_all(request).unwrap();
            // Of different frames.
            thread::sleep(Duration::from_millis(100));
            stream
        })
        .collect();
    for stream in &mut slow {
        stream.read_exact(&mut [0; 100]).unwrap();
    }
    thread::sleep(Duration::from_secs(1));
    let answer = http::get(&serving.address, "/healthz", &[]).unwrap();
    assert_eq!(answer.status, 200);
    let grown = resident(&serving).saturating_sub(before);
    assert!(grown < 64 << 20, "{grown} bytes more for pages of {size}");
    drop(slow);
    assert_it_ticks_on(&serving);
    drop(children);
}

#[test]
fn a_request_that_is_too_large_is_refused() {
    let own = std::process::id().to_string();
    let serving = Serving::start(run(&["--pid", &own]));
    let long = format!(
        "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
        "x".repeat(1 << 20)
    );
    assert_eq!(
        http::send(&serving.address, long.as_bytes())
            .unwrap()
            .status,
        431
    );
    let many = "X: y\r\n".repeat(1000);
    let many = format!("GET /metrics HTTP/1.1\r\nHost: localhost\r\n{many}\r\n");
    assert_eq!(
        http::send(&serving.address, many.as_bytes())
            .unwrap()
            .status,
        431
    );
    let body = format!(
        "POST /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}",
        1 << 20,
        "x".repeat(1 << 10)
    );
    let mut stream = TcpStream::connect(&serving.address).unwrap();
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 405");
    assert_eq!(
        http::send(&serving.address, b"\0\x01garbage\r\n\r\n")
            .unwrap()
            .status,
        400
    );
}
