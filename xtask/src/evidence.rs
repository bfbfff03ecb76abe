//! Holds the tables of docs/security.md and docs/security/: each row names a test that there is, or gives a reason.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use anyhow::Result;

/// The last column of every table there. It names tests as `path#name`: a function in Rust, a title in TypeScript.
const COLUMN: &str = "shown by";
/// What a cell without a test begins with; the reason comes after it.
const REASONS: [&str; 3] = ["Not applicable:", "By design:", "Not met:"];
const LEAST_REASON: usize = 20;

/// How many rows there are, and the faults of all tables, each as `path:line: what`.
pub(crate) fn check(root: &Path) -> Result<(usize, Vec<String>)> {
    let mut paths = vec!["docs/security.md".to_owned()];
    for entry in fs::read_dir(root.join("docs/security"))? {
        paths.push(format!("docs/security/{}", entry?.file_name().display()));
    }
    paths.sort();
    let mut sources = Sources::new(root);
    let (mut rows, mut faults) = (0, Vec::new());
    for path in paths {
        let text = fs::read_to_string(root.join(&path))?;
        for (line, cell) in last_cells(&text) {
            rows += 1;
            if let Some(fault) = judge(cell, &mut sources) {
                faults.push(format!("{path}:{line}: {fault}"));
            }
        }
    }
    Ok((rows, faults))
}

/// The last cell of each row of each table, with the number of its line; the head of a table that lacks the column.
fn last_cells(text: &str) -> Vec<(usize, &str)> {
    let mut cells = Vec::new();
    let mut head = None;
    for (number, line) in (1..).zip(text.lines()) {
        let row = line.strip_prefix('|').and_then(|row| row.strip_suffix('|'));
        let Some(row) = row else {
            head = None;
            continue;
        };
        let last = row.rsplit('|').next().unwrap_or_default().trim();
        let is_rule = last.contains('-') && last.chars().all(|c| matches!(c, '-' | ':'));
        match head {
            None if last == COLUMN => head = Some(last),
            _ if !is_rule => cells.push((number, last)),
            _ => {}
        }
    }
    cells
}

fn judge(cell: &str, sources: &mut Sources) -> Option<String> {
    let reason = REASONS.iter().find_map(|begin| cell.strip_prefix(begin));
    if let Some(reason) = reason {
        let is_short = reason.trim().len() < LEAST_REASON;
        return is_short.then(|| format!("the reason says too little: {cell}"));
    }
    // Between backticks is every second piece.
    let named: Vec<(&str, &str)> = cell
        .split('`')
        .skip(1)
        .step_by(2)
        .filter_map(|name| name.split_once('#'))
        .collect();
    if named.is_empty() {
        return Some(format!(
            "it names no test as `path#name` and gives no reason: {cell}"
        ));
    }
    let absent = named.iter().find(|(path, name)| !sources.have(path, name));
    absent.map(|(path, name)| format!("there is no test `{name}` in {path}"))
}

/// The files that hold tests, each read once.
struct Sources {
    root: PathBuf,
    texts: BTreeMap<String, String>,
}

impl Sources {
    fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            texts: BTreeMap::new(),
        }
    }

    fn have(&mut self, path: &str, name: &str) -> bool {
        let file = self.root.join(path);
        let text = self
            .texts
            .entry(path.to_owned())
            .or_insert_with(|| fs::read_to_string(file).unwrap_or_default());
        if path.ends_with(".rs") {
            has_function(text, name)
        } else {
            has_title(text, name)
        }
    }
}

/// Whether a function of that name stands below an attribute that makes it a test.
fn has_function(text: &str, name: &str) -> bool {
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        let signature = line.strip_prefix("async ").unwrap_or(line);
        if let Some(function) = signature.strip_prefix("fn ") {
            if is_test
                && function
                    .strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with('('))
            {
                return true;
            }
            is_test = false;
        }
        is_test |= line.starts_with("#[test]") || line.starts_with("#[tokio::test");
    }
    false
}

