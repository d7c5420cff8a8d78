//! Attributes in the making, of resources, log records and spans.

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, KeyValue, KeyValueList};

/// Attributes, in the order in which they were added. What is `None` is left
/// out.
#[derive(Clone, Debug, Default)]
pub struct Attributes(Vec<KeyValue>);

impl Attributes {
    /// None, with room for so many.
    pub fn with_capacity(capacity: usize) -> Self {
        Self(Vec::with_capacity(capacity))
    }

    fn push(&mut self, key: &str, value: Value) {
        self.0.push(KeyValue {
            key: key.to_owned(),
            value: Some(AnyValue { value: Some(value) }),
            ..KeyValue::default()
        });
    }

    /// Adds a text.
    pub fn string(&mut self, key: &str, value: Option<&str>) {
        if let Some(value) = value {
            self.push(key, Value::StringValue(value.to_owned()));
        }
    }

    /// Adds texts.
    pub fn strings(&mut self, key: &str, values: &[String]) {
        let value = |text: &String| AnyValue {
            value: Some(Value::StringValue(text.clone())),
        };
        let values = values.iter().map(value).collect();
        self.push(key, Value::ArrayValue(ArrayValue { values }));
    }

    /// Adds a whole number.
    pub fn int(&mut self, key: &str, value: Option<i64>) {
        if let Some(value) = value {
            self.push(key, Value::IntValue(value));
        }
    }

    /// Adds a number.
    pub fn double(&mut self, key: &str, value: Option<f64>) {
        if let Some(value) = value {
            self.push(key, Value::DoubleValue(value));
        }
    }

    /// Adds what is told by keys of its own.
    pub fn map(&mut self, key: &str, values: Self) {
        self.push(key, Value::KvlistValue(KeyValueList { values: values.0 }));
    }

    /// As they go into a message.
    pub fn into_vec(self) -> Vec<KeyValue> {
        self.0
    }
}
