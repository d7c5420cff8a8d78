//! What was meant by a name that is not known.

use strsim::osa_distance;

/// The comparison of long texts takes long, and nobody meant one.
const LONGEST: usize = 64;

/// The nearest of some names in lower case that is near enough to be meant.
pub fn nearest<'a>(name: &str, among: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let name = (name.len() <= LONGEST).then(|| name.replace('-', "_").to_lowercase())?;
    // Nobody has two mistakes in three letters.
    let enough = (name.chars().count() / 3).clamp(1, 3);
    let distances = among
        .into_iter()
        .map(|known| (osa_distance(&name, known), known));
    let (distance, nearest) = distances.min()?;
    (distance <= enough).then_some(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_few_mistakes_finds_the_right_one() {
        let known = ["interval", "kernel", "max_processes", "cpu"];
        for (name, right) in [
            ("intervall", Some("interval")),
            ("Interval", Some("interval")),
            ("itnerval", Some("interval")),
            ("max-procesess", Some("max_processes")),
            ("cpi", Some("cpu")),
            ("gpi", None),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), right, "{name}");
        }
        let long = "kernel".repeat(11);
        assert_eq!(nearest(&long, [&*long]), None);
    }
}
