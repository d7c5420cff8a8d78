//! Sizes as people write them.

/// Every unit: decimal ones are powers of 1,000, binary ones of 1,024.
const UNITS: [(&str, u64); 11] = [
    ("", 1),
    ("B", 1),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
    ("TB", 1_000_000_000_000),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
];

/// A regular expression of what [`bytes`] reads.
pub const PATTERN: &str = r"^([0-9]+\.?|[0-9]*\.[0-9]+) *([kKMGT]B|[KMGT]iB|B)?$";

/// Bytes: `4096`, `500MB`, `1.5GiB`.
pub fn bytes(text: &str) -> Option<f64> {
    let digits = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let (_, factor) = UNITS.iter().find(|(known, _)| *known == unit)?;
    Some(decimal(number.trim_end_matches(' '))? * *factor as f64)
}

/// The same where only whole bytes make sense, and an `f64` has them all.
pub fn whole_bytes(text: &str) -> Option<u64> {
    const EXACT: f64 = (1_u64 << f64::MANTISSA_DIGITS) as f64;
    let bytes = bytes(text)?;
    (bytes.fract() == 0.0 && bytes <= EXACT).then_some(bytes as u64)
}

/// The same, and at least so many; else the words that say what is `wanted`.
///
/// # Errors
/// When the text is anything else.
pub fn at_least(text: &str, least: u64, wanted: &str) -> Result<u64, String> {
    whole_bytes(text)
        .filter(|bytes| *bytes >= least)
        .ok_or_else(|| format!("{text:?} is not {wanted}"))
}

/// Bytes in the largest binary unit that makes a whole number of them.
pub fn shown(bytes: u64) -> String {
    let binary = UNITS.iter().rev().filter(|(unit, _)| unit.ends_with("iB"));
    let mut whole = binary.filter(|(_, factor)| bytes != 0 && bytes.is_multiple_of(*factor));
    match whole.next() {
        Some((unit, factor)) => format!("{}{unit}", bytes / factor),
        None => bytes.to_string(),
    }
}

/// Digits with at most one point among them; no exponent, no sign.
pub fn decimal(text: &str) -> Option<f64> {
    let digits = |c: u8| c.is_ascii_digit() || c == b'.';
    let number = text.bytes().all(digits).then(|| text.parse().ok())?;
    number.filter(|number: &f64| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_their_units() {
        for (text, read) in [
            ("7", 7.0),
            ("7B", 7.0),
            ("500MB", 5e8),
            ("1kB", 1e3),
            ("1.5 KiB", 1_536.0),
            (".5MiB", 524_288.0),
            ("1GiB", 1_073_741_824.0),
            ("2TiB", 2_199_023_255_552.0),
        ] {
            assert_eq!(bytes(text), Some(read), "{text}");
            assert_eq!(whole_bytes(text), Some(read as u64), "{text}");
        }
        for wrong in [
            "", "1G", "GiB", "-1", "1e9", "1.2.3", "1 GB.", "inf", "1\nB",
        ] {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_part_of_a_byte_and_more_than_can_be_told_apart_are_not_whole_bytes() {
        for wrong in ["0.5", "1.0001KiB", "99999999TiB"] {
            assert_eq!(whole_bytes(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_size_is_shown_as_it_was_written() {
        for text in ["10MiB", "1GiB", "1536KiB", "4TiB", "1000000", "0"] {
            assert_eq!(shown(whole_bytes(text).unwrap()), text);
        }
    }
}
