//! Where it is served, and to whom.

use std::{fs, net::TcpListener, thread, time::Duration};

use procmon_tests::{Output, Procmon, http};

use crate::support::{LIMIT, NEVER, Serving, output, run};

fn own() -> String {
    std::process::id().to_string()
}

/// `procmon run` of ourselves, which ends by itself.
fn short(options: &[&str]) -> Procmon {
    let own = own();
    let options = [&["--pid", &own, "--count", "2"], options].concat();
    run(&options)
}

/// This procmon, told nothing about where to serve.
fn by_default(procmon: Procmon) -> Procmon {
    procmon.env(Procmon::LISTEN, "")
}

fn assert_ends(output: &Output, status: i32, said: &[&str]) {
    assert_eq!(output.status.code(), Some(status), "{output:?}");
    for word in said {
        assert!(output.stderr.contains(word), "no {word:?} in: {output:?}");
    }
}

/// The default address, taken by us or by somebody else.
fn take_the_default() -> Option<TcpListener> {
    TcpListener::bind("127.0.0.1:9464").ok()
}

#[test]
fn a_port_in_use_is_a_warning_when_it_is_the_default() {
    let _taken = take_the_default();
    let output = output(&by_default(short(&[])));
    assert_ends(&output, 0, &["127.0.0.1:9464", "--listen"]);
    assert!(output.stdout.contains("**Process Metrics**"), "{output:?}");
}

#[test]
fn a_port_in_use_is_status_1_when_it_was_asked_for() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let message = format!("cannot listen on {address}");
    let flag = output(&short(&["--listen", &address]));
    assert_ends(&flag, 1, &[&message]);
    assert_eq!(flag.stdout, "");
    let variable = output(&short(&[]).env(Procmon::LISTEN, &address));
    assert_ends(&variable, 1, &[&message]);
    // The default is asked for when somebody says it.
    let _taken = take_the_default();
    let default = output(&short(&["--listen", "127.0.0.1:9464"]));
    assert_ends(&default, 1, &["cannot listen on 127.0.0.1:9464"]);
}

#[test]
fn nothing_is_served_when_it_is_off_or_there_is_one_frame_or_a_command() {
    let quiet = |output: Output| {
        assert_ends(&output, 0, &[]);
        let said = output.stderr.contains("/metrics") || output.stderr.contains("9464");
        assert!(!said, "{output:?}");
    };
    let _taken = take_the_default();
    quiet(output(&by_default(short(&["--listen", "off"]))));
    quiet(output(&short(&[]).env(Procmon::LISTEN, "off")));
    let once = ["--pid", &own(), "--count", "1"];
    quiet(output(&by_default(run(&once))));
    quiet(output(&by_default(
        Procmon::new("exec").args(["--", "true"]),
    )));
}

#[test]
fn a_command_is_served_when_it_is_asked_for() {
    let procmon = Procmon::new("exec")
        .args(["--interval", "200ms", "--listen", "127.0.0.1:0"])
        .args(["--", "sleep", "60"])
        .start()
        .unwrap();
    let address = http::address(&procmon).unwrap();
    let name = "process_executable_name=\"sleep\"";
    http::wait_for_page(&address, "/metrics", |page| page.text().contains(name)).unwrap();
}

#[test]
fn a_strange_host_header_is_refused() {
    let serving = Serving::start(run(&["--pid", &own()]));
    let status = |host: &str| {
        let answer = http::get(&serving.address, "/metrics", &[("Host", host)]).unwrap();
        if answer.status != 200 {
            assert!(
                answer.text().contains("not a name of this server"),
                "{answer:?}"
            );
        }
        answer.status
    };
    for good in ["localhost", "127.0.0.1:9464", "[::1]", "LOCALHOST:1"] {
        assert_eq!(status(good), 200, "{good}");
    }
    for bad in [
        "evil.example",
        "evil.example:9464",
        "127.0.0.1.evil.example",
        "10.0.0.1",
    ] {
        assert_eq!(status(bad), 421, "{bad}");
    }
    let request = b"GET /metrics HTTP/1.1\r\nConnection: close\r\n\r\n";
    let without = http::send(&serving.address, request).unwrap();
    assert_eq!(without.status, 400);
}

#[test]
fn a_name_that_is_listed_is_let_in() {
    let procmon = run(&["--pid", &own()]).env("PROCMON_HTTP_HOSTS", "node1.example,node2");
    let serving = Serving::start(procmon);
    for (host, status) in [("node1.example:9464", 200), ("node2", 200), ("node3", 421)] {
        let answer = http::get(&serving.address, "/metrics", &[("Host", host)]).unwrap();
        assert_eq!(answer.status, status, "{host}");
    }
}

#[test]
fn another_address_than_loopback_needs_allow_remote() {
    let refused = output(&short(&["--listen", "0.0.0.0:0"]));
    assert_ends(
        &refused,
        2,
        &["0.0.0.0:0", "--allow-remote", "http.token_file"],
    );
    let allowed = output(&short(&["--listen", "0.0.0.0:0", "--allow-remote"]));
    assert_ends(&allowed, 0, &["http://0.0.0.0:", "set http.token_file"]);
}

#[test]
fn a_token_is_asked_for_when_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    fs::write(&file, "hush-hush\n").unwrap();
    let own = own();
    let procmon = run(&["--pid", &own, "--listen", "127.0.0.1:0"])
        .env("PROCMON_HTTP_TOKEN_FILE", &file)
        .start()
        .unwrap();
    let address = http::address(&procmon).unwrap();
    let status =
        |path: &str, headers: &[(&str, &str)]| http::get(&address, path, headers).unwrap().status;
    let right = ("Authorization", "Bearer hush-hush");
    http::wait_for_page(&address, "/readyz", |answer| answer.status == 200).unwrap();
    assert_eq!(status("/metrics", &[right]), 200);
    assert_eq!(status("/metrics", &[]), 401);
    assert_eq!(status("/metrics", &[("Authorization", "Bearer hush")]), 401);
    assert_eq!(status("/healthz", &[]), 200);
    assert!(!procmon.stderr().contains("hush"), "{}", procmon.stderr());

    let empty = folder.path().join("empty");
    fs::write(&empty, "\n").unwrap();
    let short = || short(&["--listen", "127.0.0.1:0"]);
    let refused = short().env("PROCMON_HTTP_TOKEN_FILE", &empty);
    assert_ends(&output(&refused), 2, &["http.token_file", "one word"]);
    let missing = short().env("PROCMON_HTTP_TOKEN_FILE", folder.path().join("none"));
    assert_ends(&output(&missing), 2, &["http.token_file", "No such file"]);
}

#[test]
fn an_address_that_is_none_is_told_how_to_write_one() {
    for wrong in ["9464", ":9464", "127.0.0.1", "::1:9464", ""] {
        let refused = output(&short(&["--listen", wrong]));
        assert_ends(&refused, 2, &["127.0.0.1:9464"]);
    }
}

#[test]
fn it_ends_while_clients_are_connected() {
    let own = own();
    let serving = Serving::start(Procmon::new("run").args(["--interval", NEVER, "--pid", &own]));
    let clients: Vec<_> = (0..10)
        .map(|_| std::net::TcpStream::connect(&serving.address).unwrap())
        .collect();
    thread::sleep(Duration::from_millis(100));
    serving.procmon.signal(libc::SIGTERM).unwrap();
    let output = serving.procmon.wait(LIMIT).unwrap();
    assert!(
        output.status.success() && output.took < Duration::from_secs(10),
        "{output:?}"
    );
    drop(clients);
}
