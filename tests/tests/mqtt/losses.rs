//! Brokers that come and go, or are not there: what arrives, what is lost, and that it is counted.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use procmon_tests::{
    Collector, Point, Protocol, Victim, address, broker::Broker, need, program::SOON,
};

use crate::{proxy::Proxy, support::*};

/// Room in the history for every frame of a test: the samples in it number the frames.
const ALL: &str = "history: {size: 1000}";

/// Of which frame a message is, from 1 on. Its time does not tell that: a frame that was late and
/// the next may be of the same millisecond.
fn number(message: &Message) -> u64 {
    message.aggregated("sample_count").unwrap() as u64
}

fn numbers(messages: &[Message]) -> BTreeSet<u64> {
    messages.iter().map(number).collect()
}

/// The greatest number that was told of messages with this outcome.
fn outcome(points: &[Point], outcome: &str) -> u64 {
    let attributes = [("procmon.exporter", "mqtt"), ("procmon.outcome", outcome)];
    let is = |point: &&Point| point.is("procmon.agent.export.batches", &attributes);
    let values = points.iter().filter(is).filter_map(|point| point.value);
    values.fold(0.0, f64::max) as u64
}

#[test]
fn a_broker_that_disconnects_every_second_has_every_message_of_qos_1() {
    let broker = need!(Broker::open().unwrap());
    let listener = broker.listen(TOPIC).unwrap();
    let proxy = Proxy::new(broker.address(), Duration::from_secs(1)).unwrap();
    let victim = Victim::held_before("").unwrap();
    let folder = configuration(proxy.address(), "", ALL);
    let run = configured(&folder, &["--interval", "20ms", "--count", "250"]);
    let ended = output(&run.pid(victim.pid()));
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.contains("trying again"), "{ended:?}");
    assert!(ended.stderr.contains("it answers again"), "{ended:?}");
    assert!(!ended.stderr.contains("not delivered"), "{ended:?}");
    assert!(proxy.cut() >= 3, "{}", proxy.cut());
    let messages = listener
        .wait_for(|messages| numbers(messages).len() >= 250)
        .unwrap();
    assert_eq!(numbers(&messages), (1..=250).collect());
    // One may come twice, but in order but for that.
    let mut newest = 0;
    let mut again = 0;
    for message in &messages {
        again += usize::from(number(message) <= newest);
        newest = newest.max(number(message));
    }
    assert_eq!(again, messages.len() - 250);
}

#[test]
fn a_broker_that_is_killed_and_comes_back_gets_what_waited() {
    let mut broker = need!(Broker::open().unwrap());
    let victim = Victim::held_before("").unwrap();
    let folder = configuration(broker.address(), "", ALL);
    let listener = broker.listen(TOPIC).unwrap();
    let run = configured(&folder, &["--interval", "50ms", "--count", "100"]);
    let procmon = run.pid(victim.pid()).start().unwrap();
    listener.wait_for(|messages| messages.len() >= 5).unwrap();
    broker.stop().unwrap();
    procmon
        .wait_for_stderr(SOON, |text| text.contains("trying again"))
        .unwrap();
    let before = numbers(&listener.messages().unwrap());
    broker.start_again().unwrap();
    let listener = broker.listen(TOPIC).unwrap();
    let ended = procmon.wait(LIMIT).unwrap();
    assert!(ended.stderr.contains("it answers again"), "{ended:?}");
    assert!(!ended.stderr.contains("not delivered"), "{ended:?}");
    listener
        .wait_for(|messages| &numbers(messages) | &before == (1..=100).collect())
        .unwrap();
}

#[test]
fn a_dead_broker_delays_no_tick_and_what_is_lost_is_counted() {
    let collector = need!(Collector::rotel().unwrap());
    need!(Broker::open().unwrap());
    let victim = Victim::held_before("").unwrap();
    let folder = configuration(&address::free(), ", queue: 5", "");
    let begun = Instant::now();
    let run = configured(
        &folder,
        &["--interval", "50ms", "--count", "40", "--jsonl", "-"],
    );
    let run = run.args(["--otlp", &collector.endpoint(Protocol::Grpc)]);
    let ended = output(&run.pid(victim.pid()));
    // Two seconds of frames, and at most five of delivery.
    assert!(
        begun.elapsed() < Duration::from_secs(9),
        "{:?}",
        begun.elapsed()
    );
    assert!(ended.status.success(), "{ended:?}");
    assert!(
        ended.stderr.contains("5 messages were not delivered"),
        "{ended:?}"
    );
    assert!(
        ended.stderr.contains("there is no room for more"),
        "{ended:?}"
    );
    assert_eq!(objects(&ended.stdout).len(), 40);
    let points = collector
        .wait_for(SOON, |points| outcome(points, "dropped") > 0)
        .unwrap();
    // All but the five that still wait when the last values are exported.
    let dropped = outcome(&points, "dropped");
    assert!((34..=35).contains(&dropped), "{dropped}");
    let late = points
        .iter()
        .filter(|p| p.metric == "procmon.agent.tick.late");
    let late = late.filter_map(|point| point.value).fold(0.0, f64::max);
    assert_eq!(late, 0.0);
}
