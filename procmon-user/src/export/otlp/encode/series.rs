//! The series there are, and the one message all of them are written through.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Metric,
    NumberDataPoint, ScopeMetrics, Sum, exponential_histogram_data_point::Buckets,
    number_data_point,
};

use super::{SCHEMA_URL, is_delta};
use crate::export::otlp::settings::Temporality;
use crate::metrics::process::PROCESS;
use crate::metrics::{Instrument, Value};
use crate::process::Histogram;

/// OTLP's flag "no recorded value": the series has ended.
pub const NO_RECORDED_VALUE: u32 = 1;

/// A row of the catalogue with one set of attribute values, whatever process
/// it is of. Small and dense, so that what a process sent fits into few bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SeriesId(u32);

/// The attributes of a point as the catalogue's rows give them.
pub type PointAttributes<'a> = &'a [(&'static str, &'a str)];

/// Numbers the series, in the order in which they are first seen.
#[derive(Debug, Default)]
pub struct Series {
    /// By row: the series of it.
    by_row: Vec<Vec<SeriesId>>,
    all: Vec<Known>,
}

#[derive(Debug)]
struct Known {
    row: usize,
    attributes: Vec<(&'static str, Box<str>)>,
}

impl Series {
    /// The series of `row` with these attributes. A row has few.
    pub fn id(&mut self, row: usize, attributes: PointAttributes<'_>) -> SeriesId {
        if self.by_row.len() <= row {
            self.by_row.resize_with(row + 1, Vec::new);
        }
        let known = self.by_row[row].iter().find(|id| {
            let known = &self.all[id.index()].attributes;
            known.len() == attributes.len()
                && known
                    .iter()
                    .zip(attributes)
                    .all(|((key, value), (k, v))| key == k && **value == **v)
        });
        if let Some(id) = known {
            return *id;
        }
        let id = SeriesId(u32::try_from(self.all.len()).expect("few series"));
        self.by_row[row].push(id);
        self.all.push(Known {
            row,
            attributes: attributes.iter().map(|(k, v)| (*k, (*v).into())).collect(),
        });
        id
    }

    /// The row a series is of.
    pub fn row(&self, id: SeriesId) -> usize {
        self.all[id.index()].row
    }
}

impl SeriesId {
    fn index(self) -> usize {
        self.0 as usize
    }
}

/// A set of series, one bit each.
#[derive(Clone, Debug, Default)]
pub struct SeriesSet(Vec<u64>);

impl SeriesSet {
    /// Puts a series in.
    pub fn insert(&mut self, id: SeriesId) {
        let word = id.index() / 64;
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        self.0[word] |= 1 << (id.index() % 64);
    }

    /// Whether it is in.
    pub fn contains(&self, id: SeriesId) -> bool {
        self.0
            .get(id.index() / 64)
            .is_some_and(|word| word & (1 << (id.index() % 64)) != 0)
    }

    /// Every series in it, by row.
    pub fn by_row(&self, series: &Series) -> Vec<SeriesId> {
        let mut ids: Vec<_> = (0..self.0.len() as u32 * 64)
            .map(SeriesId)
            .filter(|id| self.contains(*id))
            .collect();
        ids.sort_by_key(|id| (series.row(*id), *id));
        ids
    }
}

/// When a point's sum began, when it was taken, and its flags.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// 0 where there is none.
    pub start_unix_ns: u64,
    /// The point's time.
    pub time_unix_ns: u64,
}

/// The metrics of one process at a time. Its strings and vectors are made once
/// and lent to each process in turn.
#[derive(Debug)]
pub struct Message {
    scope: ScopeMetrics,
    /// By row: its metric, while no point of it is in `scope`.
    parked: Vec<Metric>,
    /// The rows of `scope.metrics`.
    rows: Vec<usize>,
    /// The series of the points in `scope.metrics`.
    points: Vec<SeriesId>,
    /// By series: its attributes, while no point of it is in `scope`.
    attributes: Vec<Vec<KeyValue>>,
}

impl Message {
    /// A message without points.
    pub fn new(temporality: Temporality) -> Self {
        Self {
            scope: ScopeMetrics {
                scope: Some(InstrumentationScope {
                    name: "procmon".to_owned(),
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                    ..InstrumentationScope::default()
                }),
                metrics: Vec::with_capacity(PROCESS.len()),
                schema_url: SCHEMA_URL.to_owned(),
            },
            parked: (0..PROCESS.len())
                .map(|row| empty_metric(row, temporality))
                .collect(),
            rows: Vec::new(),
            points: Vec::new(),
            attributes: Vec::new(),
        }
    }

    /// The message as it stands, and how many points it has.
    pub fn scope(&self) -> (&ScopeMetrics, u64) {
        (&self.scope, self.points.len() as u64)
    }

