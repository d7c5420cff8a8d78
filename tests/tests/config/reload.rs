//! SIGHUP: the configuration is read again while procmon runs.

use std::{
    collections::BTreeSet,
    fs,
    io::{ErrorKind::ConnectionReset, Read as _, Write as _},
    net::TcpStream,
};

use procmon_tests::{
    Collector, Procmon, Program, Protocol, Victim, address, http, jsonl::Object, loaded, need,
    program::SOON,
};

use crate::support::*;

const OPENS: &str =
    "procmon.file_descriptor.operations{procmon.file_descriptor.operation=\"open\"}";
const THREADS: &str = "process.thread.count";

impl Folder {
    /// Writes the configuration anew and has procmon read it; waits until this has been said for
    /// the n-th time.
    fn reload(&self, procmon: &Program, configuration: &str, said: &str, times: usize) {
        fs::write(self.path("procmon.yaml"), configuration).unwrap();
        procmon.signal(libc::SIGHUP).unwrap();
        wait_said(procmon, said, times);
    }
}

fn wait_said(procmon: &Program, said: &str, times: usize) {
    let enough = |text: &str| text.matches(said).count() >= times;
    procmon.wait_for_stderr(SOON, enough).unwrap();
}

/// `procmon run --config procmon.yaml --jsonl -` in a folder.
fn run(folder: &Folder) -> Procmon {
    Procmon::new("run")
        .folder(&folder.path(""))
        .args(["--config", "procmon.yaml", "--jsonl", "-"])
}

/// Waits for an object of which this holds; objects before it are passed over.
fn wait_object(procmon: &Program, holds: impl Fn(&Object) -> bool) -> Object {
    let found = |text: &str| objects(text).into_iter().rfind(|object| holds(object));
    let text = procmon.wait_for_stdout(SOON, |text| found(text).is_some());
    found(&text.unwrap()).unwrap()
}

/// Waits until there are this many more objects, and returns those.
fn wait_more(procmon: &Program, more: usize) -> Vec<Object> {
    let before = objects(&procmon.stdout()).len();
    wait_objects(procmon, before + more).split_off(before)
}

#[test]
fn sighup_with_a_broken_file_keeps_the_old_configuration_and_says_so_and_counters_do_not_restart_on_a_good_one()
 {
    let collector = need!(Collector::rotel().unwrap());
    let mut victim =
        Victim::held_before("open=70 print-ready wait open=70 print-ready wait").unwrap();
    let folder = Folder::with("interval: 300ms\n");
    let procmon = run(&folder)
        .pid(victim.pid())
        .args(["--otlp", &collector.endpoint(Protocol::Grpc)])
        .start()
        .unwrap();
    wait_objects(&procmon, 1);
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    let opened = |count: f64| move |object: &Object| object.get(OPENS) == Some(count);
    wait_object(&procmon, opened(70.0));

    folder.reload(&procmon, "intervall: 1s\n", "stays as it was", 1);
    wait_said(
        &procmon,
        "procmon.yaml:1:1: unknown key \"intervall\": did you mean `interval`?",
        1,
    );
    folder.reload(&procmon, "interval: 1ms\n", "stays as it was", 2);
    wait_object(&procmon, opened(70.0));
    assert!(wait_more(&procmon, 3).iter().all(opened(70.0)));

    let good = "interval: 50ms\nselect: {top: 5}\nkernel: {max_processes: 9}\n";
    folder.reload(&procmon, good, "changed: interval, select.top\n", 1);
    wait_said(
        &procmon,
        "what needs a restart stays as it was: kernel.max_processes",
        1,
    );
    victim.go().unwrap();
    victim.wait_ready(3).unwrap();
    wait_object(&procmon, opened(140.0));
    // One tick of the old interval may have been under way.
    let more = wait_more(&procmon, 9);
    let times: Vec<&str> = more
        .iter()
        .map(|o| o.json["timestamp"].as_str().unwrap())
        .collect();
    let seconds: BTreeSet<&str> = times.iter().map(|time| &time[..19]).collect();
    assert!(
        seconds.len() <= 2,
        "nine of 50 ms take less than two seconds: {times:?}"
    );

    let pid = Some(i64::from(victim.pid()));
    let attributes = [("procmon.file_descriptor.operation", "open")];
    let metric = "procmon.file_descriptor.operations";
    let of = |point: &&procmon_tests::Point| point.pid() == pid && point.is(metric, &attributes);
    let points = collector.wait_for(SOON, |points| {
        let mut ours = points.iter().filter(of);
        ours.any(|point| point.value == Some(140.0))
    });
    let points = points.unwrap();
    let starts: BTreeSet<u64> = points.iter().filter(of).map(|point| point.start).collect();
    assert_eq!(starts.len(), 1, "the counter began once");
    let values: Vec<f64> = points
        .iter()
        .filter(of)
        .filter_map(|point| point.value)
        .collect();
    assert!(values.is_sorted() && values.contains(&70.0), "{values:?}");
    end(procmon);
}