/// Whether `test("title"` or `it("title"` stands there, on one line or two, or the title is one of `test.each([…])`.
fn has_title(text: &str, title: &str) -> bool {
    let is_named = |before: &str| {
        let listed = before.rsplit_once("test.each([");
        ["test(", "it("]
            .iter()
            .any(|call| before.trim_end().ends_with(call))
            || listed.is_some_and(|(_, since)| !since.contains("])"))
    };
    ['"', '\'', '`'].iter().any(|quote| {
        text.match_indices(&format!("{quote}{title}{quote}"))
            .any(|(start, _)| is_named(&text[..start]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many requirements each section has that docs/security/asvs.md goes through (OWASP ASVS 5.0.0).
    const ASVS: [(&str, usize); 27] = [
        ("3.1", 1),
        ("3.2", 3),
        ("3.3", 5),
        ("3.4", 8),
        ("3.5", 8),
        ("3.6", 1),
        ("3.7", 5),
        ("6.1", 3),
        ("6.2", 12),
        ("6.3", 8),
        ("6.4", 6),
        ("6.5", 8),
        ("6.6", 4),
        ("6.7", 2),
        ("6.8", 4),
        ("7.1", 3),
        ("7.2", 4),
        ("7.3", 2),
        ("7.4", 5),
        ("7.5", 3),
        ("7.6", 2),
        ("8.1", 4),
        ("8.2", 4),
        ("8.3", 3),
        ("8.4", 2),
        ("9.1", 3),
        ("9.2", 4),
    ];

    fn root() -> &'static Path {
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
    }

    #[test]
    fn no_requirement_of_the_chapters_is_left_out() {
        let text = fs::read_to_string(root().join("docs/security/asvs.md")).unwrap();
        let rows = text.lines().filter_map(|line| line.strip_prefix("| "));
        let numbers = rows.filter_map(|row| row.split(' ').next());
        let found: Vec<String> = numbers
            .filter(|number| number.starts_with(|c: char| c.is_ascii_digit()))
            .map(str::to_owned)
            .collect();
        let wanted = ASVS.iter().flat_map(|(section, count)| {
            (1..=*count).map(move |number| format!("{section}.{number}"))
        });
        assert_eq!(found, wanted.collect::<Vec<_>>());
    }

    #[test]
    fn a_row_without_a_test_or_a_reason_is_a_fault() {
        let rows = "| a | b | shown by |\n|---|---|---|\n";
        let this = "xtask/src/evidence.rs";
        let me = "a_row_without_a_test_or_a_reason_is_a_fault";
        for (cell, is_fault) in [
            (format!("`{this}#{me}`"), false),
            (format!("`{this}#{me}`, and more: `{this}#root`"), true),
            (format!("`{this}#no_such_test`"), true),
            (format!("`xtask/src/nowhere.rs#{me}`"), true),
            (format!("`{this}`"), true),
            ("".to_owned(), true),
            (
                "Not applicable: there is no upload of files".to_owned(),
                false,
            ),
            ("Not applicable: none".to_owned(), true),
        ] {
            let table = format!("{rows}| x | y | {cell} |\n");
            let cells = last_cells(&table);
            assert_eq!(cells, [(3, cell.as_str())]);
            let fault = judge(&cell, &mut Sources::new(root()));
            assert_eq!(fault.is_some(), is_fault, "{cell}: {fault:?}");
        }
        assert_eq!(last_cells("| a | b |\n|---|---|\n| x | y |\n").len(), 2);
    }

    #[test]
    fn a_title_is_that_of_a_test() {
        let text = "test(\"signs in\", …\n  it(\n    'goes on', …\ntest.each([\n\"one\",\n\"two\",\n])(\"no test\"\n";
        for title in ["signs in", "goes on", "one", "two"] {
            assert!(has_title(text, title), "{title}");
        }
        assert!(!has_title(text, "no test") && !has_title(text, "signs"));
    }
}
