//! /proc/pressure/* (Documentation/accounting/psi.rst): time in which work
//! waited for a resource.

use super::{Malformed, text};

/// Resources, each a file of /proc/pressure.
pub const RESOURCES: [&str; 3] = ["cpu", "memory", "io"];

/// Total stall times of one resource, ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pressure {
    /// At least one task waited.
    pub some_ns: Option<u64>,
    /// All tasks that had work waited. For the CPU of a whole host this is not
    /// defined: kernels write 0 there, or no line.
    pub full_ns: Option<u64>,
}

/// Reads one file: `some avg10=0.21 avg60=8.31 avg300=15.97 total=96419403`,
/// the total in us.
pub fn parse(text: &[u8]) -> Result<Pressure, Malformed> {
    let mut pressure = Pressure::default();
    for line in text::lines(text) {
        let mut fields = text::fields(line);
        let kind = match fields.next() {
            Some(b"some") => &mut pressure.some_ns,
            Some(b"full") => &mut pressure.full_ns,
            _ => continue,
        };
        let total = fields
            .find_map(|field| field.strip_prefix(b"total="))
            .and_then(text::number)
            .and_then(|micros| micros.checked_mul(1000))
            .ok_or_else(|| Malformed::new("total= and a number", line))?;
        *kind = Some(total);
    }
    if pressure.some_ns.is_none() {
        return Err(Malformed::new("a line some", text));
    }
    Ok(pressure)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn totals_are_nanoseconds() {
        let text = b"some avg10=0.04 avg60=0.16 avg300=1.45 total=21\n\
            full avg10=0.03 avg60=0.07 avg300=1.08 total=17\n";
        let expected = Pressure {
            some_ns: Some(21_000),
            full_ns: Some(17_000),
        };
        assert_eq!(parse(text), Ok(expected));
        assert_eq!(parse(b"some total=1\n").unwrap().full_ns, None);
        assert!(parse(b"some avg10=0.04\n").is_err());
        assert!(parse(b"").is_err());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let mut text = b"some total=".to_vec();
            text.extend_from_slice(&bytes);
            text.push(b'\n');
            let _ = parse(&text);
        }
    }
}
