//! The message: its topics, its keys, and its values.

use procmon_tests::{Procmon, Victim, broker::Broker, ground, need};

use crate::support::*;

const METRICS: [&str; 11] = [
    "cpu_usage_percent",
    "disk_read_bytes",
    "disk_write_bytes",
    "file_descriptor_count",
    "memory_usage_bytes",
    "memory_usage_percent",
    "network_rx_bytes",
    "network_tx_bytes",
    "thread_count",
    "timestamp",
    "uptime_seconds",
];
const AGGREGATED: [&str; 9] = [
    "avg_cpu_usage",
    "avg_memory_usage",
    "max_cpu_usage",
    "max_memory_usage",
    "sample_count",
    "total_disk_read",
    "total_disk_write",
    "total_network_rx",
    "total_network_tx",
];

#[test]
fn mosquitto_sub_shows_the_message_key_for_key_on_each_documented_topic() {
    let broker = need!(Broker::open().unwrap());
    let victim = Victim::held_before("").unwrap();
    for (template, topic) in TOPICS.iter().zip([
        "m/domain-123/c/channel-456/metrics/proplet",
        "m/domain-123/c/channel-456/control/proplet/task_metrics",
    ]) {
        let exact = broker.listen(topic).unwrap();
        let rule = "select: {rules: [{match: 'pid > 0', task_id: 550e8400-e29b}]}";
        let template = format!(", topic: '{template}'");
        let folder = configuration(broker.address(), &template, rule);
        let run = configured(&folder, &["--count", "2", "--interval", "100ms"]);
        let ended = output(&run.pid(victim.pid()));
        assert!(ended.status.success(), "{ended:?}");
        let messages = exact.wait_for(|messages| messages.len() >= 2).unwrap();
        assert_eq!(messages.len(), 2);
        for message in &messages {
            assert_eq!(message.topic, topic);
            let json = &message.json;
            assert_eq!(
                keys(json),
                ["aggregated", "metrics", "proplet_id", "task_id"]
            );
            assert_eq!(json["task_id"], "550e8400-e29b");
            assert_eq!(json["proplet_id"], "proplet-1");
        }
        // The first tick knows no CPU use yet: no guess, and not 0.
        let not_cpu = |key: &&str| !key.contains("cpu");
        let first: Vec<&str> = METRICS.into_iter().filter(not_cpu).collect();
        assert_eq!(keys(&messages[0].json["metrics"]), first);
        assert_eq!(keys(&messages[1].json["metrics"]), METRICS);
        assert_eq!(keys(&messages[1].json["aggregated"]), AGGREGATED);
    }
}

#[test]
fn the_pattern_of_all_metrics_finds_the_default_topic() {
    let broker = need!(Broker::open().unwrap());
    let victim = Victim::held_before("").unwrap();
    let all = broker.listen("m/+/c/+/metrics/#").unwrap();
    frames(&broker, victim.pid(), 1, &[]);
    let messages = all.wait_for(|messages| !messages.is_empty()).unwrap();
    assert_eq!(messages[0].topic, TOPIC);
}

#[test]
fn without_a_rule_the_task_is_the_process_and_variables_alone_are_enough() {
    let broker = need!(Broker::open().unwrap());
    let victim = Victim::held_before("").unwrap();
    let listener = broker.listen("#").unwrap();
    let run = Procmon::new("run")
        .pid(victim.pid())
        .args(["--count", "1"])
        .env(
            "PROCMON_EXPORT_MQTT_URL",
            format!("mqtt://{}", broker.address()),
        )
        .env("DOMAIN_ID", "d")
        .env("CHANNEL_ID", "c");
    let ended = output(&run);
    assert!(ended.status.success(), "{ended:?}");
    // With somewhere to go to, there is no report.
    assert_eq!(ended.stdout, "");
    let messages = listener.wait_for(|messages| !messages.is_empty()).unwrap();
    assert_eq!(messages[0].topic, "m/d/c/c/metrics/proplet");
    let json = &messages[0].json;
    let task = json["task_id"].as_str().unwrap();
    let (pid, created) = task.split_once('-').unwrap();
    assert_eq!(pid, victim.pid().to_string());
    // `btime` plus the start in hundredths of a second, in ms.
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let btime = stat.lines().find_map(|line| line.strip_prefix("btime "));
    let btime: u64 = btime.unwrap().parse().unwrap();
    let started = ground::stat(victim.pid(), 22).unwrap();
    let created: u64 = created.parse().unwrap();
    assert!(created.abs_diff(btime * 1000 + started * 10) <= 1000);
    let host = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
    assert_eq!(json["proplet_id"], host.trim());
}

