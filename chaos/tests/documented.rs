//! The documentation speaks of every fault.

use std::process::Command;

#[test]
fn every_fault_is_documented() {
    let output = Command::new(env!("CARGO_BIN_EXE_chaos"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let (_, names) = help.split_once("[possible values: ").unwrap();
    let (names, _) = names.split_once(']').unwrap();
    let page = include_str!("../../docs/fault-suite.md");
    for name in names.split(',').map(str::trim) {
        assert!(page.contains(&format!("`{name}`")), "{name} is missing");
    }
}