#[test]
fn a_switch_that_goes_off_and_on_takes_its_metrics_away_and_back_and_restarts_no_counter() {
    let mut victim = Victim::held_before("open=7 print-ready wait").unwrap();
    let folder = Folder::with("interval: 50ms\n");
    let procmon = run(&folder).pid(victim.pid()).start().unwrap();
    wait_objects(&procmon, 1);
    victim.go().unwrap();
    victim.wait_ready(2).unwrap();
    wait_object(&procmon, |object| object.get(OPENS) == Some(7.0));
    let minimal = "interval: 50ms\nprofile: minimal\n";
    folder.reload(&procmon, minimal, "changed: profile\n", 1);
    let last = |wanted: bool| {
        let text = procmon.wait_for_stdout(SOON, |text| {
            let objects = objects(text);
            let last = objects.last().unwrap();
            last.get(OPENS).is_some() == wanted && last.get(THREADS).is_some() == wanted
        });
        objects(&text.unwrap()).pop().unwrap()
    };
    assert!(last(false).get("process.memory.usage").is_some());
    folder.reload(&procmon, "interval: 50ms\n", "changed: profile\n", 2);
    assert_eq!(last(true).get(OPENS), Some(7.0));
    end(procmon);
}

#[test]
fn what_was_not_loaded_at_the_start_is_told_to_need_a_restart_and_is_absent_not_0() {
    let victim = Victim::held_before("").unwrap();
    let folder = Folder::with("interval: 50ms\nprofile: minimal\n");
    let procmon = run(&folder).pid(victim.pid()).start().unwrap();
    wait_objects(&procmon, 1);
    let standard = "interval: 50ms\nprofile: standard\n";
    let said =
        "these probes were switched off at the start and need a restart: send, receive, open";
    folder.reload(&procmon, standard, said, 1);
    let object = wait_object(&procmon, |object| object.get(THREADS).is_some());
    assert_eq!(object.get(OPENS), None, "{object:?}");
    end(procmon);
}

#[test]
fn rules_that_say_whom_to_watch_change_whom_and_no_rules_are_refused() {
    let [first, second] = [(); 2].map(|()| Victim::held_before("").unwrap());
    let rule = |pid: u32| format!("interval: 50ms\nselect: {{rules: [{{match: pid == {pid}}}]}}\n");
    let folder = Folder::with(rule(first.pid()));
    for road in ROADS {
        fs::write(folder.path("procmon.yaml"), rule(first.pid())).unwrap();
        let procmon = run(&folder).args(road).start().unwrap();
        wait_object(&procmon, |object| object.pid == first.pid());
        folder.reload(&procmon, &rule(second.pid()), "changed: select.rules\n", 1);
        wait_object(&procmon, |object| object.pid == second.pid());
        assert!(
            wait_more(&procmon, 3)
                .iter()
                .all(|object| object.pid == second.pid())
        );
        folder.reload(
            &procmon,
            "interval: 50ms\n",
            "stays as it was: nothing to watch",
            1,
        );
        assert!(
            wait_more(&procmon, 3)
                .iter()
                .all(|object| object.pid == second.pid())
        );
        end(procmon);
    }
}

