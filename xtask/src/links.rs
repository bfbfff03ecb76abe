//! Holds the links between documents: the document and the heading that one names are there.

use std::{fs, path::Path};

/// The links of the document `path` to what is not there, each as `path:line: what`.
pub(crate) fn check(root: &Path, path: &str, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let links = line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next());
        for link in links.filter(|link| !link.contains("://")) {
            let Some((file, anchor)) = link.split_once('#') else {
                if link.ends_with(".md") && !root.join(path).with_file_name(link).exists() {
                    faults.push(format!("{path}:{number}: there is no document {link}"));
                }
                continue;
            };
            let is_there = if file.is_empty() {
                has_heading(text, anchor)
            } else {
                let target = fs::read_to_string(root.join(path).with_file_name(file));
                target.is_ok_and(|target| has_heading(&target, anchor))
            };
            if !is_there {
                faults.push(format!(
                    "{path}:{number}: there is no heading {file}#{anchor}"
                ));
            }
        }
    }
    faults
}

fn has_heading(text: &str, anchor: &str) -> bool {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' '))
        .any(|heading| anchor_of(heading) == anchor)
}

/// As GitHub makes it.
fn anchor_of(heading: &str) -> String {
    heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .flat_map(char::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_to_what_is_not_there_is_a_fault() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("docs")).unwrap();
        let other = "# Other\n## What it does, and `how`\n";
        fs::write(root.path().join("other.md"), other).unwrap();
        let text = "# Own heading\n[1](#own-heading) [2](../other.md#what-it-does-and-how) [3](https://a.example/#b)\n\
                    [4](../other.md) and [5](#own)\n[6](../other.md#what-it-does) [7](absent.md#a)\n[8](absent.md) [9](https://a.example/b.md)\n";
        let faults = [
            "docs/a.md:3: there is no heading #own",
            "docs/a.md:4: there is no heading ../other.md#what-it-does",
            "docs/a.md:4: there is no heading absent.md#a",
            "docs/a.md:5: there is no document absent.md",
        ];
        assert_eq!(check(root.path(), "docs/a.md", text), faults);
    }
}
