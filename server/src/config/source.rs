//! Where settings come from, and the report of all that is wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::hash::{BuildHasher as _, RandomState};
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use std::time::Duration;

use config::{Config, ConfigError, File, FileFormat, Value, ValueKind};
use serde::Serialize;
use zeroize::Zeroizing;

use super::Rate;
use crate::storage::DatabaseUrl;
use crate::values::Secret;

/// Every environment variable of ours starts so.
const PREFIX: &str = "COUNTERSIGN_";
/// Read when it is there and no other file is named.
const DEFAULT_FILE: &str = "countersign.toml";
/// What holds a secret always, and what does where there is a password in it.
const SECRETS: [&str; 2] = ["keys.secret", "traces.headers"];
const URLS: [&str; 2] = ["database.url", "database.migrations_url"];
/// Keys that are less alike (Jaro-Winkler, 0 to 1) are not taken for a slip of the pen.
const LEAST_SIMILARITY: f64 = 0.9;

/// Environment variables by name.
pub type Variables = BTreeMap<OsString, OsString>;

/// What was given on the command line.
#[derive(Clone, derive_more::Debug, Default)]
pub struct Flags {
    /// The file to read instead of `countersign.toml`.
    pub file: Option<PathBuf>,
    /// Settings by key, such as `database.url`, with the flag that gave each.
    #[debug("[redacted]")]
    pub values: BTreeMap<&'static str, (String, &'static str)>,
}

impl Flags {
    /// Sets `key`, such as `database.url`, to what `flag` gave.
    pub fn set(&mut self, key: &'static str, value: &str, flag: &'static str) {
        self.values.insert(key, (value.to_owned(), flag));
    }
}

/// One thing that is wrong with the configuration, or worth a thought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The setting, such as `http.listen`.
    pub key: String,
    /// The file, variable or flag that its value came from.
    pub origin: String,
    /// What is wrong with it.
    pub problem: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) {}", self.key, self.origin, self.problem)
    }
}

/// All that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Faults {
    /// What keeps the server from starting.
    pub faults: Vec<Fault>,
    /// What would not.
    pub warnings: Vec<Fault>,
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} fault(s):", self.faults.len())?;
        self.faults
            .iter()
            .try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// What was given for each key: enough to see what has changed since, and nothing of what it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Given(pub(super) BTreeMap<String, u64>);

/// Known to nobody, so that no hash tells of a secret.
static GIVEN: LazyLock<RandomState> = LazyLock::new(RandomState::new);

/// The settings as they were written, and the faults found while reading them.
pub(super) struct Source {
    values: Config,
    /// Where each key's value came from.
    origins: BTreeMap<String, String>,
    read: BTreeSet<&'static str>,
    faults: Vec<Fault>,
    warnings: Vec<Fault>,
    /// Names that only look like variables of ours.
    lookalikes: Vec<String>,
}

impl Source {
    pub(super) fn open(flags: &Flags, variables: &Variables) -> Result<Self, Faults> {
        let (mut origins, mut faults) = (BTreeMap::new(), Vec::new());
        let mut builder = Config::builder();
        if let Some(path) = file_of(flags, variables) {
            let origin = format!("in {}", path.display());
            let fault = |problem| one_fault("the file", &origin, problem);
            let text = std::fs::read_to_string(&path)
                .map(Zeroizing::new)
                .map_err(|error| fault(format!("cannot be read: {error}")))?;
            let file = Config::builder()
                .add_source(File::from_str(&text, FileFormat::Toml))
                .build()
                .map_err(|error| fault(syntax_problem(&text, &error)))?;
            collect_keys("", &file.cache, &origin, &mut origins);
            if mode(&path) & 0o077 != 0 {
                for key in secrets(&file) {
                    let problem = "stands in a file that others may read: `chmod 600` it";
                    faults.extend(one_fault(key, &origin, problem.to_owned()).faults);
                }
            }
            builder = builder.add_source(file);
        }
        let mut lookalikes = Vec::new();
        for (variable, value) in variables {
            let (Some(variable), Some(value)) = (variable.to_str(), value.to_str()) else {
                continue;
            };
            // Orchestrators make variables such as COUNTERSIGN_PORT of a service's name; ours have a section, or are the profile.
            let ours = |path: &&str| path.contains("__") || *path == "PROFILE";
            let Some(path) = variable.strip_prefix(PREFIX).filter(ours) else {
                lookalikes.push(variable.to_owned());
                continue;
            };
            let key = path.to_lowercase().replace("__", ".");
            let (key, value) = match key.strip_suffix("_file") {
                Some(secret) => match read_file(value) {
                    Ok(text) => (secret.to_owned(), text),
                    Err(problem) => {
                        faults.extend(one_fault(&key, variable, problem).faults);
                        continue;
                    }
                },
                None => (key, value.to_owned()),
            };
            let other = origins.insert(key.clone(), variable.to_owned());
            if let Some(other) = other.filter(|other| other.starts_with(PREFIX)) {
                let problem = format!("is given twice: by {other} too");
                faults.push(Fault {
                    key: key.clone(),
                    origin: variable.to_owned(),
                    problem,
                });
            }
            builder = set(builder, &key, value)?;
        }
        for (key, (value, flag)) in &flags.values {
            origins.insert((*key).to_owned(), (*flag).to_owned());
            builder = set(builder, key, value.clone())?;
        }
        let values = builder
            .build()
            .map_err(|error| one_fault("the configuration", "all of it", error.to_string()))?;
        Ok(Self {
            values,
            origins,
            read: BTreeSet::new(),
            faults,
            warnings: Vec::new(),
            lookalikes,
        })
    }

