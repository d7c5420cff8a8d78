//! How texts and numbers are written.

use std::io::Write as _;

use procmon_common::counters::WAIT_BUCKETS;

use crate::metrics::Value;
use crate::process::Histogram;

/// Puts a label's value, escaped; both formats escape the same three.
pub fn value(out: &mut Vec<u8>, value: &str) {
    let mut rest = value.as_bytes();
    while let Some(at) = rest.iter().position(|byte| b"\\\"\n".contains(byte)) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(match rest[at] {
            b'\\' => b"\\\\",
            b'"' => b"\\\"",
            _ => b"\\n",
        });
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Puts a label, with a comma before it unless it is the first.
pub fn label(out: &mut Vec<u8>, first: bool, key: &str, text: &str) {
    if !first {
        out.push(b',');
    }
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"=\"");
    value(out, text);
    out.push(b'"');
}

/// A sentence as a help text, which has no line breaks.
pub fn help(text: &str, open_metrics: bool) -> String {
    let text = text.replace('\\', "\\\\");
    match open_metrics {
        true => text.replace('"', "\\\""),
        false => text,
    }
}

/// Puts a number; a histogram is none.
pub fn number(out: &mut Vec<u8>, number: Value<'_>) {
    // Writing to memory cannot fail.
    let _ = match number {
        Value::Int(number) => write!(out, "{number}"),
        Value::Float(number) => write!(out, "{number}"),
        Value::Histogram(_) => Ok(()),
    };
}

/// The upper bounds of a histogram's buckets, as Go's client library writes them:
/// powers of two, in seconds.
pub fn bounds() -> [String; WAIT_BUCKETS] {
    std::array::from_fn(|bucket| bound(Histogram::bound(bucket)))
}

/// The shortest form that reads as the same number, with an exponent where it is
/// below -4.
fn bound(bound: f64) -> String {
    if bound >= 1.0 {
        return format!("{bound:.1}");
    }
    if bound >= 1e-4 {
        return bound.to_string();
    }
    let text = format!("{bound:e}");
    match text.split_once("e-") {
        Some((digits, exponent)) => format!("{digits}e-{exponent:0>2}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label_of(text: &str) -> String {
        let mut out = Vec::new();
        label(&mut out, true, "k", text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_label_may_be_any_text() {
        assert_eq!(label_of("sh"), r#"k="sh""#);
        assert_eq!(label_of("a\\b\"c\nd"), r#"k="a\\b\"c\nd""#);
        assert_eq!(label_of("\""), r#"k="\"""#);
        assert_eq!(label_of("größe \u{1}\u{fffd}"), "k=\"größe \u{1}\u{fffd}\"");
        assert_eq!(label_of(""), r#"k="""#);
    }

    #[test]
    fn numbers_read_as_what_they_are() {
        for (value, text) in [
            (Value::Int(u64::MAX), "18446744073709551615"),
            (Value::Float(0.0), "0"),
            (Value::Float(0.1), "0.1"),
            (Value::Float(1_700_000_000.25), "1700000000.25"),
        ] {
            let mut out = Vec::new();
            number(&mut out, value);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn bounds_are_the_powers_of_two_that_the_buckets_end_at() {
        let bounds = bounds();
        assert_eq!(bounds[0], "1.862645149230957e-09");
        assert_eq!(bounds[19], "0.0009765625");
        assert_eq!(bounds[29], "1.0");
        assert_eq!(bounds[39], "1024.0");
        let mut last = 0.0;
        for text in &bounds {
            let bound: f64 = text.parse().unwrap();
            assert!(bound > last, "{text}");
            last = bound;
        }
    }
}
