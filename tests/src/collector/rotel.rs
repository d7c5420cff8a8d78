//! Reading what rotel prints of every data point it receives.

use std::mem;

use crate::point::{Attribute, Attributes, Kind, Point, Temporality};

/// Where the next `-> name: value` line belongs.
#[derive(Clone, Copy, PartialEq)]
enum Section {
    Resource,
    Descriptor,
    Point,
    None,
}

/// What each request begins with.
const REQUEST: &str = "\nResourceMetrics #0\n";

/// The log without its last request, of which there may be more to come.
pub fn whole(text: &str) -> &str {
    text.rfind(REQUEST).map_or("", |last| &text[..=last])
}

/// The points of rotel's debug log of verbosity "detailed".
pub fn parse(text: &str) -> Vec<Point> {
    let mut reader = Reader {
        points: Vec::new(),
        resource: Attributes::new(),
        current: Point::default(),
        open: false,
        section: Section::None,
        last: None,
    };
    for line in text.lines() {
        reader.line(line);
    }
    reader.end_point();
    reader.points
}

struct Reader {
    points: Vec<Point>,
    resource: Attributes,
    /// The point being read; its metric's fields stay for the next one.
    current: Point,
    open: bool,
    section: Section,
    /// The attribute read last, whose value may go on in the next line.
    last: Option<(String, String)>,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if let Some(field) = line.strip_prefix("     -> ") {
            self.end_attribute();
            let (name, value) = field
                .split_once(": ")
                .unwrap_or((field.trim_end_matches(':'), ""));
            match self.section {
                Section::Descriptor => self.descriptor(name, value),
                _ => self.last = Some((name.to_owned(), value.to_owned())),
            }
        } else if !self.heading(line)
            && !self.value(line)
            && let Some((_, value)) = &mut self.last
        {
            value.push('\n');
            value.push_str(line);
        }
    }

    /// A line that opens something.
    fn heading(&mut self, line: &str) -> bool {
        let section = if line.starts_with("ResourceMetrics #") {
            self.end_point();
            self.resource = Attributes::new();
            Section::None
        } else if line == "Resource attributes:" {
            Section::Resource
        } else if line.starts_with("ScopeMetrics #") {
            self.end_point();
            self.current.scope = String::new();
            Section::None
        } else if let Some(scope) = line.strip_prefix("InstrumentationScope ") {
            self.current.scope = scope.to_owned();
            Section::None
        } else if line.starts_with("Metric #") {
            self.end_point();
            let scope = mem::take(&mut self.current.scope);
            self.current = Point {
                scope,
                ..Point::default()
            };
            Section::None
        } else if line == "Descriptor:" {
            Section::Descriptor
        } else if line.contains("DataPoints #") {
            self.end_point();
            self.open = true;
            Section::Point
        } else if line == "Data point attributes:" {
            Section::Point
        } else {
            return false;
        };
        self.end_attribute();
        self.section = section;
        true
    }

    /// A field of the point.
    fn value(&mut self, line: &str) -> bool {
        let Some((name, value)) = line.split_once(": ") else {
            return false;
        };
        if !self.open {
            return false;
        }
        match name {
            "StartTimestamp" => self.current.start = value.parse().unwrap_or(0),
            "Timestamp" => self.current.time = value.parse().unwrap_or(0),
            "Value" | "Sum" => self.current.value = value.parse().ok(),
            "Count" => self.current.count = value.parse().unwrap_or(0),
            _ => return false,
        }
        self.end_attribute();
        true
    }

    fn descriptor(&mut self, name: &str, value: &str) {
        match name {
            "Name" => self.current.metric = value.to_owned(),
            "Unit" => self.current.unit = value.to_owned(),
            "DataType" => {
                self.current.kind = match value {
                    "Sum" => Kind::UpDownCounter,
                    "Gauge" => Kind::Gauge,
                    "ExponentialHistogram" => Kind::ExponentialHistogram,
                    _ => Kind::Other,
                }
            }
            "IsMonotonic" if value == "true" => self.current.kind = Kind::Counter,
            "AggregationTemporality" => {
                self.current.temporality = match value {
                    "AGGREGATION_TEMPORALITY_CUMULATIVE" => Some(Temporality::Cumulative),
                    "AGGREGATION_TEMPORALITY_DELTA" => Some(Temporality::Delta),
                    _ => None,
                }
            }
            _ => {}
        }
    }

    fn end_attribute(&mut self) {
        if let Some((name, value)) = self.last.take() {
            let attributes = match self.section {
                Section::Resource => &mut self.resource,
                _ => &mut self.current.attributes,
            };
            attributes.insert(name, attribute(&value));
        }
    }

    fn end_point(&mut self) {
        self.end_attribute();
        if mem::take(&mut self.open) {
            let mut point = self.current.clone();
            point.resource = self.resource.clone();
            self.points.push(point);
            self.current.attributes = Attributes::new();
            self.current.value = None;
            self.current.count = 0;
        }
    }
}

