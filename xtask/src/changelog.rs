//! Holds the form of CHANGELOG.md (keepachangelog.com, 1.1.0), and finds what belongs to a version.

use anyhow::{Context, Result, bail};

/// The kinds of changes, in the order in which they stand.
const KINDS: [&str; 6] = [
    "Added",
    "Changed",
    "Deprecated",
    "Removed",
    "Fixed",
    "Security",
];

/// What of the form `text` breaks, each as `CHANGELOG.md:line: what`.
pub(crate) fn check(text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut versions: Vec<[u64; 3]> = Vec::new();
    // In the version at hand: the kind before, and whether lines may stand here at all.
    let (mut kind, mut headings) = (None, 0);
    for (number, line) in (1..).zip(text.lines()) {
        let mut fault = |what: &str| faults.push(format!("CHANGELOG.md:{number}: {what}"));
        if let Some(heading) = line.strip_prefix("## ") {
            headings += 1;
            kind = None;
            match (headings, heading, released(heading)) {
                (1, "[Unreleased]", _) => {}
                (1, ..) => fault("the first heading is \"## [Unreleased]\""),
                (_, _, None) => fault("a version is \"## [1.2.3] - 2026-11-22\""),
                (_, _, Some(version)) => {
                    if versions.last().is_some_and(|newer| *newer <= version) {
                        fault("the newest version stands first, and each once");
                    }
                    versions.push(version);
                }
            }
        } else if let Some(heading) = line.strip_prefix("### ") {
            let place = KINDS.iter().position(|kind| *kind == heading);
            if headings == 0 || place.is_none() || kind >= place {
                fault(&format!(
                    "under a version stand {}, in this order, each once",
                    KINDS.join(", ")
                ));
            }
            kind = place;
        } else if line.starts_with("- ") && kind.is_none() {
            fault("a change stands under its kind (\"### Added\", \"### Fixed\", …)");
        }
    }
    if headings == 0 {
        faults.push("CHANGELOG.md: \"## [Unreleased]\" is missing".to_owned());
    }
    faults
}

/// The version in a heading like `[1.2.3] - 2026-11-22`.
fn released(heading: &str) -> Option<[u64; 3]> {
    let (version, date) = heading.strip_prefix('[')?.split_once("] - ")?;
    let numbers = |text: &str, separator| {
        let numbers = text.split(separator).map(|part| part.parse().ok());
        <[u64; 3]>::try_from(numbers.collect::<Option<Vec<_>>>()?).ok()
    };
    let [_, month, day] = numbers(date, '-')?;
    let is_date = date.len() == 10 && (1..=12).contains(&month) && (1..=31).contains(&day);
    numbers(version, '.').filter(|_| is_date)
}

/// What changed in `version`: the notes of its release.
///
/// Fails where the version has no heading with a date, or nothing under it.
pub(crate) fn notes(text: &str, version: &str) -> Result<String> {
    let heading = format!("## [{version}] - ");
    let mut lines = text.lines();
    lines
        .find(|line| line.starts_with(&heading))
        .with_context(|| {
            format!("CHANGELOG.md has no heading \"{heading}…\": docs/releasing.md says when it gets one")
        })?;
    let notes: Vec<&str> = lines.take_while(|line| !line.starts_with("## ")).collect();
    let notes = notes.join("\n").trim().to_owned();
    if notes.is_empty() {
        bail!("CHANGELOG.md says nothing of {version}");
    }
    Ok(notes + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- One\n\n### Fixed\n\n- Two\n\n\
        ## [0.2.0] - 2026-12-01\n\n### Changed\n\n- Three\n\n## [0.1.10] - 2026-11-30\n\n## [0.1.9] - 2026-11-29\n";

    #[test]
    fn the_form_of_keep_a_changelog_is_held() {
        assert_eq!(check(GOOD), Vec::<String>::new());
        for (from, to) in [
            ("## [Unreleased]\n", ""),
            ("### Added", "### New"),
            ("### Fixed", "### Added"),
            ("### Added\n", ""),
            ("[0.2.0] - 2026-12-01", "0.2.0"),
            ("2026-12-01", "2026-13-01"),
            ("2026-12-01", "1.12.2026"),
            ("[0.1.10]", "[0.1.8]"),
            ("[0.2.0]", "[0.1.10]"),
            ("[0.2.0]", "[0.2]"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let broken = GOOD.replacen(from, to, 1);
            assert!(!check(&broken).is_empty(), "{from} → {to}");
        }
        assert!(!check("# Changelog\n").is_empty());
    }

    #[test]
    fn the_notes_of_a_version_are_what_stands_under_it() {
        assert_eq!(notes(GOOD, "0.2.0").unwrap(), "### Changed\n\n- Three\n");
        assert!(notes(GOOD, "0.1.10").is_err(), "nothing stands under it");
        assert!(notes(GOOD, "0.2").is_err());
        assert!(notes(GOOD, "0.3.0").is_err());
    }
}
