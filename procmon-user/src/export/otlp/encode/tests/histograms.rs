//! Histograms with explicit buckets.

use opentelemetry_proto::tonic::metrics::v1::HistogramDataPoint;

use super::*;

const AGGREGATION: &str = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION";

/// The metrics of one process that has ended.
fn metrics(setting: (&'static str, &'static str)) -> Vec<Wire> {
    let settings = settings(&[ENDPOINT, setting]);
    let mut encoder = Encoder::new(&settings, HostIdentity::default());
    encoder.encode(&view(10, vec![chosen(1)], vec![]));
    let ended = exited(chosen(1), BOOT + 11 * SECOND);
    let batches = encoder.encode(&view(11, vec![], vec![ended]));
    let request = ExportMetricsServiceRequest::decode(batches[0].body.clone()).expect("OTLP");
    let resources = request.resource_metrics.into_iter();
    let metrics = resources.flat_map(|mut resource| resource.scope_metrics.remove(0).metrics);
    metrics.collect()
}

fn explicit(metric: &Wire) -> Option<&[HistogramDataPoint]> {
    match metric.data.as_ref()? {
        Data::Histogram(histogram) => Some(&histogram.data_points),
        _ => None,
    }
}

fn is_histogram(metric: &Wire) -> bool {
    explicit(metric).is_some() || matches!(metric.data, Some(Data::ExponentialHistogram(_)))
}

#[test]
fn histograms_have_explicit_bounds_when_asked_for_and_nothing_else_changes() {
    let [with, without] = ["explicit_bucket_histogram", ""].map(|a| metrics((AGGREGATION, a)));
    let others = |metrics: &[Wire]| {
        let others = metrics.iter().filter(|metric| !is_histogram(metric));
        others.cloned().collect::<Vec<_>>()
    };
    assert_eq!(others(&with), others(&without));

    let names = |metrics: &[Wire]| {
        let histograms = metrics.iter().filter(|metric| is_histogram(metric));
        histograms.map(|m| m.name.clone()).collect::<BTreeSet<_>>()
    };
    let expected = BTreeSet::from(["procmon.cpu.run_queue.duration".to_owned()]);
    assert_eq!(names(&with), expected);
    assert_eq!(names(&with), names(&without));
    let mut points: Vec<_> = with.iter().filter_map(explicit).flatten().collect();
    points.sort_by_key(|point| point.time_unix_nano);
    // The last values, and the end of the series.
    let [last, end] = points[..] else {
        panic!("{points:?}")
    };
    // The fixture has 5 waits in bucket 3, and 2 in bucket 5.
    assert_eq!((last.count, last.sum), (7, Some(1.5)));
    let counts = last.bucket_counts.iter().enumerate();
    let used: Vec<_> = counts.filter(|(_, count)| **count != 0).collect();
    assert_eq!(used, [(3, &5), (5, &2)]);
    assert_eq!(last.explicit_bounds[3], (-26.0_f64).exp2());
    // The end repeats them: a store that has a series of each bucket ends each.
    assert_eq!(end.flags, 1);
    assert_eq!(end.bucket_counts, last.bucket_counts);
    assert_eq!(end.explicit_bounds, last.explicit_bounds);
    assert_eq!((end.count, end.sum), (last.count, last.sum));
}

/// The exponential histogram of a process at its end, and the end.
fn exponential(temporality: &'static str) -> [ExponentialHistogramDataPoint; 2] {
    let metrics = metrics((TEMPORALITY, temporality));
    let points = metrics.into_iter().filter_map(|metric| match metric.data? {
        Data::ExponentialHistogram(histogram) => Some(histogram.data_points),
        _ => None,
    });
    let points: Vec<_> = points.flatten().collect();
    points.try_into().expect("two points")
}

#[test]
fn the_end_of_a_histogram_repeats_what_it_was_unless_that_would_be_added_again() {
    let [last, end] = exponential("cumulative");
    assert_eq!((last.count, last.flags), (7, 0));
    let expected = ExponentialHistogramDataPoint {
        time_unix_nano: end.time_unix_nano,
        flags: 1,
        ..last.clone()
    };
    assert_eq!(end, expected);
    assert!(end.time_unix_nano > last.time_unix_nano);
    let [_, end] = exponential("delta");
    assert_eq!((end.flags, end.count), (1, 0));
    assert_eq!((end.sum, end.positive), (None, None));
}
