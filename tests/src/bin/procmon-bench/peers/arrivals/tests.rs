use std::time::SystemTime;

use opentelemetry_proto::tonic::{
    common::v1::AnyValue,
    metrics::v1::{Gauge, Metric, NumberDataPoint, ScopeMetrics},
    resource::v1::Resource,
};

use super::*;

fn resource(pid: i64, created: &str, time: u64) -> ResourceMetrics {
    let attribute = |key: &str, value| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    };
    let point = NumberDataPoint {
        time_unix_nano: time,
        ..NumberDataPoint::default()
    };
    let metric = Metric {
        data: Some(Data::Gauge(Gauge {
            data_points: vec![point.clone(), point],
        })),
        ..Metric::default()
    };
    ResourceMetrics {
        resource: Some(Resource {
            attributes: vec![
                attribute("process.pid", Value::IntValue(pid)),
                attribute(
                    "process.creation.time",
                    Value::StringValue(created.to_owned()),
                ),
            ],
            ..Resource::default()
        }),
        scope_metrics: vec![ScopeMetrics {
            metrics: vec![metric],
            ..ScopeMetrics::default()
        }],
        ..ResourceMetrics::default()
    }
}

fn request(resources: Vec<ResourceMetrics>) -> Request {
    let message = ExportMetricsServiceRequest {
        resource_metrics: resources,
    };
    Request {
        path: "/v1/metrics".to_owned(),
        body: message.encode_to_vec(),
        wire: 100,
        at: SystemTime::now(),
    }
}

#[test]
fn each_process_of_a_tick_counts_once_however_many_requests_bring_it() {
    let mut counted = Counted::default();
    let first = request(vec![resource(1, "a", 10), resource(2, "a", 10)]);
    let second = request(vec![resource(1, "a", 10), resource(3, "a", 10)]);
    for request in [first, second] {
        counted.take(&request).unwrap();
    }
    counted.take(&request(vec![resource(1, "a", 20)])).unwrap();
    let crowd = HashSet::from([1, 2]);
    assert_eq!(counted.of(&crowd, 0), [2, 1]);
    assert_eq!(counted.of(&crowd, 1), [1]);
    assert_eq!(
        (counted.wire, counted.points, counted.newest()),
        (300, 10, 1)
    );
    assert_eq!(counted.delays(&crowd, 0).len(), 2);
}

#[test]
fn a_tick_is_over_when_it_is_whole_or_followed_by_another() {
    let arrivals = Arrivals::start().unwrap();
    let crowd = HashSet::from([1, 2]);
    let take = |resources| {
        let mut counted = arrivals.counted.lock().unwrap();
        counted.take(&request(resources)).unwrap();
    };
    assert_eq!(arrivals.over(&crowd), 0);
    take(vec![resource(1, "a", 10)]);
    assert_eq!(arrivals.over(&crowd), 0);
    take(vec![resource(1, "a", 20)]);
    assert_eq!(arrivals.over(&crowd), 1);
    take(vec![resource(2, "a", 20)]);
    assert_eq!(arrivals.over(&crowd), 2);
}

#[test]
fn a_process_that_arrives_as_two_does_not_count() {
    let mut counted = Counted::default();
    let twice = vec![resource(1, "a", 10), resource(1, "b", 10)];
    counted.take(&request(twice)).unwrap();
    assert_eq!(counted.of(&HashSet::from([1]), 0), [0]);
}

#[test]
fn the_last_values_of_others_are_no_tick_of_the_crowd() {
    let mut counted = Counted::default();
    counted.take(&request(vec![resource(9, "a", 5)])).unwrap();
    assert!(counted.of(&HashSet::from([1]), 0).is_empty());
}

#[test]
fn what_is_no_message_is_said() {
    let mut request = request(vec![]);
    request.body = vec![0xff];
    assert!(Counted::default().take(&request).is_err());
    request.path = "/v1/logs".to_owned();
    assert!(Counted::default().take(&request).is_ok());
}