    /// Reports what is wrong, settings that nothing reads included: a misspelt name must not be silently without effect.
    pub(super) fn finish(mut self) -> Result<(Vec<Fault>, Given), Faults> {
        for (key, origin) in &self.origins {
            if !self.read.contains(key.as_str()) {
                self.faults.push(Fault {
                    key: key.clone(),
                    origin: origin.clone(),
                    problem: self.unknown(key),
                });
            }
        }
        for variable in &self.lookalikes {
            let meant = |key: &&&str| variable.as_str() == self::variable(key).replace("__", "_");
            if let Some(key) = self.read.iter().find(meant) {
                self.faults.push(Fault {
                    key: (*key).to_owned(),
                    origin: variable.clone(),
                    problem: format!("is no setting: write {}", self::variable(key)),
                });
            }
        }
        if !self.faults.is_empty() {
            return Err(Faults {
                faults: self.faults,
                warnings: self.warnings,
            });
        }
        let given = self.origins.keys().map(|key| {
            let value = self.values.get::<Value>(key).map(|value| value.kind);
            (key.clone(), GIVEN.hash_one(format!("{value:?}")))
        });
        Ok((self.warnings, Given(given.collect())))
    }

    /// What is wrong with a key that nothing reads, and which one it may have been meant for.
    fn unknown(&self, key: &str) -> String {
        let problem = "is no setting of this version";
        let similarity = |known: &str| strsim::jaro_winkler(key, known);
        let nearest = self
            .read
            .iter()
            .max_by(|a, b| similarity(a).total_cmp(&similarity(b)))
            .filter(|known| similarity(known) > LEAST_SIMILARITY);
        nearest.map_or_else(
            || problem.to_owned(),
            |known| format!("{problem}: did you mean {known}?"),
        )
    }

    /// Whether a value was given, a faulty one too.
    pub(super) fn is_given(&self, key: &str) -> bool {
        self.origins.contains_key(key)
    }

    /// Something that an operator should know and may want.
    pub(super) fn warn(&mut self, key: &'static str, problem: impl fmt::Display) {
        let warning = self.finding(key, problem.to_string());
        self.warnings.push(warning);
    }

    pub(super) fn fault(&mut self, key: &'static str, problem: &str) {
        let fault = self.finding(key, problem.to_owned());
        self.faults.push(fault);
    }

    fn finding(&self, key: &'static str, problem: String) -> Fault {
        let origin = self.origins.get(key).cloned();
        Fault {
            key: key.to_owned(),
            origin: origin.unwrap_or_else(|| format!("not set; {}", variable(key))),
            problem,
        }
    }

    /// The variables of all settings that were read.
    #[cfg(test)]
    pub(super) fn variables(&self) -> impl Iterator<Item = String> {
        self.read.iter().map(|key| variable(key))
    }

    /// A value that was given; an empty one is as good as none, but somebody meant something by it.
    fn text(&mut self, key: &'static str) -> Option<String> {
        let text = self.plain_text(key)?;
        if text.trim().is_empty() {
            self.fault(key, "is empty: give a value, or leave it out");
            return None;
        }
        Some(text)
    }

