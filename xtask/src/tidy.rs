//! `cargo xtask tidy`: holds what must be absent from each part (docs/architecture.md).
//!
//! It reads lines, not syntax: comments after `//` do not count in Rust and TypeScript, everything
//! else does. What docs/security.md claims is held by `evidence.rs`, what documents link to by `links.rs`, the form of
//! CHANGELOG.md by `changelog.rs`.

use std::{fs, path::Path};

use anyhow::{Result, bail};
use ignore::WalkBuilder;

use crate::{changelog, evidence, links, project::Project};

/// Words that must not stand under some folders.
struct Rule {
    /// Folders or files, from the root; `""` is all.
    under: &'static [&'static str],
    /// Exceptions among them.
    except: &'static [&'static str],
    /// Looked for as whole words where they begin or end with a letter.
    words: &'static [&'static str],
    why: &'static str,
}

const DOMAIN: &[&str] = &[
    "server/src/accounts/",
    "server/src/sessions/",
    "server/src/audit/",
    "server/src/tokens/",
];

const RULES: &[Rule] = &[
    Rule {
        under: &["server/src/"],
        except: &["server/src/storage/"],
        words: &["diesel", "diesel_async", "diesel_migrations"],
        why: "only storage/ names Diesel",
    },
    Rule {
        under: &["server/src/"],
        except: &["server/src/config/"],
        words: &["env::var", "env::var_os", "env::vars", "env::vars_os"],
        why: "only config/ reads the environment",
    },
    Rule {
        under: &["server/src/"],
        except: &["server/src/clock.rs"],
        words: &[
            "SystemTime::now",
            "Timestamp::now",
            "Zoned::now",
            "Utc::now",
            "OffsetDateTime::now_utc",
        ],
        why: "the time comes in through a Clock, so that tests can move it",
    },
    Rule {
        under: DOMAIN,
        except: &[],
        words: &[
            "async_graphql",
            "axum",
            "http::",
            "crate::graphql",
            "crate::http",
            "tungstenite",
        ],
        why: "the rules know neither GraphQL nor HTTP",
    },
    Rule {
        under: &["server/src/"],
        except: &["server/src/tokens/"],
        words: &["jsonwebtoken", "jwt_compact"],
        why: "only tokens/ names JWT",
    },
    Rule {
        under: &["server/src/"],
        except: &["server/src/accounts/"],
        words: &["argon2"],
        why: "only accounts/ names a password hash",
    },
    Rule {
        under: &["server/src/tokens/"],
        except: &[],
        words: &["storage::users", "crate::accounts", "crate::sessions"],
        why: "a token is signed and checked without users' tables",
    },
    Rule {
        under: &["server/src/storage/"],
        except: &[],
        words: &[
            "async_graphql",
            "axum",
            "crate::accounts",
            "crate::sessions",
            "crate::graphql",
            "crate::http",
        ],
        why: "storage/ knows plain values, no rules and no transport",
    },
    Rule {
        under: &["server/src/values.rs", "server/src/clock.rs"],
        except: &[],
        words: &[
            "crate::accounts",
            "crate::app",
            "crate::audit",
            "crate::config",
            "crate::graphql",
            "crate::http",
            "crate::sessions",
            "crate::storage",
            "crate::tokens",
        ],
        why: "values and time are below everything else",
    },
    Rule {
        under: &["wasm-client/src/"],
        except: &[],
        words: &["SystemTime", "Instant", "js_sys::Date", "web_sys"],
        why: "the core does no I/O, and time comes from JavaScript",
    },
    Rule {
        under: &["wasm-client/npm/src/"],
        except: &["wasm-client/npm/src/react.ts"],
        words: &["react", "web-demo"],
        why: "the npm package knows not the demo, and React in one entry only",
    },
    Rule {
        under: &["web-demo/src/"],
        except: &[],
        words: &["wasm-client"],
        why: "the demo uses the npm package as a stranger would",
    },
    Rule {
        under: &["web-demo/src/", "wasm-client/npm/src/"],
        except: &[],
        words: &[
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "dangerouslySetInnerHTML",
            "document.write",
            "eval",
            "new Function",
        ],
        why: "text is shown as text, and nothing that came in is run (OWASP ASVS 5.0, 3.2.2)",
    },
    Rule {
        under: &["web-demo/src/", "wasm-client/npm/src/"],
        except: &[],
        words: &[
            "window.open",
            "window.onmessage",
            "window.addEventListener(\"message\"",
        ],
        why: "no window but our own is spoken with: tabs have a BroadcastChannel (OWASP ASVS 5.0, 3.5.5)",
    },
    Rule {
        under: &["examples/axum-service/", "examples/node-service/"],
        except: &[],
        words: &["countersign::tokens", "server/src", "@countersign/client"],
        why: "a service shares no code with the server: it is there to be copied",
    },
    Rule {
        under: &[""],
        except: &["xtask/src/tidy.rs"],
        words: &["TODO", "FIXME", "todo!", "dbg!"],
        why: "finish it, or leave it out",
    },
    Rule {
        under: &[""],
        except: &[],
        // In halves, so that this file keeps the rule too.
        words: &[
            concat!("/wo", "rk/"),
            concat!("/ro", "ot/"),
            concat!("/ho", "me/"),
        ],
        why: "no path of one machine",
    },
    Rule {
        under: &[""],
        except: &[],
        words: &[
            concat!("registry.", "npmjs"),
            concat!("registry.", "yarnpkg"),
            concat!("index.", "crates.io"),
            concat!("static.", "crates.io"),
        ],
        why: "no address of a package registry: each machine has its own settings",
    },
];

/// Longer files are named, so that someone thinks about them; they are no fault.
const LONG: usize = 500;