    /// Puts a point in; without a value it says that the series has ended.
    /// The points of a row come one after the other.
    pub fn push(&mut self, series: &Series, id: SeriesId, stamp: Stamp, value: Option<Value<'_>>) {
        let row = series.row(id);
        if self.rows.last() != Some(&row) {
            let metric = std::mem::take(&mut self.parked[row]);
            self.scope.metrics.push(metric);
            self.rows.push(row);
        }
        let attributes = self.lend(series, id);
        self.points.push(id);
        let metric = self.scope.metrics.last_mut().expect("pushed above");
        match &mut metric.data {
            Some(Data::Sum(Sum { data_points, .. }) | Data::Gauge(Gauge { data_points })) => {
                data_points.push(number_point(attributes, stamp, value));
            }
            Some(Data::ExponentialHistogram(histogram)) => {
                let point = histogram_point(attributes, stamp, value);
                histogram.data_points.push(point);
            }
            other => unreachable!("no row makes {other:?}"),
        }
    }

    /// Takes all points out and everything lent back.
    pub fn clear(&mut self) {
        let mut points = self.points.drain(..);
        for (mut metric, row) in self.scope.metrics.drain(..).zip(self.rows.drain(..)) {
            let mut take_back = |attributes: Vec<KeyValue>| {
                let id = points.next().expect("one series a point");
                self.attributes[id.index()] = attributes;
            };
            match &mut metric.data {
                Some(Data::Sum(Sum { data_points, .. }) | Data::Gauge(Gauge { data_points })) => {
                    data_points.drain(..).for_each(|p| take_back(p.attributes));
                }
                Some(Data::ExponentialHistogram(histogram)) => histogram
                    .data_points
                    .drain(..)
                    .for_each(|p| take_back(p.attributes)),
                _ => {}
            }
            self.parked[row] = metric;
        }
    }

    /// The attributes of a series, for the time of one message.
    fn lend(&mut self, series: &Series, id: SeriesId) -> Vec<KeyValue> {
        if self.attributes.len() < series.all.len() {
            let new = &series.all[self.attributes.len()..];
            self.attributes.extend(new.iter().map(|known| {
                known
                    .attributes
                    .iter()
                    .map(|(key, value)| KeyValue {
                        key: (*key).to_owned(),
                        value: Some(AnyValue {
                            value: Some(Any::StringValue(value.to_string())),
                        }),
                        ..KeyValue::default()
                    })
                    .collect()
            }));
        }
        std::mem::take(&mut self.attributes[id.index()])
    }
}

/// The metric of a row, without points.
fn empty_metric(row: usize, temporality: Temporality) -> Metric {
    let row = &PROCESS[row];
    let aggregation_temporality = if is_delta(temporality, row.instrument) {
        AggregationTemporality::Delta
    } else {
        AggregationTemporality::Cumulative
    };
    let sum = |is_monotonic| {
        Data::Sum(Sum {
            data_points: Vec::new(),
            aggregation_temporality: aggregation_temporality.into(),
            is_monotonic,
        })
    };
    Metric {
        name: row.name.to_owned(),
        description: row.description.to_owned(),
        unit: row.unit.to_owned(),
        data: Some(match row.instrument {
            Instrument::Counter => sum(true),
            Instrument::UpDownCounter => sum(false),
            Instrument::Gauge => Data::Gauge(Gauge::default()),
            Instrument::ExponentialHistogram => Data::ExponentialHistogram(ExponentialHistogram {
                data_points: Vec::new(),
                aggregation_temporality: aggregation_temporality.into(),
            }),
        }),
        ..Metric::default()
    }
}

fn number_point(
    attributes: Vec<KeyValue>,
    stamp: Stamp,
    value: Option<Value<'_>>,
) -> NumberDataPoint {
    let number = value.and_then(|value| match value {
        // OTLP has no unsigned integers; nothing real is that large.
        Value::Int(value) => Some(number_data_point::Value::AsInt(
            i64::try_from(value).unwrap_or(i64::MAX),
        )),
        Value::Float(value) => Some(number_data_point::Value::AsDouble(value)),
        Value::Histogram(_) => None,
    });
    NumberDataPoint {
        attributes,
        start_time_unix_nano: stamp.start_unix_ns,
        time_unix_nano: stamp.time_unix_ns,
        flags: if number.is_none() {
            NO_RECORDED_VALUE
        } else {
            0
        },
        value: number,
        ..NumberDataPoint::default()
    }
}

fn histogram_point(
    attributes: Vec<KeyValue>,
    stamp: Stamp,
    value: Option<Value<'_>>,
) -> ExponentialHistogramDataPoint {
    let mut point = ExponentialHistogramDataPoint {
        attributes,
        start_time_unix_nano: stamp.start_unix_ns,
        time_unix_nano: stamp.time_unix_ns,
        ..ExponentialHistogramDataPoint::default()
    };
    let Some(Value::Histogram(histogram)) = value else {
        point.flags = NO_RECORDED_VALUE;
        return point;
    };
    point.count = histogram.count();
    point.sum = Some(histogram.sum_ns as f64 / 1e9);
    point.positive = buckets(histogram);
    point
}

/// The buckets from the first to the last that is not empty.
fn buckets(histogram: &Histogram) -> Option<Buckets> {
    let used = |count: &u64| *count != 0;
    let first = histogram.buckets.iter().position(used)?;
    let last = histogram.buckets.iter().rposition(used)?;
    Some(Buckets {
        offset: Histogram::OFFSET + i32::try_from(first).expect("few buckets"),
        bucket_counts: histogram.buckets[first..=last].to_vec(),
    })
}
