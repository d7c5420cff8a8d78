//! Collectors that do not answer as they should: nothing is lost by them.

use std::time::Duration;

use procmon_tests::{Procmon, receiver::Manner, watching::at_once};

use crate::outage::*;

/// It misbehaves for some seconds, then takes everything: all of it is there.
fn assert_nothing_is_lost_by(manner: Manner, said: &str) {
    let scene = Outage::with(3);
    scene.receiver.behave(manner);
    let procmon = scene.procmon(INTERVAL).start().unwrap();
    scene.wait_ticks(8);
    scene.receiver.behave(Manner::Take);
    scene.wait_ticks(2);
    let output = end(procmon);
    assert!(output.stderr.contains(said), "{output:?}");
    let tries = output.stderr.matches("trying again until it works").count();
    assert_eq!(tries, 1, "{output:?}");
    scene.assert_all_arrived();
}

#[test]
fn a_collector_that_answers_garbage_gets_everything_when_it_has_recovered() {
    assert_nothing_is_lost_by(Manner::Garbage, "invalid HTTP");
}

#[test]
fn a_collector_that_never_answers_gets_everything_when_it_does() {
    assert_nothing_is_lost_by(Manner::Silent, "no answer within 700 ms");
}

#[test]
fn a_collector_that_accepts_one_byte_a_second_gets_everything_when_it_is_faster() {
    assert_nothing_is_lost_by(Manner::Trickle, "no answer within 700 ms");
}

#[test]
fn a_collector_without_room_gets_everything_when_it_has_some() {
    let manner = Manner::Refuse("429 Too Many Requests", "retry-after: 1\r\n");
    assert_nothing_is_lost_by(manner, "429");
}

/// The same over gRPC, of which our receiver understands nothing: the spool has all of it for
/// whoever comes next.
fn over_grpc(procmon: Procmon) -> Procmon {
    procmon.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
}

#[test]
fn over_grpc_garbage_silence_and_a_trickle_lose_nothing_either() {
    let manners = [Manner::Garbage, Manner::Silent, Manner::Trickle];
    at_once(manners, |manner| {
        let scene = Outage::with(3);
        scene.receiver.behave(manner);
        let procmon = over_grpc(scene.procmon(INTERVAL)).start().unwrap();
        scene.wait_ticks(6);
        let output = end(procmon);
        assert!(output.stderr.contains("stay in the spool"), "{output:?}");
        assert!(output.took < Duration::from_secs(20), "{output:?}");
        scene.receiver.behave(Manner::Take);
        let procmon = scene.procmon(INTERVAL).start().unwrap();
        scene.wait_ticks(2);
        end(procmon);
        scene.assert_all_arrived();
    });
}
