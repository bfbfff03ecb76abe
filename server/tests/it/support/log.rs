//! What the servers of all tests log, as loud as can be, for `cargo xtask test rust` to look for secrets in.
//!
//! Where `COUNTERSIGN_TEST_LOG` names a file, they write to it; what must not stand there is noted in a second file, whose name
//! has `.secrets` after it, as one JSON text a line.

use std::fs::File;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::{Mutex, Once};

use countersign::config::Profile;
use countersign::telemetry::logs;
use reqwest::header::{HeaderMap, SET_COOKIE};
use serde_json::Value;

use super::{PASSWORD, SECRET};

/// Fields of requests and answers whose texts are nobody's business.
const PRIVATE: [&str; 7] = [
    "accessToken",
    "currentPassword",
    "email",
    "newPassword",
    "password",
    "refreshToken",
    "token",
];

fn open(suffix: &str) -> Option<File> {
    let path = std::env::var("COUNTERSIGN_TEST_LOG").ok()? + suffix;
    let file = File::options().append(true).create(true).open(path);
    Some(file.unwrap())
}

/// Lets the servers within this process write to the log.
pub fn start() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if let Some(file) = open("") {
            logs::start(
                Profile::Production,
                "trace".into(),
                Mutex::new(file),
                false,
                None,
            )
            .unwrap();
            note(PASSWORD);
            note(SECRET);
        }
    });
}

/// Lets a server that is about to be started write to the log, and to nowhere else.
pub fn of(command: &mut Command) -> &mut Command {
    match open("") {
        Some(file) => command.env("COUNTERSIGN_LOG__FILTER", "trace").stderr(file),
        None => command.stderr(Stdio::null()),
    }
}

/// Notes what must not stand in the log.
pub fn note(secret: &str) {
    if let Some(mut file) = open(".secrets") {
        let line = format!("{}\n", Value::from(secret));
        file.write_all(line.as_bytes()).unwrap();
    }
}

/// Notes the private fields of a request or an answer.
pub fn note_fields(value: &Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value.as_str() {
                    Some(text) if PRIVATE.contains(&name.as_str()) => note(text),
                    _ => note_fields(value),
                }
            }
        }
        Value::Array(values) => values.iter().for_each(note_fields),
        _ => {}
    }
}

/// Notes the cookies of an answer.
pub fn note_cookies(headers: &HeaderMap) {
    for cookie in headers.get_all(SET_COOKIE) {
        let pair = cookie.to_str().unwrap().split(';').next().unwrap();
        note(pair.split_once('=').unwrap().1);
    }
}
