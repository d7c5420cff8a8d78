//! A family: the series of one metric, with what is said of them once.

use procmon_common::counters::WAIT_BUCKETS;

use super::text;
use super::{Catalogue, Format};
use crate::metrics::client::ClientMetric;
use crate::metrics::prometheus::{self, Name, Naming};
use crate::metrics::{Attribute, Instrument, Metric, Points, Value};
use crate::process::Histogram;

/// What is written of a metric whatever its values are.
#[derive(Clone, Debug)]
pub struct Family {
    /// `# HELP`, `# TYPE`, and in OpenMetrics `# UNIT`.
    head: String,
    /// The name of its series.
    series: String,
    /// The labels of its points: the attribute's key, and what it is here.
    labels: Vec<(&'static str, String)>,
}

impl Family {
    /// The family of a row of the catalogue.
    pub fn of_row<Read>(row: &Metric<Read>, naming: Naming, format: Format) -> Self {
        let name = Name::of(row, naming);
        let label = |attribute: &Attribute| (attribute.key, prometheus::label(attribute.key));
        Self {
            head: head(&name, kind(row.instrument), row.description, format),
            series: name.full(),
            labels: row.attributes.iter().map(label).collect(),
        }
    }

    /// The family of a row of the client libraries' set.
    pub fn of_client(row: &ClientMetric, format: Format) -> Self {
        let (family, total) = match row.name.strip_suffix("_total") {
            Some(family) => (family, "_total"),
            None => (row.name, ""),
        };
        let name = Name {
            family: family.to_owned(),
            unit: None,
            total,
        };
        Self {
            head: head(&name, kind(row.instrument), row.description, format),
            series: row.name.to_owned(),
            labels: Vec::new(),
        }
    }

    /// A family of series that say all they have to say in labels: `NAME_info`.
    pub fn info(name: &str, about: &str, format: Format) -> Self {
        let (family, kind) = match format {
            Format::OpenMetrics => (name.to_owned(), "info"),
            Format::Text => (format!("{name}_info"), "gauge"),
        };
        let family = Name {
            family,
            unit: None,
            total: "",
        };
        Self {
            head: head(&family, kind, about, format),
            series: format!("{name}_info"),
            labels: Vec::new(),
        }
    }
}

fn kind(instrument: Instrument) -> &'static str {
    match instrument {
        Instrument::Counter => "counter",
        Instrument::UpDownCounter | Instrument::Gauge => "gauge",
        Instrument::ExponentialHistogram => "histogram",
    }
}

fn head(name: &Name, kind: &str, about: &str, format: Format) -> String {
    let open_metrics = format == Format::OpenMetrics;
    let family = match format {
        Format::OpenMetrics => name.family.clone(),
        Format::Text => name.full(),
    };
    let about = text::help(about, open_metrics);
    let mut head = format!("# HELP {family} {about}\n# TYPE {family} {kind}\n");
    if let Some(unit) = name.unit.filter(|_| open_metrics) {
        head.push_str(&format!("# UNIT {family} {unit}\n"));
    }
    head
}

/// Takes the points of a family and writes them, its head before the first.
#[derive(Debug)]
pub struct Lines<'a> {
    /// Where to.
    pub out: &'a mut Vec<u8>,
    /// Whose they are.
    pub family: &'a Family,
    bounds: &'a [String; WAIT_BUCKETS],
    /// The labels that all of these points have, without braces.
    pub common: &'a str,
    /// Points of nothing are left out.
    pub leaves_out_zeros: bool,
    /// The head has been written.
    pub headed: &'a mut bool,
}

impl<'a> Lines<'a> {
    /// The lines of a family whose points have no labels in common.
    pub fn new(
        out: &'a mut Vec<u8>,
        catalogue: &'a Catalogue,
        family: &'a Family,
        headed: &'a mut bool,
    ) -> Self {
        Self {
            out,
            family,
            bounds: &catalogue.bounds,
            common: "",
            leaves_out_zeros: false,
            headed,
        }
    }
}

impl Points for Lines<'_> {
    fn point(&mut self, attributes: &[(&'static str, &str)], value: Value<'_>) {
        if self.leaves_out_zeros && value.is_zero() {
            return;
        }
        if !std::mem::replace(self.headed, true) {
            self.out.extend_from_slice(self.family.head.as_bytes());
        }
        match value {
            Value::Histogram(histogram) => self.histogram(attributes, histogram),
            value => {
                self.series("", attributes, None);
                self.value(value);
            }
        }
    }
}

impl Lines<'_> {
    /// The buckets from the first to the last that is not empty: as they fill, the
    /// range only grows.
    fn histogram(&mut self, attributes: &[(&'static str, &str)], histogram: &Histogram) {
        let used = |count: &u64| *count != 0;
        let first = histogram.buckets.iter().position(used);
        let last = histogram.buckets.iter().rposition(used);
        let mut below = 0;
        if let (Some(first), Some(last)) = (first, last) {
            for bucket in first..=last {
                below += histogram.buckets[bucket];
                self.series("_bucket", attributes, Some(&self.bounds[bucket]));
                self.value(Value::Int(below));
            }
        }
        self.series("_bucket", attributes, Some("+Inf"));
        self.value(Value::Int(histogram.count()));
        self.series("_sum", attributes, None);
        self.value(Value::Float(histogram.sum_ns as f64 / 1e9));
        self.series("_count", attributes, None);
        self.value(Value::Int(histogram.count()));
    }

    /// The series' name and labels.
    fn series(&mut self, suffix: &str, attributes: &[(&'static str, &str)], le: Option<&str>) {
        let out = &mut *self.out;
        out.extend_from_slice(self.family.series.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
        if self.common.is_empty() && attributes.is_empty() && le.is_none() {
            return;
        }
        out.push(b'{');
        out.extend_from_slice(self.common.as_bytes());
        let mut first = self.common.is_empty();
        // They come in the order of the row; some may be left out.
        let mut labels = self.family.labels.iter();
        for (key, value) in attributes {
            if let Some((_, label)) = labels.find(|(of, _)| of == key) {
                text::label(out, first, label, value);
                first = false;
            }
        }
        if let Some(le) = le {
            text::label(out, first, "le", le);
        }
        out.push(b'}');
    }

    fn value(&mut self, value: Value<'_>) {
        self.out.push(b' ');
        text::number(self.out, value);
        self.out.push(b'\n');
    }
}
