//! docs/benchmarks.md: sections that are written apart, each after a line that
//! says which command writes it.

/// The line before the section that `command` writes.
fn mark(command: &str) -> String {
    format!("<!-- Written by `{command}`. -->")
}

/// The page with this section in the place of the old one, or at the end.
pub fn replace(page: &str, command: &str, section: &str) -> String {
    let mark = mark(command);
    let section = format!("{mark}\n{}\n", section.trim_end());
    let mut sections = sections(page);
    match sections.iter_mut().find(|old| old.starts_with(&mark)) {
        Some(old) => *old = section,
        None => sections.push(section),
    }
    let trimmed: Vec<&str> = sections.iter().map(|section| section.trim()).collect();
    format!("{}\n", trimmed.join("\n\n").trim())
}

/// Each with its line; what stands before the first has none.
fn sections(page: &str) -> Vec<String> {
    let mut sections = vec![String::new()];
    for line in page.split_inclusive('\n') {
        if line.starts_with("<!-- Written by ") {
            sections.push(String::new());
        }
        if let Some(last) = sections.last_mut() {
            last.push_str(line);
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::replace;

    #[test]
    fn a_section_takes_its_own_place_and_no_other() {
        let page = replace("", "a", "# A\n\none\n");
        assert_eq!(page, "<!-- Written by `a`. -->\n# A\n\none\n");
        let page = replace(&page, "a --b", "# B\n");
        let page = replace(&page, "a", "# A\n\ntwo\n");
        assert_eq!(
            page,
            "<!-- Written by `a`. -->\n# A\n\ntwo\n\n<!-- Written by `a --b`. -->\n# B\n"
        );
    }

    #[test]
    fn what_stands_before_stays() {
        assert_eq!(
            replace("head\n", "a", "A"),
            "head\n\n<!-- Written by `a`. -->\nA\n"
        );
    }
}
