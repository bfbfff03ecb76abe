//! Looks for secrets in what the servers of the Rust tests logged at their loudest.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
};

use aho_corasick::AhoCorasick;
use anyhow::{Context, Result, bail};
use regex::bytes::{Regex, RegexSet};

use crate::{project::Project, steps::Step};

/// What the tests read: the file that their servers log to.
pub(crate) const VARIABLE: &str = "COUNTERSIGN_TEST_LOG";

/// What no line may look like.
const PATTERNS: [(&str, &str); 8] = [
    ("an access token", r"eyJ[A-Za-z0-9_-]{10}"),
    // And that of a device, which has no key id.
    ("a refresh token", r"v1\.([0-9a-f]{8}\.)?[0-9a-f]{8}-"),
    (
        "a password hash",
        r"\$(argon2|2[abxy]\$|scrypt\$|pbkdf2)|\b(scrypt|pbkdf2_sha256)\$",
    ),
    ("a private key", r"-----BEGIN"),
    ("a cookie", r"__Host-countersign[a-z-]*="),
    ("a bearer token", r"(?i)bearer [a-z0-9._-]{8}"),
    // After a slash it is the user of a URL.
    (
        "an e-mail address",
        r"(^|[^A-Za-z0-9._%+/-])[A-Za-z0-9._%+-]+@([A-Za-z0-9-]+\.)+[A-Za-z]{2,}",
    ),
    ("a password in a URL", r"://[^/\s:@]+:[^/\s@]+@"),
];
/// Shorter ones stand in words, too.
const LEAST_SECRET: usize = 12;
/// A log that hardly says anything would show nothing.
const LEAST_LINES: usize = 1000;

/// The log of one run of the tests.
pub(crate) struct Log(PathBuf);

impl Log {
    /// An empty one in the target folder, where it stays after the run.
    pub(crate) fn prepare(project: &Project) -> Result<Self> {
        let log = Self(project.target.join("test-log"));
        for path in [&log.0, &log.secrets()] {
            File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(log)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    fn secrets(&self) -> PathBuf {
        let mut path = self.0.clone().into_os_string();
        path.push(".secrets");
        path.into()
    }

    /// Fails when a line tells a secret. Names the line and never the secret.
    pub(crate) fn check(&self, step: &Step) -> Result<()> {
        let noted = fs::read_to_string(self.secrets())?;
        let search = Search::new(&noted)?;
        let (mut lines, mut faults) = (0, Vec::new());
        for line in BufReader::new(File::open(&self.0)?).split(b'\n') {
            lines += 1;
            faults.extend(search.fault(lines, &line?));
        }
        if !faults.is_empty() {
            bail!(
                "{} lines of {} tell secrets:\n{}",
                faults.len(),
                self.0.display(),
                faults[..faults.len().min(20)].join("\n")
            );
        }
        if lines < LEAST_LINES {
            bail!("the tests logged {lines} lines only: nothing is shown by that");
        }
        let secrets = search.noted.patterns_len();
        step.note(&format!(
            "{lines} lines of log tell none of {secrets} secrets"
        ));
        Ok(())
    }
}

struct Search {
    patterns: RegexSet,
    noted: AhoCorasick,
    target: Regex,
}

impl Search {
    /// `noted` holds what must not be told, as one JSON text a line.
    fn new(noted: &str) -> Result<Self> {
        let mut secrets = std::collections::BTreeSet::new();
        for line in noted.lines() {
            let secret: String = serde_json::from_str(line)?;
            if secret.len() >= LEAST_SECRET {
                // Within a JSON text, as the list of bytes that a statement's parameter is printed as, and as it is.
                secrets.insert(line.trim_matches('"').to_owned());
                let bytes = format!("{:?}", secret.as_bytes());
                secrets.insert(bytes.trim_matches(['[', ']']).to_owned());
                secrets.insert(secret);
            }
        }
        if secrets.is_empty() {
            bail!("the tests noted no secret: nothing is shown by that");
        }
        Ok(Self {
            patterns: RegexSet::new(PATTERNS.map(|(_, pattern)| pattern))?,
            noted: AhoCorasick::new(secrets)?,
            target: Regex::new(r#""target":"([^"]+)""#)?,
        })
    }

    fn fault(&self, number: usize, line: &[u8]) -> Option<String> {
        let what = match self.patterns.matches(line).iter().next() {
            Some(pattern) => PATTERNS[pattern].0,
            None if self.noted.is_match(line) => "what a test noted as secret",
            None => return None,
        };
        let target = self.target.captures(line).map_or("?".into(), |found| {
            String::from_utf8_lossy(&found[1]).into_owned()
        });
        Some(format!("line {number}, by {target}: {what}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTED: &str = "\"plum tractor ninety \\\"seven\\\"\"\n\"short\"\n";

    #[test]
    fn every_kind_of_secret_is_found_and_not_repeated() {
        let search = Search::new(NOTED).unwrap();
        for secret in [
            "eyJhbGciOiJFZERTQSIsImtpZCI6",
            "v1.0a0b0c0d.01890a5d-ac96-774b-bcce-b302099a8057.12.AAEC",
            "v1.01890a5d-ac96-774b-bcce-b302099a8057.AAEC.AAEC",
            "$argon2id$v=19$m=19456",
            "$2b$12$abcdefghijklmnopqrstuv",
            "$scrypt$ln=15",
            "pbkdf2_sha256$600000$",
            "-----BEGIN PRIVATE KEY-----",
            "__Host-countersign-device=x",
            "Bearer 0123456789",
            "ana@example.com",
            "postgres://countersign:hunter2@db/countersign",
            "plum tractor ninety \\\"seven\\\"",
            "plum tractor ninety \"seven\"",
            "[112, 108, 117, 109, 32, 116, 114, 97, 99, 116, 111, 114, 32, 110, 105, 110, 101, 116, 121, 32, 34, 115, 101, 118, 101, 110, 34]",
        ] {
            let line = format!("{{\"target\":\"countersign::http\",\"message\":\"x {secret} y\"}}");
            let fault = search.fault(7, line.as_bytes()).unwrap();
            assert!(
                fault.starts_with("line 7, by countersign::http: "),
                "{fault}"
            );
            assert!(!fault.contains(secret), "{fault}");
        }
    }

    #[test]
    fn what_may_be_logged_is_no_fault() {
        let search = Search::new(NOTED).unwrap();
        for line in [
            "a short answer to [redacted]@example.com",
            "postgres://countersign@db.example.com/countersign",
            "kid kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
        ] {
            assert_eq!(search.fault(1, line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_run_that_noted_nothing_shows_nothing() {
        assert!(Search::new("\"short\"\n").is_err());
    }
}
