//! Small things all parsers need: lines, fields and numbers over bytes.

/// Lines that end with a newline. A last line without one was cut off, and
/// half a number is no number.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split_inclusive(|&byte| byte == b'\n')
        .filter_map(|line| line.strip_suffix(b"\n"))
}

/// Fields between white space.
pub(crate) fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|field| !field.is_empty())
}

/// An unsigned decimal number, nothing before or after it.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// [`number`], 32 bits.
pub(crate) fn number32(text: &[u8]) -> Option<u32> {
    number(text)?.try_into().ok()
}

/// `  123 kB`, in bytes.
pub(crate) fn kilobytes(text: &[u8]) -> Option<u64> {
    let mut fields = fields(text);
    let value = number(fields.next()?)?;
    if fields.next()? != b"kB" {
        return None;
    }
    value.checked_mul(1024)
}

/// `Key:  value`, without the white space around the value.
pub(crate) fn key_value(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    Some((&line[..colon], line[colon + 1..].trim_ascii()))
}

/// A decimal fraction such as `1197.05` in ns (or any 10^-9 of its unit).
pub(crate) fn nanos(text: &[u8]) -> Option<u64> {
    let (whole, fraction) = match text.iter().position(|&byte| byte == b'.') {
        Some(dot) => (&text[..dot], &text[dot + 1..]),
        None => (text, &b"0"[..]),
    };
    let mut digits = [b'0'; 9];
    if fraction.is_empty() || fraction.len() > digits.len() {
        return None;
    }
    digits[..fraction.len()].copy_from_slice(fraction);
    number(whole)?
        .checked_mul(1_000_000_000)?
        .checked_add(number(&digits)?)
}

/// What a name shows: UTF-8, with U+FFFD for what is not.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_cut_line_is_left_out() {
        let all: Vec<_> = lines(b"a\n\nb").collect();
        assert_eq!(all, [&b"a"[..], b""]);
    }

    #[test]
    fn numbers_are_whole_or_not_at_all() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(number(b"18446744073709551616"), None);
        assert_eq!(number(b"-1"), None);
        assert_eq!(number(b"+1"), None);
        assert_eq!(number(b""), None);
        assert_eq!(kilobytes(b"  4 kB"), Some(4096));
        assert_eq!(kilobytes(b"4"), None);
    }

    #[test]
    fn fractions_are_nanoseconds() {
        assert_eq!(nanos(b"1197.05"), Some(1_197_050_000_000));
        assert_eq!(nanos(b"3"), Some(3_000_000_000));
        assert_eq!(nanos(b"3."), None);
        assert_eq!(nanos(b"3.x"), None);
    }

    proptest! {
        #[test]
        fn a_number_is_read_as_it_was_written(value: u64) {
            prop_assert_eq!(number(value.to_string().as_bytes()), Some(value));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (number(&bytes), kilobytes(&bytes), nanos(&bytes), key_value(&bytes));
            prop_assert!(lines(&bytes).count() <= bytes.len());
        }
    }
}