    fn plain_text(&mut self, key: &'static str) -> Option<String> {
        self.read.insert(key);
        let text = self.values.get_string(key).ok();
        if text.is_none() && self.is_given(key) {
            self.fault(key, "is not a single value");
        }
        text
    }

    /// A setting that need not be there.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Option<T> {
        let text = self.text(key)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(problem) => {
                self.fault(key, &format!("{text:?} {problem}"));
                None
            }
        }
    }

    /// A setting with a default.
    ///
    /// # Panics
    /// When the default itself does not parse, which the tests would show.
    pub(super) fn parsed<T>(
        &mut self,
        key: &'static str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> T {
        let given = self.optional(key, &parse);
        given.unwrap_or_else(|| {
            parse(default).unwrap_or_else(|problem| unreachable!("the default of {key} {problem}"))
        })
    }

    /// A setting that need not be there and whose value may hold a secret, so no fault repeats it.
    pub(super) fn optional_private<T, E: fmt::Display>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(key)?;
        parse(&text)
            .map_err(|problem| self.fault(key, &problem.to_string()))
            .ok()
    }

    /// A setting with a default whose value may hold a secret.
    ///
    /// # Panics
    /// When the default itself does not parse, which the tests would show.
    pub(super) fn private<T, E: fmt::Display>(
        &mut self,
        key: &'static str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> T {
        let given = self.optional_private(key, &parse);
        given.unwrap_or_else(|| {
            parse(default).unwrap_or_else(|problem| unreachable!("the default of {key} {problem}"))
        })
    }

    /// A length of time such as `15m` or `7d`, between `least` and `most`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: &str,
        least: &str,
        most: &str,
    ) -> Duration {
        let (least, most) = (parse_duration(least), parse_duration(most));
        self.parsed(key, default, |text| match parse_duration(text) {
            duration @ Some(_) if duration < least => Err("is too short"),
            duration @ Some(_) if duration > most => Err("is too long"),
            Some(duration) => Ok(duration),
            None => Err("is no length of time like 30s, 15m or 7d"),
        })
    }

    /// The same, or `off`.
    pub(super) fn duration_or_off(
        &mut self,
        key: &'static str,
        default: &str,
        least: &str,
        most: &str,
    ) -> Option<Duration> {
        let range = parse_duration(least)..=parse_duration(most);
        self.parsed(key, default, |text| match parse_duration(text) {
            _ if text == "off" => Ok(None),
            None => Err("is neither off nor a length of time like 90d"),
            duration if range.contains(&duration) => Ok(duration),
            _ => Err("is too short or too long"),
        })
    }

    /// So many in `per`, or `off`.
    pub(super) fn rate(&mut self, key: &'static str, default: u32, per: Duration) -> Option<Rate> {
        self.parsed(key, &default.to_string(), |text| match text.parse() {
            _ if text == "off" => Ok(None),
            Ok(count @ 1..=10_000) => Ok(Some(Rate { count, per })),
            _ => Err("is neither off nor a whole number from 1 to 10000"),
        })
    }

    /// A whole number within a range.
    pub(super) fn number<T>(&mut self, key: &'static str, default: T, range: RangeInclusive<T>) -> T
    where
        T: std::str::FromStr + PartialOrd + fmt::Display,
    {
        let Some(text) = self.text(key) else {
            return default;
        };
        match text.parse() {
            Ok(number) if range.contains(&number) => number,
            _ => {
                self.fault(
                    key,
                    &format!(
                        "{text:?} is no whole number from {} to {}",
                        range.start(),
                        range.end()
                    ),
                );
                default
            }
        }
    }

    /// `true` or `false`.
    pub(super) fn switch(&mut self, key: &'static str, default: bool) -> bool {
        self.parsed(key, if default { "true" } else { "false" }, |text| {
            text.parse().map_err(|_| "is neither true nor false")
        })
    }

    /// A list in the file, or values with commas between them in a variable.
    pub(super) fn list<T>(
        &mut self,
        key: &'static str,
        default: Vec<T>,
        parse: impl Fn(&str) -> Result<T, &'static str>,
    ) -> Vec<T> {
        self.read.insert(key);
        let Some(texts) = self.texts(key) else {
            return default;
        };
        let mut values = Vec::new();
        for text in texts {
            match parse(&text) {
                Ok(value) => values.push(value),
                Err(problem) => self.fault(key, &format!("{text:?} {problem}")),
            }
        }
        values
    }

    fn texts(&mut self, key: &'static str) -> Option<Vec<String>> {
        let Ok(items) = self.values.get_array(key) else {
            let text = self.plain_text(key)?;
            let items = text.split(',').map(|item| item.trim().to_owned());
            return Some(items.filter(|item| !item.is_empty()).collect());
        };
        let texts: Vec<String> = items
            .iter()
            .filter_map(|item| item.clone().into_string().ok())
            .collect();
        if texts.len() < items.len() {
            self.fault(key, "is a list of single values");
        }
        Some(texts)
    }

    /// A secret: no fault repeats it.
    pub(super) fn secret(
        &mut self,
        key: &'static str,
        check: impl Fn(&str) -> Result<(), &'static str>,
    ) -> Option<Secret> {
        let secret = Secret::new(self.text(key)?);
        if let Err(problem) = check(secret.expose()) {
            self.fault(key, problem);
        }
        Some(secret)
    }
}

