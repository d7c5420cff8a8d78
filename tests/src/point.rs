//! A data point as a collector understood it.

use std::collections::BTreeMap;

/// The value of an attribute, with its type.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// A string.
    Str(String),
    /// An integer.
    Int(i64),
    /// A floating point number.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// Anything else, as the collector writes it.
    Other(String),
}

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self::Str(text.to_owned())
    }
}

impl From<i64> for Attribute {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

/// Attributes by name.
pub type Attributes = BTreeMap<String, Attribute>;

/// What kind of data a metric holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// A sum that only grows.
    Counter,
    /// A sum that may fall.
    UpDownCounter,
    /// A value of its moment.
    Gauge,
    /// A histogram of exponential buckets.
    ExponentialHistogram,
    /// Something procmon never sends.
    #[default]
    Other,
}

/// How successive values relate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Temporality {
    /// Each value counts from the start time.
    Cumulative,
    /// Each value counts from the value before.
    Delta,
}

/// One data point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Point {
    /// The resource it belongs to.
    pub resource: Attributes,
    /// The instrumentation scope's name and version.
    pub scope: String,
    /// The metric's name.
    pub metric: String,
    /// The metric's unit.
    pub unit: String,
    /// The metric's kind.
    pub kind: Kind,
    /// Its temporality; gauges have none.
    pub temporality: Option<Temporality>,
    /// Attributes of the point.
    pub attributes: Attributes,
    /// Start, in nanoseconds since 1970; 0 when not set.
    pub start: u64,
    /// Time, in nanoseconds since 1970.
    pub time: u64,
    /// The value, of a histogram its sum; none on a point with NoRecordedValue.
    pub value: Option<f64>,
    /// A histogram's count.
    pub count: u64,
}

impl Point {
    /// The process it is about, if it is about one.
    pub fn pid(&self) -> Option<i64> {
        match self.resource.get("process.pid") {
            Some(Attribute::Int(pid)) => Some(*pid),
            _ => None,
        }
    }

    /// Whether it has the NoRecordedValue flag: the end of its series.
    pub fn is_end(&self) -> bool {
        self.value.is_none()
    }

    /// Whether it belongs to this metric and has exactly these attributes.
    pub fn is(&self, metric: &str, attributes: &[(&str, &str)]) -> bool {
        self.metric == metric
            && self.attributes.len() == attributes.len()
            && attributes
                .iter()
                .all(|(name, value)| self.attributes.get(*name) == Some(&Attribute::from(*value)))
    }

    /// The series it belongs to: resource, metric and attributes as one text.
    pub fn series(&self) -> String {
        format!("{:?} {} {:?}", self.resource, self.metric, self.attributes)
    }
}