/// Other people's text, or written by a tool.
const SKIPPED: &[&str] = &[
    "Cargo.lock",
    "package-lock.json",
    "LICENSE-",
    "schema.graphql",
];

pub(crate) fn run(project: &Project) -> Result<()> {
    let (mut files, mut faults) = (0, Vec::new());
    let walk = WalkBuilder::new(&project.root)
        .hidden(false)
        .require_git(false)
        .build();
    for entry in walk {
        let entry = entry?;
        let path = entry.path().strip_prefix(&project.root)?.to_string_lossy();
        // In a worktree `.git` is a file.
        let is_git = path == ".git" || path.starts_with(".git/");
        let read = !is_git && !SKIPPED.iter().any(|skip| path.starts_with(skip));
        // What is not UTF-8 is a picture or a font.
        if let (true, Ok(text)) = (
            read && entry.path().is_file(),
            fs::read_to_string(entry.path()),
        ) {
            files += 1;
            faults.extend(check(&path, &text));
            faults.extend(check_lints(&path, &text));
            if path == "CHANGELOG.md" {
                faults.extend(changelog::check(&text));
            }
            if path.ends_with(".md") {
                faults.extend(links::check(&project.root, &path, &text));
            }
            let lines = text.lines().count();
            if lines > LONG && is_source(&path) {
                println!("long: {path} has {lines} lines; {LONG} are easy to read");
            }
        }
    }
    let (rows, unshown) = evidence::check(&project.root)?;
    faults.extend(unshown);
    if !faults.is_empty() {
        bail!(
            "{} lines break a rule of xtask/src/tidy.rs, evidence.rs, links.rs or changelog.rs:\n{}",
            faults.len(),
            faults.join("\n")
        );
    }
    println!(
        "tidy: {files} files keep {} rules; {rows} rows on security name a test or a reason",
        RULES.len()
    );
    Ok(())
}

/// The faults of one file, each as `path:line: word: why`.
fn check(path: &str, text: &str) -> Vec<String> {
    let is_under = |folders: &[&str]| folders.iter().any(|folder| path.starts_with(folder));
    let rules: Vec<&Rule> = RULES
        .iter()
        .filter(|rule| is_under(rule.under) && !is_under(rule.except))
        .collect();
    let mut faults = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for rule in &rules {
            // The rules for all files hold in comments too.
            let line = if rule.under == [""] {
                line
            } else {
                code(path, line)
            };
            for word in rule.words.iter().filter(|word| has_word(line, word)) {
                faults.push(format!("{path}:{}: {word}: {}", number + 1, rule.why));
            }
        }
    }
    faults
}

/// The lints of the workspace, which forbid `unsafe`, hold in a crate only if it says so.
fn check_lints(path: &str, text: &str) -> Option<String> {
    let is_package = path.ends_with("Cargo.toml") && text.contains("[package]");
    // A crate outside of the workspace has to say it itself.
    let says_so = ["[lints]\nworkspace = true", "unsafe_code = \"forbid\""];
    let is_fault = is_package && !says_so.iter().any(|lints| text.contains(lints));
    is_fault.then(|| {
        format!("{path}: [lints] workspace = true is missing: `unsafe` is forbidden in all crates")
    })
}

fn is_source(path: &str) -> bool {
    let extension = Path::new(path)
        .extension()
        .and_then(|extension| extension.to_str());
    matches!(extension, Some("rs" | "ts" | "tsx" | "css"))
}

fn code<'a>(path: &str, line: &'a str) -> &'a str {
    match line.split_once("//") {
        Some((before, _)) if is_source(path) => before,
        _ => line,
    }
}

fn has_word(line: &str, word: &str) -> bool {
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let open = |inside: Option<char>, outside: Option<char>| {
        !inside.is_some_and(is_letter) || !outside.is_some_and(is_letter)
    };
    line.match_indices(word).any(|(start, _)| {
        let (before, after) = (&line[..start], &line[start + word.len()..]);
        open(word.chars().next(), before.chars().next_back())
            && open(word.chars().next_back(), after.chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_every_rule_is_found_where_it_is_forbidden() {
        for rule in RULES {
            for folder in rule.under {
                for word in rule.words {
                    let path = format!("{folder}example.rs");
                    let faults = check(&path, &format!("use x;\nuse ({word});"));
                    assert!(
                        faults.iter().any(|fault| fault.contains(rule.why)),
                        "{word} in {path}"
                    );
                }
            }
        }
    }

    #[test]
    fn exceptions_comments_and_longer_words_are_no_faults() {
        assert!(check("server/src/storage/users.rs", "use diesel::prelude::*;").is_empty());
        assert!(check("server/src/graphql/mod.rs", "/// What diesel calls a row.").is_empty());
        assert!(check("server/src/graphql/mod.rs", "let dieselish = 1;").is_empty());
        assert!(check("docs/network.md", "see /network/map").is_empty());
    }

    #[test]
    fn a_crate_without_the_lints_of_the_workspace_is_a_fault() {
        let package = "[package]\nname = \"x\"\n";
        assert!(check_lints("x/Cargo.toml", package).is_some());
        let lints = format!("{package}\n[lints]\nworkspace = true\n");
        assert_eq!(check_lints("x/Cargo.toml", &lints), None);
        let own = format!("{package}\n[lints.rust]\nunsafe_code = \"forbid\"\n");
        assert_eq!(check_lints("fuzz/Cargo.toml", &own), None);
        assert_eq!(check_lints("Cargo.toml", "[workspace]\n"), None);
    }

    #[test]
    fn the_rules_for_all_files_hold_in_comments() {
        let fault = concat!("// TO", "DO: later");
        assert_eq!(check("web-demo/src/main.tsx", fault).len(), 1);
    }
}