#[test]
fn enabled_false_attaches_and_exports_nothing_and_says_so_until_a_sighup_finds_true() {
    let victim = Victim::held_before("").unwrap();
    let folder = Folder::with("enabled: false\n");
    let procmon = run(&folder).pid(victim.pid()).start().unwrap();
    let off =
        "switched off by procmon.yaml:1:10: enabled: nothing is attached, collected or exported";
    wait_said(&procmon, off, 1);
    let nothing = |procmon: &Program| {
        let pid = procmon.pid();
        wait_until("no program", || loaded::programs(pid).unwrap().is_empty());
        let before = procmon.stdout();
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(procmon.stdout(), before);
    };
    nothing(&procmon);
    assert_eq!(procmon.stdout(), "");
    folder.reload(
        &procmon,
        "enabled: false\ninterval: 1ms\n",
        "stays as it was",
        1,
    );
    nothing(&procmon);

    let on = "enabled: true\ninterval: 50ms\n";
    folder.reload(&procmon, on, "watching pid", 1);
    wait_objects(&procmon, 3);
    // Threads of its own that have ended meanwhile do not have it doubt the kernel.
    assert!(
        !procmon.stderr().contains("no eBPF"),
        "{}",
        procmon.stderr()
    );
    assert!(!loaded::programs(procmon.pid()).unwrap().is_empty());
    folder.reload(&procmon, "enabled: false\ninterval: 50ms\n", off, 2);
    nothing(&procmon);
    folder.reload(&procmon, on, "watching pid", 2);
    wait_more(&procmon, 3);
    let said = end(procmon).stderr;
    assert!(!said.contains("no eBPF"), "{said}");
}

#[test]
fn switched_off_it_answers_healthz_and_readyz_at_the_address_at_which_it_serves_when_it_is_on() {
    let victim = Victim::held_before("").unwrap();
    let off = "enabled: false\n";
    let on = "enabled: true\ninterval: 50ms\n";
    let folder = Folder::with(off);
    let address = address::free();
    let run = run(&folder).pid(victim.pid()).args(["--listen", &address]);
    let procmon = run.start().unwrap();
    let said = format!("SIGHUP once it is true; http://{address}/healthz");
    let idles = |times: usize| {
        wait_said(&procmon, &said, times);
        let asked = |path: &str| http::get(&address, path, &[]).unwrap();
        let health = asked("/healthz");
        assert_eq!(health.status, 200, "{health:?}");
        let ready = asked("/readyz");
        assert_eq!(ready.status, 200, "{ready:?}");
        assert!(ready.text().contains("`enabled` is false"), "{ready:?}");
        let metrics = asked("/metrics");
        assert_eq!(metrics.status, 503, "{metrics:?}");
        assert!(metrics.text().contains("switched off"), "{metrics:?}");
    };
    let watches = |times: usize| {
        folder.reload(&procmon, on, "watching pid", times);
        let served = |answer: &http::Answer| answer.status == 200;
        let page = http::wait_for_page(&address, "/metrics", served).unwrap();
        let pid = format!("process_pid=\"{}\"", victim.pid());
        assert!(page.text().contains(&pid));
    };
    idles(1);
    watches(1);
    // A connection that is kept open must not go on to tell of the past.
    let mut kept = TcpStream::connect(&address).unwrap();
    kept.set_read_timeout(Some(SOON)).unwrap();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    kept.write_all(request.as_bytes()).unwrap();
    assert_eq!(kept.read(&mut [0; 4096]).unwrap().min(1), 1);
    folder.reload(&procmon, off, "switched off by", 2);
    idles(2);
    let rest = kept.read_to_end(&mut Vec::new());
    assert!(rest.is_ok() || rest.is_err_and(|error| error.kind() == ConnectionReset));
    watches(2);
    end(procmon);
}

#[test]
fn the_name_that_another_monitor_gives_to_the_switch_is_understood() {
    let run = Procmon::new("run")
        .pid(std::process::id())
        .args(["--duration", "200ms"])
        .env("PROPLET_ENABLE_MONITORING", "false");
    let output = output(&run);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        output
            .stderr
            .contains("switched off by PROPLET_ENABLE_MONITORING"),
        "{output:?}"
    );
    assert_eq!(output.stdout, "", "{output:?}");
}
