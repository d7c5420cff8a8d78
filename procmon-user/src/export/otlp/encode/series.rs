//! The series there are, and the one message all of them are written through.

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Metric as OtlpMetric, NumberDataPoint, ScopeMetrics, Sum,
};
use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use super::delta::is_delta;
use super::{SCHEMA_URL, histogram};
use crate::export::otlp::settings::{HistogramAggregation, Temporality};
use crate::metrics::compat::Compat;
use crate::metrics::group::GROUP;
use crate::metrics::process::PROCESS;
use crate::metrics::{Instrument, Metric, Value};
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
#[derive(Debug)]
pub struct Series {
    by_row: Vec<RowSeries>,
    all: Vec<Known>,
    histograms: HistogramAggregation,
}

/// The series of a row.
#[derive(Debug, Default)]
struct RowSeries {
    ids: Vec<SeriesId>,
    /// The place of the one that is probably asked for next: processes have
    /// much the same series, in the same order.
    next: usize,
}

#[derive(Debug)]
struct Known {
    row: usize,
    attributes: Vec<(&'static str, Box<str>)>,
    /// The same as fields of a point.
    encoded: Box<[u8]>,
}

impl Series {
    /// No series yet.
    pub fn new(histograms: HistogramAggregation) -> Self {
        Self {
            by_row: Vec::new(),
            all: Vec::new(),
            histograms,
        }
    }

    /// The series of `row` with these attributes. A row has few.
    pub fn id(&mut self, row: usize, attributes: PointAttributes<'_>) -> SeriesId {
        if self.by_row.len() <= row {
            self.by_row.resize_with(row + 1, RowSeries::default);
        }
        let of_row = &mut self.by_row[row];
        let is_it = |id: &SeriesId| self.all[id.index()].has(attributes);
        let place = match of_row.ids.get(of_row.next) {
            Some(id) if is_it(id) => Some(of_row.next),
            _ => of_row.ids.iter().position(is_it),
        };
        if let Some(place) = place {
            of_row.next = (place + 1) % of_row.ids.len();
            return of_row.ids[place];
        }
        let id = SeriesId(u32::try_from(self.all.len()).expect("few series"));
        of_row.ids.push(id);
        self.all.push(Known {
            row,
            attributes: attributes.iter().map(|(k, v)| (*k, (*v).into())).collect(),
            encoded: encoded_attributes(row, attributes, self.histograms),
        });
        id
    }

