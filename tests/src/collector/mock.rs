//! Reading what mockotlpserver prints of every request it receives, as JSON.
//!
//! Over gRPC it shows integer attributes as text, so types are asserted with rotel.

use serde_json::{Deserializer, Value};

use crate::point::{Attribute, Attributes, Kind, Point, Temporality};

/// The points of its output of kind `metrics-json2`; what is not JSON ends the reading.
pub fn parse(text: &str) -> Vec<Point> {
    let requests = Deserializer::from_str(text)
        .into_iter::<Value>()
        .map_while(Result::ok);
    let mut points = Vec::new();
    for request in requests {
        for resource in list(&request["resourceMetrics"]) {
            let attributes = attributes(&resource["resource"]["attributes"]);
            for scope in list(&resource["scopeMetrics"]) {
                let name = [&scope["scope"]["name"], &scope["scope"]["version"]];
                let name = name.map(|part| part.as_str().unwrap_or_default()).join(" ");
                for metric in list(&scope["metrics"]) {
                    add(&mut points, &attributes, name.trim(), metric);
                }
            }
        }
    }
    points
}

fn add(points: &mut Vec<Point>, resource: &Attributes, scope: &str, metric: &Value) {
    let (kind, data) = match metric {
        _ if metric["sum"]["isMonotonic"] == true => (Kind::Counter, &metric["sum"]),
        _ if metric["sum"].is_object() => (Kind::UpDownCounter, &metric["sum"]),
        _ if metric["gauge"].is_object() => (Kind::Gauge, &metric["gauge"]),
        _ if metric["exponentialHistogram"].is_object() => {
            (Kind::ExponentialHistogram, &metric["exponentialHistogram"])
        }
        _ => (Kind::Other, &Value::Null),
    };
    // protobuf's JSON names the value; gRPC's gives its number.
    let temporality = match &data["aggregationTemporality"] {
        Value::String(name) if name.ends_with("CUMULATIVE") => Some(Temporality::Cumulative),
        Value::String(name) if name.ends_with("DELTA") => Some(Temporality::Delta),
        Value::Number(number) if number.as_i64() == Some(2) => Some(Temporality::Cumulative),
        Value::Number(number) if number.as_i64() == Some(1) => Some(Temporality::Delta),
        _ => None,
    };
    for point in list(&data["dataPoints"]) {
        points.push(Point {
            resource: resource.clone(),
            scope: scope.to_owned(),
            metric: metric["name"].as_str().unwrap_or_default().to_owned(),
            unit: metric["unit"].as_str().unwrap_or_default().to_owned(),
            kind,
            temporality,
            attributes: attributes(&point["attributes"]),
            start: integer(&point["startTimeUnixNano"]),
            time: integer(&point["timeUnixNano"]),
            value: if point["flags"] == 1 {
                None
            } else {
                value(point)
            },
            count: integer(&point["count"]),
        });
    }
}

fn value(point: &Value) -> Option<f64> {
    ["asDouble", "asInt", "sum"]
        .iter()
        .find_map(|name| number(&point[*name]))
}

/// A number, or a 64-bit one written as text.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.parse().ok())
}

/// The same for what is never negative; 0 when absent.
fn integer(value: &Value) -> u64 {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.unwrap_or(0)
}

fn attributes(value: &Value) -> Attributes {
    let Some(fields) = value.as_object() else {
        return Attributes::new();
    };
    fields
        .iter()
        .map(|(name, value)| (name.clone(), attribute(value)))
        .collect()
}

fn attribute(value: &Value) -> Attribute {
    match value {
        Value::String(text) => Attribute::Str(text.clone()),
        Value::Bool(truth) => Attribute::Bool(*truth),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Attribute::Int(integer),
            None => Attribute::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        other => Attribute::Other(other.to_string()),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by mockotlpserver 0.10.0 for the request that fixtures/rotel.txt shows.
    const PRINTED: &str = include_str!("../../fixtures/mockotlpserver.jsonl");
    const ROTEL: &str = include_str!("../../fixtures/rotel.txt");

    #[test]
    fn both_collectors_tell_the_same() {
        let mut points = parse(PRINTED);
        let mut expected = super::super::rotel::parse(ROTEL);
        assert_eq!(points.len(), expected.len());
        for point in points.iter_mut().chain(&mut expected) {
            // A list has no common form.
            point.resource.remove("process.command_args");
        }
        assert_eq!(points, expected);
    }
}
