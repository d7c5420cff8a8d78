//! What was added since the last point.

use crate::export::otlp::settings::Temporality;
use crate::metrics::{Instrument, Value};
use crate::process::Histogram;

/// Whether the points of an instrument cover only what came since the last.
pub(super) fn is_delta(temporality: Temporality, instrument: Instrument) -> bool {
    match instrument {
        Instrument::Counter => temporality == Temporality::Delta,
        Instrument::ExponentialHistogram => temporality != Temporality::Cumulative,
        Instrument::UpDownCounter | Instrument::Gauge => false,
    }
}

/// The last point of a series.
#[derive(Clone, Debug)]
pub(super) struct Last {
    time_unix_ns: u64,
    value: LastValue,
}

#[derive(Clone, Debug)]
pub(super) enum LastValue {
    Int(u64),
    Float(f64),
    Histogram(Box<Histogram>),
}

/// What was added since the last point, and since when.
pub(super) fn since(last: Option<Last>, value: Value<'_>, start_unix_ns: u64) -> (u64, LastValue) {
    let Some(last) = last else {
        return (start_unix_ns, LastValue::of(value));
    };
    let change = match (&last.value, value) {
        (LastValue::Int(last), Value::Int(now)) => LastValue::Int(now.saturating_sub(*last)),
        (LastValue::Float(last), Value::Float(now)) => LastValue::Float((now - last).max(0.0)),
        (LastValue::Histogram(last), Value::Histogram(now)) => {
            let mut change = now.clone();
            for (now, last) in change.buckets.iter_mut().zip(last.buckets) {
                *now = now.saturating_sub(last);
            }
            change.sum_ns = change.sum_ns.saturating_sub(last.sum_ns);
            LastValue::Histogram(Box::new(change))
        }
        // A row writes its numbers one way.
        _ => LastValue::of(value),
    };
    (last.time_unix_ns, change)
}

impl Last {
    pub(super) fn of(value: Value<'_>, time_unix_ns: u64) -> Self {
        Self {
            time_unix_ns,
            value: LastValue::of(value),
        }
    }

    /// Its value, if it is a histogram's.
    pub(super) fn histogram(&self) -> Option<&Histogram> {
        match &self.value {
            LastValue::Histogram(histogram) => Some(histogram),
            LastValue::Int(_) | LastValue::Float(_) => None,
        }
    }
}

impl LastValue {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Int(value) => Self::Int(value),
            Value::Float(value) => Self::Float(value),
            Value::Histogram(histogram) => Self::Histogram(Box::new(histogram.clone())),
        }
    }

    pub(super) fn as_value(&self) -> Value<'_> {
        match self {
            Self::Int(value) => Value::Int(*value),
            Self::Float(value) => Value::Float(*value),
            Self::Histogram(histogram) => Value::Histogram(histogram),
        }
    }
}