    /// The row a series is of.
    pub fn row(&self, id: SeriesId) -> usize {
        self.all[id.index()].row
    }
}

impl Known {
    fn has(&self, attributes: PointAttributes<'_>) -> bool {
        self.attributes.len() == attributes.len()
            && self
                .attributes
                .iter()
                .zip(attributes)
                .all(|((key, value), (k, v))| is_same_key(key, k) && **value == **v)
    }
}

/// Keys are literals: most are told apart by where they stand.
fn is_same_key(a: &'static str, b: &'static str) -> bool {
    std::ptr::eq(a, b) || a == b
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

    /// Takes a series out.
    pub fn remove(&mut self, id: SeriesId) {
        if let Some(word) = self.0.get_mut(id.index() / 64) {
            *word &= !(1 << (id.index() % 64));
        }
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

/// The metrics of one process at a time, encoded.
///
/// What does not change from process to process was encoded once, by prost; it
/// is put between what does. An encoded message is its fields one after the
/// other, so nothing but lengths has to be worked out.
#[derive(Debug)]
pub struct Message {
    /// Those of processes, then those of groups.
    rows: Vec<Row>,
    /// The scope and its schema, without metrics.
    scope: Vec<u8>,
    /// `scope`, and the metrics that are complete.
    metrics: Vec<u8>,
    /// The row that points are put into.
    row: Option<usize>,
    /// Its points.
    data: Vec<u8>,
    points: u64,
}

/// What is constant of a metric.
#[derive(Debug)]
struct Row {
    /// Name, description and unit; then those of the same under other names.
    heads: Vec<Vec<u8>>,
    /// The number of the field that holds its data.
    field: u32,
    /// What its data says beside the points.
    tail: Vec<u8>,
}

impl Message {
    /// A message without points. Metrics go out under the names of `compat`, too.
    pub fn new(
        temporality: Temporality,
        histograms: HistogramAggregation,
        compat: &[Compat],
    ) -> Self {
        let scope = ScopeMetrics {
            scope: Some(InstrumentationScope {
                name: "procmon".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                ..InstrumentationScope::default()
            }),
            metrics: Vec::new(),
            schema_url: SCHEMA_URL.to_owned(),
        }
        .encode_to_vec();
        let of_processes = PROCESS
            .iter()
            .map(|row| Row::new(row, temporality, histograms).also_as(row, compat));
        let of_groups = GROUP
            .iter()
            .map(|row| Row::new(row, temporality, histograms));
        Self {
            rows: of_processes.chain(of_groups).collect(),
            metrics: scope.clone(),
            scope,
            row: None,
            data: Vec::new(),
            points: 0,
        }
    }

    /// Puts a point in. The points of a row come one after the other.
    pub fn push(&mut self, series: &Series, id: SeriesId, stamp: Stamp, value: Value<'_>) {
        let known = &series.all[id.index()];
        self.turn_to(known.row);
        let (data, attributes) = (&mut self.data, &known.encoded);
        match value {
            Value::Histogram(histogram) => {
                histogram::push(series.histograms, data, stamp, histogram, attributes);
            }
            number => push_number(data, stamp, Some(number), attributes),
        }
    }

    /// Puts in that a series has ended; `last` is the last value, of a histogram.
    pub fn push_end(
        &mut self,
        series: &Series,
        id: SeriesId,
        stamp: Stamp,
        last: Option<&Histogram>,
    ) {
        let known = &series.all[id.index()];
        self.turn_to(known.row);
        let (data, attributes) = (&mut self.data, &known.encoded);
        if PROCESS[known.row].instrument == Instrument::ExponentialHistogram {
            histogram::push_end(series.histograms, data, stamp, last, attributes);
        } else {
            push_number(data, stamp, None, attributes);
        }
    }

    /// Puts in the point of a row of the group table: those have numbers, and
    /// no attributes.
    pub fn push_of_group(&mut self, row: usize, stamp: Stamp, value: Option<Value<'_>>) {
        self.turn_to(PROCESS.len() + row);
        push_number(&mut self.data, stamp, value, &[]);
    }

    /// A point of this row follows.
    fn turn_to(&mut self, row: usize) {
        if self.row != Some(row) {
            self.complete_row();
            self.row = Some(row);
        }
        self.points += self.rows[row].heads.len() as u64;
    }

    /// The encoded `ScopeMetrics`, and how many points are in it.
    pub fn complete(&mut self) -> (&[u8], u64) {
        self.complete_row();
        (&self.metrics, self.points)
    }

    /// Takes all points out.
    pub fn clear(&mut self) {
        self.metrics.clear();
        self.metrics.extend_from_slice(&self.scope);
        self.points = 0;
    }

    /// Makes a metric of the points of the last row.
    fn complete_row(&mut self) {
        let Some(row) = self.row.take() else { return };
        let Row { heads, field, tail } = &self.rows[row];
        let data = self.data.len() + tail.len();
        for head in heads {
            let metric = head.len() + 1 + encoded_len_varint(data as u64) + data;
            begin(2, metric, &mut self.metrics);
            self.metrics.extend_from_slice(head);
            begin(*field, data, &mut self.metrics);
            self.metrics.extend_from_slice(&self.data);
            self.metrics.extend_from_slice(tail);
        }
        self.data.clear();
    }
}

/// Begins a field that is a message of `len` bytes. All fields here have
/// numbers below 16, so that their keys are one byte.
pub fn begin(field: u32, len: usize, buffer: &mut impl bytes::BufMut) {
    encode_key(field, WireType::LengthDelimited, buffer);
    encode_varint(len as u64, buffer);
}

/// Puts a point, which is field 1 of all kinds of data, and its attributes.
pub fn push_point(data: &mut Vec<u8>, point: &impl prost::Message, attributes: &[u8]) {
    begin(1, point.encoded_len() + attributes.len(), data);
    point.encode_raw(data);
    data.extend_from_slice(attributes);
}

impl Row {
    fn new<Read>(
        row: &Metric<Read>,
        temporality: Temporality,
        histograms: HistogramAggregation,
    ) -> Self {
        let aggregation_temporality = if is_delta(temporality, row.instrument) {
            AggregationTemporality::Delta
        } else {
            AggregationTemporality::Cumulative
        }
        .into();
        let sum = |is_monotonic| Sum {
            data_points: Vec::new(),
            aggregation_temporality,
            is_monotonic,
        };
        // The numbers are those of Metric's fields.
        let (field, tail) = match row.instrument {
            Instrument::Gauge => (5, Vec::new()),
            Instrument::Counter => (7, sum(true).encode_to_vec()),
            Instrument::UpDownCounter => (7, sum(false).encode_to_vec()),
            Instrument::ExponentialHistogram => {
                histogram::data(histograms, aggregation_temporality)
            }
        };
        Self {
            heads: vec![head(row.name, row.description, row.unit)],
            field,
            tail,
        }
    }

    /// The same under the names that these sets have for the metric, too.
    fn also_as<Read>(mut self, row: &Metric<Read>, compat: &[Compat]) -> Self {
        let aliases = compat.iter().flat_map(|set| set.otlp());
        for alias in aliases.filter(|alias| alias.of == row.name) {
            let head = head(alias.name, alias.description, row.unit);
            // A set may stand in the list twice.
            if !self.heads.contains(&head) {
                self.heads.push(head);
            }
        }
        self
    }
}

fn head(name: &str, description: &str, unit: &str) -> Vec<u8> {
    let metric = OtlpMetric {
        name: name.to_owned(),
        description: description.to_owned(),
        unit: unit.to_owned(),
        ..OtlpMetric::default()
    };
    metric.encode_to_vec()
}

/// The attributes of a point of this row, as its fields.
fn encoded_attributes(
    row: usize,
    attributes: PointAttributes<'_>,
    histograms: HistogramAggregation,
) -> Box<[u8]> {
    let attributes = attributes
        .iter()
        .map(|(key, value)| KeyValue {
            key: (*key).to_owned(),
            value: Some(AnyValue {
                value: Some(Any::StringValue((*value).to_owned())),
            }),
            ..KeyValue::default()
        })
        .collect();
    let encoded = if PROCESS[row].instrument == Instrument::ExponentialHistogram {
        histogram::attributes(histograms, attributes)
    } else {
        let point = NumberDataPoint {
            attributes,
            ..NumberDataPoint::default()
        };
        point.encode_to_vec()
    };
    encoded.into_boxed_slice()
}

/// Puts a `NumberDataPoint` and its attributes. There are so many of them that
/// this is done by hand: all of its fields but the attributes have one length.
fn push_number(data: &mut Vec<u8>, stamp: Stamp, value: Option<Value<'_>>, attributes: &[u8]) {
    let mut point = Fields::default();
    if stamp.start_unix_ns != 0 {
        point.put(field::START, stamp.start_unix_ns);
    }
    point.put(field::TIME, stamp.time_unix_ns);
    match value {
        Some(Value::Float(value)) => point.put(field::AS_DOUBLE, value.to_bits()),
        // OTLP has no unsigned integers; nothing real is that large.
        Some(Value::Int(value)) => point.put(field::AS_INT, value.min(i64::MAX as u64)),
        Some(Value::Histogram(_)) | None => point.flag(NO_RECORDED_VALUE as u8),
    }
    let point = point.bytes();
    begin(1, point.len() + attributes.len(), data);
    data.extend_from_slice(point);
    data.extend_from_slice(attributes);
}

/// The keys of `NumberDataPoint`'s fields: number and wire type (metrics.proto
/// of OTLP 1.x).
mod field {
    pub const START: u8 = 2 << 3 | 1;
    pub const TIME: u8 = 3 << 3 | 1;
    pub const AS_DOUBLE: u8 = 4 << 3 | 1;
    pub const AS_INT: u8 = 6 << 3 | 1;
    pub const FLAGS: u8 = 8 << 3;
}

/// Fields of a message, one after the other: three of eight bytes at most.
#[derive(Default)]
struct Fields {
    bytes: [u8; 3 * 9],
    len: usize,
}

impl Fields {
    fn put(&mut self, key: u8, value: u64) {
        let place = &mut self.bytes[self.len..self.len + 9];
        place[0] = key;
        place[1..].copy_from_slice(&value.to_le_bytes());
        self.len += 9;
    }

    /// Flags below 128, as a varint of one byte.
    fn flag(&mut self, flags: u8) {
        self.bytes[self.len..self.len + 2].copy_from_slice(&[field::FLAGS, flags]);
        self.len += 2;
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::metrics::v1::number_data_point::Value as Number;

    use super::*;

    #[test]
    fn a_point_written_by_hand_is_the_one_that_prost_reads() {
        let stamps = [(0, 7), (5, u64::MAX)].map(|(start_unix_ns, time_unix_ns)| Stamp {
            start_unix_ns,
            time_unix_ns,
        });
        let values = [
            (Some(Value::Int(0)), Some(Number::AsInt(0))),
            (Some(Value::Int(u64::MAX)), Some(Number::AsInt(i64::MAX))),
            (Some(Value::Float(-0.5)), Some(Number::AsDouble(-0.5))),
            (None, None),
        ];
        let attributes =
            encoded_attributes(0, &[("cpu.mode", "user")], HistogramAggregation::default());
        for stamp in stamps {
            for (value, read) in &values {
                let mut data = Vec::new();
                push_number(&mut data, stamp, *value, &attributes);
                let sum = Sum::decode(data.as_slice()).unwrap();
                let [point] = sum.data_points.as_slice() else {
                    panic!("{sum:?}");
                };
                assert_eq!(point.start_time_unix_nano, stamp.start_unix_ns);
                assert_eq!(point.time_unix_nano, stamp.time_unix_ns);
                assert_eq!(point.value, *read);
                let flags = if value.is_none() {
                    NO_RECORDED_VALUE
                } else {
                    0
                };
                assert_eq!(point.flags, flags);
                assert_eq!(point.attributes[0].key, "cpu.mode");
            }
        }
    }
}