/// Why a text is no TOML, without the line that the parser would show: a secret may stand in it.
fn syntax_problem(text: &str, error: &ConfigError) -> String {
    let fault = match error {
        ConfigError::FileParse { cause, .. } => cause.downcast_ref::<toml::de::Error>(),
        _ => None,
    };
    let place = fault.and_then(|fault| Some((fault, text.get(..fault.span()?.start)?)));
    place.map_or_else(
        || "is no TOML".to_owned(),
        |(fault, before)| {
            let line = before.matches('\n').count() + 1;
            let column = before.chars().rev().take_while(|it| *it != '\n').count() + 1;
            let message = fault.message();
            format!("is no TOML: line {line}, column {column}: {message}")
        },
    )
}

/// The settings in a file that nobody else may read.
fn secrets(file: &Config) -> impl Iterator<Item = &'static str> {
    let is_given = |key: &&str| file.get_string(key).is_ok();
    let holds_password = |key: &&str| {
        let url = file.get_string(key);
        // What cannot be read may hold one.
        url.is_ok_and(|url| {
            url.parse()
                .map_or(true, |url: DatabaseUrl| url.has_password())
        })
    };
    let urls = URLS.into_iter().filter(holds_password);
    SECRETS.into_iter().filter(is_given).chain(urls)
}

/// The value in a file. Others may read it, as container engines mount secrets so, and must not write to it.
fn read_file(path: &str) -> Result<String, String> {
    let text = std::fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| format!("names {path}, which cannot be read: {error}"))?;
    match mode(Path::new(path)) & 0o022 {
        0 => Ok(text.trim_end().to_owned()),
        _ => Err(format!(
            "names {path}, which others may change: `chmod go-w` it"
        )),
    }
}

/// Who may do what with a file; all bits of one whose mode cannot be had.
fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).map_or(u32::MAX, |metadata| metadata.mode())
}

fn variable(key: &str) -> String {
    format!("{PREFIX}{}", key.to_uppercase().replace('.', "__"))
}

type Builder = config::ConfigBuilder<config::builder::DefaultState>;

fn set(builder: Builder, key: &str, value: String) -> Result<Builder, Faults> {
    builder
        .set_override(key, value)
        .map_err(|error| one_fault(key, "its name", error.to_string()))
}

fn one_fault(key: &str, origin: &str, problem: String) -> Faults {
    Faults {
        faults: vec![Fault {
            key: key.to_owned(),
            origin: origin.to_owned(),
            problem,
        }],
        warnings: Vec::new(),
    }
}

fn file_of(flags: &Flags, variables: &Variables) -> Option<PathBuf> {
    let default = || {
        Path::new(DEFAULT_FILE)
            .exists()
            .then(|| PathBuf::from(DEFAULT_FILE))
    };
    flags
        .file
        .clone()
        .or_else(|| {
            variables
                .get(OsStr::new("COUNTERSIGN_CONFIG"))
                .map(PathBuf::from)
        })
        .or_else(default)
}

fn collect_keys(path: &str, value: &Value, origin: &str, origins: &mut BTreeMap<String, String>) {
    match &value.kind {
        ValueKind::Table(table) => {
            for (name, value) in table {
                let path = if path.is_empty() {
                    name.clone()
                } else {
                    format!("{path}.{name}")
                };
                collect_keys(&path, value, origin, origins);
            }
        }
        _ => {
            origins.insert(path.to_owned(), origin.to_owned());
        }
    }
}

pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}