/// A value as rotel writes it: `Int(5)`, `Str(text)`.
fn attribute(text: &str) -> Attribute {
    let inside = |kind: &str| {
        text.strip_prefix(kind)?
            .strip_prefix('(')?
            .strip_suffix(')')
    };
    let other = || Attribute::Other(text.to_owned());
    if let Some(value) = inside("Str") {
        Attribute::Str(value.to_owned())
    } else if let Some(value) = inside("Int") {
        value.parse().map_or_else(|_| other(), Attribute::Int)
    } else if let Some(value) = inside("Double") {
        value.parse().map_or_else(|_| other(), Attribute::Double)
    } else if let Some(value) = inside("Bool") {
        value.parse().map_or_else(|_| other(), Attribute::Bool)
    } else {
        other()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by rotel 0.0.1a15.
    const PRINTED: &str = include_str!("../../fixtures/rotel.txt");

    #[test]
    fn of_a_log_that_goes_on_the_last_request_is_left_out() {
        let log = PRINTED.repeat(2);
        let half = &log[..log.len() - PRINTED.len() / 2];
        assert_eq!(parse(whole(half)), parse(PRINTED));
        assert!(parse(whole(PRINTED)).is_empty());
    }

    #[test]
    fn every_point_is_read_with_its_types() {
        let points = parse(PRINTED);
        assert_eq!(points.len(), 7);
        let first = &points[0];
        assert_eq!(first.pid(), Some(4242));
        assert_eq!(
            first.resource["process.creation.time"],
            Attribute::from("2026-11-21T01:00:00.000Z")
        );
        assert_eq!(
            first.resource["process.command"],
            Attribute::from("a (b) -> c: d\nStr(x)")
        );
        assert_eq!(first.resource["ratio"], Attribute::Double(1.5));
        assert_eq!(first.resource["flag"], Attribute::Bool(true));
        assert_eq!(first.resource.len(), 6);
        assert_eq!(first.scope, "procmon 0.1.0");
        assert!(first.is("process.cpu.time", &[("cpu.mode", "user")]));
        assert_eq!(
            (first.kind, first.temporality),
            (Kind::Counter, Some(Temporality::Cumulative))
        );
        assert_eq!((first.unit.as_str(), first.value), ("s", Some(1.25)));
        assert_eq!(
            (first.start, first.time),
            (1_795_222_800_123_456_789, 1_795_222_801_000_000_000)
        );
        assert!(points[1].is("process.cpu.time", &[("cpu.mode", "system")]));
        assert!(points[2].is("process.memory.usage", &[]));
        assert_eq!(
            (points[2].kind, points[2].value),
            (Kind::UpDownCounter, Some(123_456.0))
        );
        assert_eq!(
            (points[3].kind, points[3].temporality, points[3].start),
            (Kind::Gauge, None, 0)
        );
        assert!(points[4].is_end() && !points[3].is_end());
        assert_eq!(
            (points[5].kind, points[5].count, points[5].value),
            (Kind::ExponentialHistogram, 3, Some(0.5))
        );
        assert_eq!(
            (points[6].pid(), points[6].resource.len(), points[6].value),
            (Some(1), 1, Some(7.0))
        );
    }
}
