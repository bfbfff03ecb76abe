//! What was found, and how it is told.

use std::io::Write as _;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};

use crate::cli::failure::Kind;
use crate::cli::output::{Output, enough, print};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// As it should be.
    Ok,
    /// It works, and should be otherwise.
    Warning,
    /// A server cannot start or do its work.
    Fault,
}

impl Level {
    const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }

    const fn style(self) -> Style {
        let colour = match self {
            Self::Ok => AnsiColor::Green,
            Self::Warning => AnsiColor::Yellow,
            Self::Fault => AnsiColor::Red,
        };
        colour.on_default().bold()
    }
}

/// What one look came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// What was looked at: a section and a name, such as `database.schema`.
    check: &'static str,
    pub(super) level: Level,
    /// What is so.
    text: String,
    /// How to mend it.
    hint: Option<String>,
}

impl Finding {
    pub(super) fn ok(check: &'static str, text: impl Into<String>) -> Self {
        Self {
            check,
            level: Level::Ok,
            text: text.into(),
            hint: None,
        }
    }

    pub(super) fn warning(
        check: &'static str,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Warning,
            hint: Some(hint.into()),
            ..Self::ok(check, text)
        }
    }

    pub(super) fn fault(
        check: &'static str,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Fault,
            ..Self::warning(check, text, hint)
        }
    }

    fn as_json(&self) -> Value {
        json!({
            "check": self.check,
            "level": self.level.word().to_uppercase(),
            "text": self.text,
            "hint": self.hint,
        })
    }
}

/// All findings. People see each as it is made, programs one object at the end.
pub(super) struct Report {
    output: Output,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) const fn new(output: Output) -> Self {
        Self {
            output,
            findings: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, findings: Vec<Finding>) -> anyhow::Result<()> {
        if self.output == Output::Text {
            findings.iter().try_for_each(show)?;
        }
        self.findings.extend(findings);
        Ok(())
    }

    pub(super) fn finish(self) -> anyhow::Result<ExitCode> {
        let count = |level| self.findings.iter().filter(|it| it.level == level).count();
        let (faults, warnings) = (count(Level::Fault), count(Level::Warning));
        match self.output {
            Output::Text => print(format_args!("{faults} faults, {warnings} warnings.\n"))?,
            Output::Json => {
                let checks: Vec<Value> = self.findings.iter().map(Finding::as_json).collect();
                let report = json!({ "faults": faults, "warnings": warnings, "checks": checks });
                print(format_args!("{report}\n"))?;
            }
        }
        Ok(match faults {
            0 => ExitCode::SUCCESS,
            _ => Kind::Failed.into(),
        })
    }
}

/// In colours where a terminal shows them and NO_COLOR does not forbid it.
fn show(finding: &Finding) -> anyhow::Result<()> {
    let Finding {
        check,
        level,
        text,
        hint,
    } = finding;
    let (word, style) = (level.word(), level.style());
    let mut out = anstream::stdout();
    let mut written = writeln!(out, "{style}{word:<7}{style:#}  {check:<21}  {text}");
    if let Some(hint) = hint {
        written = written.and_then(|()| writeln!(out, "{:<7}  {:<21}  → {hint}", "", ""));
    }
    enough(written)
}
