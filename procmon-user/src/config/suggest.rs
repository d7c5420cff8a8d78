//! What was meant by a key that is not known.

use crate::nearest::nearest;

/// What is said of a key that is not known here: the nearest right one, or all
/// there are. `elsewhere` are the whole paths of all keys.
pub fn unknown<'a>(
    name: &str,
    here: &[&'a str],
    elsewhere: impl Iterator<Item = &'a str>,
) -> String {
    let mut text = format!("unknown key {name:?}");
    if let Some(nearest) = nearest(name, here.iter().copied()) {
        text += &format!(": did you mean `{nearest}`?");
        return text;
    }
    for path in elsewhere {
        let (section, last) = path.rsplit_once('.').unwrap_or(("", path));
        if nearest(name, [last, path]).is_some() {
            return match section {
                "" => text + &format!(": `{last}` stands at the top"),
                _ => text + &format!(": did you mean `{last}` below `{}`?", section),
            };
        }
    }
    text + &format!("; here may stand {}", here.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: &[&str] = &["interval", "kernel", "export"];
    const PATHS: [&str; 2] = ["interval", "kernel.max_processes"];

    fn said(name: &str) -> String {
        unknown(name, HERE, PATHS.into_iter())
    }

    #[test]
    fn the_nearest_name_is_told() {
        for name in ["intervall", "Interval", "inteval", "itnerval", "intervals"] {
            assert!(said(name).ends_with("did you mean `interval`?"), "{name}");
        }
    }

    #[test]
    fn a_key_in_the_wrong_place_is_told_its_right_one() {
        for name in ["max_processes", "max-procesess", "kernel.max_processes"] {
            let wanted = "did you mean `max_processes` below `kernel`?";
            assert!(said(name).ends_with(wanted), "{name}");
        }
    }

    #[test]
    fn where_nothing_is_near_all_that_may_stand_there_is_told() {
        assert!(said("colour").ends_with("here may stand interval, kernel, export"));
    }
}
