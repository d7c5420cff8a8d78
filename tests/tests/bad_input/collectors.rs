//! Collectors that are absent, silent, failing, or come back.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use procmon_tests::{
    Collector, Procmon, Protocol, Victim, address, need, program::SOON, strace::MEMORY,
};

use crate::support::*;

const PROTOCOLS: [Protocol; 2] = [Protocol::Grpc, Protocol::Http];

/// Ten frames, counted by the lines on stdout, sent to this address.
fn ten_frames(address: &str, protocol: Protocol) -> Procmon {
    watch(&[std::process::id()], "50ms")
        .args(["--count", "10"])
        .otlp(&format!("http://{address}"), protocol)
}

/// It kept its frames, ended well, and named the collector it could not deliver to.
fn assert_undelivered(procmon: &Procmon, address: &str) -> String {
    let output = output(procmon);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(
        objects(&output.stdout).len(),
        10,
        "every frame is there: {output:?}"
    );
    let said = output
        .stderr
        .lines()
        .filter(|line| line.contains("not delivered"));
    let said: Vec<&str> = said.collect();
    assert!(
        said.iter().any(|line| line.contains("points")),
        "{output:?}"
    );
    assert!(said.iter().all(|line| line.contains(address)), "{output:?}");
    assert!(!output.stderr.contains("panicked"), "{output:?}");
    output.stderr
}

#[test]
fn a_collector_that_is_not_there_is_said_once_and_costs_no_frame() {
    let addresses = PROTOCOLS.map(|protocol| (protocol, address::free()));
    at_once(addresses, |(protocol, address)| {
        let said = assert_undelivered(&ten_frames(&address, protocol), &address);
        assert_eq!(times(&said, "trying again until it works"), 1, "{said}");
        assert!(said.contains("refused"), "{said}");
    });
}

#[test]
fn a_collector_that_never_answers_costs_no_frame_and_the_end_is_bounded() {
    at_once(PROTOCOLS, |protocol| {
        // Connections wait in its backlog: they are open, and nobody reads.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = silent.local_addr().unwrap().to_string();
        assert_undelivered(&ten_frames(&address, protocol), &address);
    });
}

#[test]
fn a_name_that_cannot_be_resolved_costs_no_frame() {
    let address = "no-such-host.invalid:4317";
    assert_undelivered(&ten_frames(address, Protocol::Grpc), address);
}

/// Answers HTTP requests, the n-th with what `answer` says, and counts them.
fn serve(answer: fn(usize) -> &'static str) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let count = Arc::clone(&count);
            std::thread::spawn(move || talk(stream, &count, answer));
        }
    });
    (address, requests)
}

fn talk(stream: TcpStream, count: &AtomicUsize, answer: fn(usize) -> &'static str) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut stream = stream;
    loop {
        let mut length = 0;
        let mut lines = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).ok()? == 0 {
                return None;
            }
            lines += 1;
            let line = line.trim_end().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = value.trim().parse().ok()?;
            }
            if line.is_empty() && lines > 1 {
                break;
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let status = answer(count.fetch_add(1, Ordering::SeqCst));
        let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\n");
        stream
            .write_all(format!("{head}content-length: 0\r\n\r\n").as_bytes())
            .ok()?;
    }
}

#[test]
fn a_collector_that_answers_errors_is_tried_again() {
    let (address, requests) = serve(|_| "503 Service Unavailable");
    let said = assert_undelivered(&ten_frames(&address, Protocol::Http), &address);
    assert!(said.contains("503"), "{said}");
    assert_eq!(times(&said, "trying again until it works"), 1, "{said}");
    assert!(requests.load(Ordering::SeqCst) > 2);
}

#[test]
fn a_collector_that_is_overloaded_at_first_gets_everything_in_the_end() {
    let (address, requests) = serve(|n| {
        if n < 4 {
            "429 Too Many Requests"
        } else {
            "200 OK"
        }
    });
    let output = output(&ten_frames(&address, Protocol::Http));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!output.stderr.contains("not delivered"), "{output:?}");
    assert!(output.stderr.contains("answers again"), "{output:?}");
    assert!(requests.load(Ordering::SeqCst) >= 14);
}

#[test]
fn a_collector_that_refuses_for_good_is_said_once_and_not_tried_again() {
    let (address, requests) = serve(|_| "400 Bad Request");
    let output = output(&ten_frames(&address, Protocol::Http));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(objects(&output.stdout).len(), 10, "{output:?}");
    assert_eq!(
        times(&output.stderr, "a batch was refused"),
        1,
        "{output:?}"
    );
    // Ten of processes, few of procmon's own.
    assert!((10..20).contains(&requests.load(Ordering::SeqCst)));
}

#[test]
fn a_collector_that_dies_and_comes_back_has_the_later_values() {
    let mut collectors = Vec::new();
    for protocol in PROTOCOLS {
        collectors.push((protocol, need!(Collector::rotel().unwrap())));
    }
    at_once(collectors, |(protocol, mut collector)| {
        let mut victim = Victim::held_before("mmap=1000:8192 print-ready wait").unwrap();
        let url = collector.endpoint(protocol);
        let procmon = watch(&[victim.pid()], "100ms")
            .otlp(&url, protocol)
            .start()
            .unwrap();
        let pid = i64::from(victim.pid());
        let mmaps = |points: &[procmon_tests::Point]| {
            let own = points.iter().filter(|point| point.pid() == Some(pid));
            own.filter(|point| point.is(MEMORY, &[("procmon.memory.operation", "mmap")]))
                .filter_map(|point| point.value)
                .next_back()
        };
        let before = collector.wait_for(SOON, |points| mmaps(points).is_some());
        let before = mmaps(&before.unwrap()).unwrap();
        collector.stop().unwrap();
        victim.go().unwrap();
        victim.wait_ready(2).unwrap();
        procmon
            .wait_for_stderr(SOON, |text| text.contains("trying again until it works"))
            .unwrap();
        let frames = objects(&procmon.stdout()).len();
        wait_objects(&procmon, frames + 5);
        collector.start_again().unwrap();
        collector
            .wait_for(LIMIT, |points| mmaps(points) == Some(before + 1000.0))
            .unwrap();
        procmon.signal(libc::SIGINT).unwrap();
        let output = procmon.wait(LIMIT).unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stderr.contains("answers again"), "{output:?}");
        assert!(
            !output.stderr.contains("points were not delivered"),
            "{output:?}"
        );
    });
}