/// The most bytes of a resident set that the CPUs may not have handed in.
fn batches() -> f64 {
    // SAFETY: sysconf(3) only reads.
    let [cpus, page] = [libc::_SC_NPROCESSORS_ONLN, libc::_SC_PAGESIZE]
        .map(|name| unsafe { libc::sysconf(name) } as f64);
    3.0 * (2.0 * cpus).max(32.0) * page * cpus
}

#[test]
fn the_values_agree_with_proc() {
    let broker = need!(Broker::open().unwrap());
    let victim = Victim::held_before("").unwrap();
    let pid = victim.pid();
    ground::cpu_ns_at_rest(pid).unwrap();
    for road in ROADS {
        let message = frames(&broker, pid, 3, road).pop().unwrap();
        let of_proc = [
            ("thread_count", ground::line(pid, "status", "Threads")),
            ("file_descriptor_count", ground::entries(pid, "fd")),
            ("disk_read_bytes", ground::line(pid, "io", "read_bytes")),
            ("disk_write_bytes", ground::line(pid, "io", "write_bytes")),
        ];
        for (key, value) in of_proc {
            let told = message.metric(key);
            assert_eq!(told, Some(value.unwrap() as f64), "{key} {road:?}");
        }
        // By /proc to the page. The kernel's own sum lacks what each CPU has not handed in yet, less
        // than a batch of 32 pages or twice the CPUs for each of three kinds.
        let status = ground::line(pid, "status", "VmRSS").unwrap() as f64;
        let rss = message.metric("memory_usage_bytes").unwrap();
        let apart = if road.is_empty() { batches() } else { 0.0 };
        assert!((rss - status).abs() <= apart, "{rss} {status} {road:?}");
        assert_eq!(message.metric("cpu_usage_percent"), Some(0.0), "{road:?}");
        let total = std::fs::read_to_string("/proc/meminfo").unwrap();
        let total = total
            .lines()
            .next()
            .unwrap()
            .split_whitespace()
            .nth(1)
            .unwrap();
        let percent = rss / (total.parse::<f64>().unwrap() * 1024.0) * 100.0;
        let told = message.metric("memory_usage_percent").unwrap();
        assert!((told - percent).abs() <= 0.005, "{told} {percent}");
    }
}

#[test]
fn every_watched_process_has_one_message_a_tick_and_a_last_one() {
    let broker = need!(Broker::open().unwrap());
    let listener = broker.listen(TOPIC).unwrap();
    let first = Victim::held_before("").unwrap();
    let other = Victim::held_before("").unwrap();
    let pids = [first.pid(), other.pid()];
    let folder = configuration(broker.address(), "", "");
    let run = configured(&folder, &["--interval", NEVER, "--jsonl", "-"]);
    let procmon = pids
        .iter()
        .fold(run, |run, pid| run.pid(*pid))
        .start()
        .unwrap();
    wait_objects(&procmon, 2);
    first.finish().unwrap();
    other.finish().unwrap();
    let text = procmon.wait(LIMIT).unwrap().stdout;
    let messages = listener.wait_for(|messages| messages.len() >= 4).unwrap();
    let told = |objects: Vec<(String, Option<f64>)>| {
        let mut told = objects;
        told.sort_by(|a, b| a.partial_cmp(b).unwrap());
        told
    };
    let of_messages = messages.iter().map(|message| {
        let task = message.json["task_id"].as_str().unwrap();
        let pid = task.split('-').next().unwrap();
        (
            format!("{} {pid}", message.timestamp()),
            message.metric("memory_usage_bytes"),
        )
    });
    let lines = objects(&text);
    let of_objects = lines.iter().map(|object| {
        let at = object.json["timestamp"].as_str().unwrap();
        (
            format!("{at} {}", object.pid),
            object.get("process.memory.usage"),
        )
    });
    assert_eq!(told(of_messages.collect()), told(of_objects.collect()));
    // The last one has final totals and holds nothing any more.
    let last = messages
        .iter()
        .filter(|m| m.metric("memory_usage_bytes").is_none());
    assert_eq!(last.clone().count(), 2);
    assert!(last.clone().all(|m| m.metric("disk_read_bytes").is_some()));
    assert!(
        last.clone()
            .all(|m| m.aggregated("sample_count") == Some(2.0))
    );
}
