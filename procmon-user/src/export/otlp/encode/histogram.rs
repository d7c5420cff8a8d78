//! Points of histograms, with exponential buckets or with explicit ones.

use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Histogram as ExplicitHistogram,
    HistogramDataPoint, exponential_histogram_data_point::Buckets,
};
use prost::Message as _;

use super::series::{NO_RECORDED_VALUE, Stamp, push_point};
use crate::export::otlp::settings::HistogramAggregation::{self, Explicit, Exponential};
use crate::process::Histogram;

/// The number of `Metric`'s field that holds a histogram, and what is in it
/// beside the points.
pub fn data(aggregation: HistogramAggregation, aggregation_temporality: i32) -> (u32, Vec<u8>) {
    match aggregation {
        Explicit => {
            let data = ExplicitHistogram {
                data_points: Vec::new(),
                aggregation_temporality,
            };
            (9, data.encode_to_vec())
        }
        Exponential => {
            let data = ExponentialHistogram {
                data_points: Vec::new(),
                aggregation_temporality,
            };
            (10, data.encode_to_vec())
        }
    }
}

/// The attributes of a point, as its fields.
pub fn attributes(aggregation: HistogramAggregation, attributes: Vec<KeyValue>) -> Vec<u8> {
    match aggregation {
        Explicit => HistogramDataPoint {
            attributes,
            ..HistogramDataPoint::default()
        }
        .encode_to_vec(),
        Exponential => ExponentialHistogramDataPoint {
            attributes,
            ..ExponentialHistogramDataPoint::default()
        }
        .encode_to_vec(),
    }
}

/// Puts a point and its attributes.
pub fn push(
    aggregation: HistogramAggregation,
    data: &mut Vec<u8>,
    stamp: Stamp,
    value: &Histogram,
    attributes: &[u8],
) {
    match aggregation {
        Explicit => push_point(data, &explicit(stamp, value), attributes),
        Exponential => push_point(data, &exponential(stamp, value), attributes),
    }
}

/// Puts the end of a series. It repeats the last value, where there is one:
/// stores that make a series of each bucket end those that they find in it.
pub fn push_end(
    aggregation: HistogramAggregation,
    data: &mut Vec<u8>,
    stamp: Stamp,
    last: Option<&Histogram>,
    attributes: &[u8],
) {
    match aggregation {
        Explicit => push_point(data, &explicit_end(stamp, last), attributes),
        Exponential => push_point(data, &exponential_end(stamp, last), attributes),
    }
}

fn exponential(stamp: Stamp, histogram: &Histogram) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        start_time_unix_nano: stamp.start_unix_ns,
        time_unix_nano: stamp.time_unix_ns,
        count: histogram.count(),
        sum: Some(histogram.sum_seconds()),
        positive: used_buckets(histogram),
        ..ExponentialHistogramDataPoint::default()
    }
}

fn exponential_end(stamp: Stamp, last: Option<&Histogram>) -> ExponentialHistogramDataPoint {
    let last = last.map(|last| exponential(stamp, last));
    ExponentialHistogramDataPoint {
        start_time_unix_nano: stamp.start_unix_ns,
        time_unix_nano: stamp.time_unix_ns,
        flags: NO_RECORDED_VALUE,
        ..last.unwrap_or_default()
    }
}

/// The buckets from the first to the last that is not empty.
fn used_buckets(histogram: &Histogram) -> Option<Buckets> {
    let used = |count: &u64| *count != 0;
    let first = histogram.buckets.iter().position(used)?;
    let last = histogram.buckets.iter().rposition(used)?;
    Some(Buckets {
        offset: Histogram::OFFSET + i32::try_from(first).expect("few buckets"),
        bucket_counts: histogram.buckets[first..=last].to_vec(),
    })
}

/// All buckets, as stores want the same bounds of each point of a series. The
/// last has no bound: the kernel counts there whatever is longer.
fn explicit(stamp: Stamp, histogram: &Histogram) -> HistogramDataPoint {
    HistogramDataPoint {
        start_time_unix_nano: stamp.start_unix_ns,
        time_unix_nano: stamp.time_unix_ns,
        count: histogram.count(),
        sum: Some(histogram.sum_seconds()),
        bucket_counts: histogram.buckets.to_vec(),
        explicit_bounds: Histogram::bounds().to_vec(),
        ..HistogramDataPoint::default()
    }
}

fn explicit_end(stamp: Stamp, last: Option<&Histogram>) -> HistogramDataPoint {
    let last = last.map(|last| explicit(stamp, last));
    HistogramDataPoint {
        start_time_unix_nano: stamp.start_unix_ns,
        time_unix_nano: stamp.time_unix_ns,
        flags: NO_RECORDED_VALUE,
        ..last.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram() -> Histogram {
        let mut histogram = Histogram::default();
        for ns in [900, 1_000_000, 1_000_000, 3_000_000_000, 1 << 50] {
            histogram.record(ns);
        }
        histogram
    }

    const STAMP: Stamp = Stamp {
        start_unix_ns: 5,
        time_unix_ns: 7,
    };

    #[test]
    fn explicit_buckets_count_what_lies_between_their_bounds() {
        let point = explicit(STAMP, &histogram());
        assert_eq!((point.start_time_unix_nano, point.time_unix_nano), (5, 7));
        assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
        assert_eq!(point.count, 5);
        let counted = |seconds: f64| {
            let bucket = point
                .explicit_bounds
                .partition_point(|bound| *bound < seconds);
            point.bucket_counts[bucket]
        };
        assert_eq!(counted(900e-9), 1);
        assert_eq!(counted(1e-3), 2);
        assert_eq!(counted(3.0), 1);
        // Beyond all bounds.
        assert_eq!(counted((1_u64 << 50) as f64 / 1e9), 1);
        assert!(point.explicit_bounds.contains(&1.0));
    }

    #[test]
    fn both_layouts_say_the_same() {
        let (explicit, exponential) = (
            explicit(STAMP, &histogram()),
            exponential(STAMP, &histogram()),
        );
        assert_eq!(explicit.count, exponential.count);
        assert_eq!(explicit.sum, exponential.sum);
        let buckets = exponential.positive.expect("buckets");
        let first = usize::try_from(buckets.offset - Histogram::OFFSET).expect("a place");
        let last = first + buckets.bucket_counts.len();
        assert_eq!(explicit.bucket_counts[first..last], buckets.bucket_counts);
    }

    #[test]
    fn the_end_of_a_series_is_its_last_value_and_a_flag_in_both() {
        let histogram = histogram();
        let explicit = HistogramDataPoint {
            flags: NO_RECORDED_VALUE,
            ..explicit(STAMP, &histogram)
        };
        assert_eq!(explicit_end(STAMP, Some(&histogram)), explicit);
        let exponential = ExponentialHistogramDataPoint {
            flags: NO_RECORDED_VALUE,
            ..exponential(STAMP, &histogram)
        };
        assert_eq!(exponential_end(STAMP, Some(&histogram)), exponential);
    }

    #[test]
    fn the_end_of_a_series_without_a_last_value_is_a_flag_and_its_time() {
        let explicit = explicit_end(STAMP, None);
        assert_eq!((explicit.flags, explicit.time_unix_nano), (1, 7));
        assert!(explicit.bucket_counts.is_empty() && explicit.sum.is_none());
        let exponential = exponential_end(STAMP, None);
        assert_eq!((exponential.flags, exponential.time_unix_nano), (1, 7));
        assert_eq!((exponential.positive, exponential.sum), (None, None));
    }
}
