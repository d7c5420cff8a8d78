//! What a reader wants of the page's forms (RFC 9110, section 12).

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING};

use super::page::Format;

/// The format that is asked for; text, unless OpenMetrics is wanted at least as
/// much.
pub fn format(headers: &HeaderMap) -> Format {
    let quality = |name: &str, version: &str| {
        let is_it = |item: &Item<'_>| {
            item.name == name && item.version.is_none_or(|asked| asked == version)
        };
        let all = items(headers, ACCEPT).filter(is_it);
        all.map(|item| item.quality).reduce(f32::max)
    };
    let open_metrics = quality("application/openmetrics-text", "1.0.0");
    // The most exact range counts.
    let text = ["text/plain", "text/*", "*/*"];
    let text = text.iter().find_map(|name| quality(name, "0.0.4"));
    match open_metrics.filter(|wanted| *wanted > 0.0) {
        Some(wanted) if wanted >= text.unwrap_or(0.0) => Format::OpenMetrics,
        _ => Format::Text,
    }
}

/// Whether the page may be compressed with gzip.
pub fn gzip(headers: &HeaderMap) -> bool {
    let quality = |name: &str| {
        let mut named = items(headers, ACCEPT_ENCODING).filter(|item| item.name == name);
        named.next().map(|item| item.quality)
    };
    let gzip = quality("gzip").or_else(|| quality("*"));
    gzip.is_some_and(|gzip| gzip > 0.0)
}

struct Item<'a> {
    name: &'a str,
    version: Option<&'a str>,
    quality: f32,
}

/// The items of a header that is a list, one that cannot be read left out.
fn items(headers: &HeaderMap, name: http::HeaderName) -> impl Iterator<Item = Item<'_>> {
    let values = headers.get_all(name).into_iter();
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).filter_map(|item| {
        let mut parts = item.split(';').map(str::trim);
        let mut item = Item {
            name: parts.next()?,
            version: None,
            quality: 1.0,
        };
        for part in parts {
            match part.split_once('=') {
                Some(("q", quality)) => item.quality = quality.parse().ok()?,
                Some(("version", version)) => item.version = Some(version.trim_matches('"')),
                _ => {}
            }
        }
        Some(item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: http::HeaderName, value: &str) -> HeaderMap {
        [(name, value.parse().unwrap())].into_iter().collect()
    }

    #[test]
    fn openmetrics_is_for_those_who_ask_for_it() {
        let of = |accept: &str| format(&with(ACCEPT, accept));
        // What Prometheus 2.42 and 3.0 send.
        for prometheus in [
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
             version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
             application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=0.0.4;q=0.3,\
             */*;q=0.2",
            "application/openmetrics-text",
        ] {
            assert_eq!(of(prometheus), Format::OpenMetrics, "{prometheus}");
        }
        for text in [
            "*/*",
            "text/html,application/xhtml+xml,*/*;q=0.8",
            "application/json",
            "application/openmetrics-text;q=0,text/plain",
            "application/openmetrics-text;q=0.4,text/plain;q=0.5",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;q=many",
            "",
        ] {
            assert_eq!(of(text), Format::Text, "{text}");
        }
        assert_eq!(format(&HeaderMap::new()), Format::Text);
    }

    #[test]
    fn gzip_is_for_those_who_read_it() {
        let of = |accept: &str| gzip(&with(ACCEPT_ENCODING, accept));
        assert!(of("gzip") && of("deflate, gzip;q=0.5") && of("*"));
        assert!(!of("identity") && !of("gzip;q=0, *") && !of("zstd"));
        assert!(!gzip(&HeaderMap::new()));
    }
}
