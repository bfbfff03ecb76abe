//! The machine: disk, memory, files and clock.

use std::fs;
use std::path::Path;

use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, getrlimit};

use super::database::nearest_folder;
use super::report::Finding;
use crate::config::Settings;
use crate::storage::DatabaseUrl;

const MIB: u64 = 1024 * 1024;
/// With less, writing is about to stop.
const LEAST_SPACE: u64 = 64 * MIB;
/// With less, there is time to act.
const LITTLE_SPACE: u64 = 1024 * MIB;
/// What imports and backups put aside.
const LITTLE_TEMPORARY: u64 = 64 * MIB;
/// What a node takes besides hashing.
const BASE_MEMORY: u64 = 32 * MIB;

pub(super) fn examine(settings: &Settings) -> Vec<Finding> {
    let mut findings = vec![synchronisation()];
    if let DatabaseUrl::Sqlite(path) = &settings.database.url {
        findings.push(space(free(&nearest_folder(path))));
    }
    findings.push(temporary(&std::env::temp_dir()));
    findings.push(memory(settings, available_memory()));
    findings.push(files(settings, getrlimit(Resource::Nofile).maximum));
    findings
}

/// systemd-timesyncd leaves a file; of others nothing can be told without their own programs.
fn synchronisation() -> Finding {
    const CHECK: &str = "clock.synchronised";
    match Path::new("/run/systemd/timesync/synchronized").exists() {
        true => Finding::ok(CHECK, "systemd-timesyncd keeps the clock"),
        false => Finding::ok(
            CHECK,
            "whether NTP keeps the clock cannot be told here: `timedatectl` or `chronyc tracking` may",
        ),
    }
}

/// Bytes that this user may still write, and files that can still be made there.
fn free(folder: &Path) -> Option<(u64, u64)> {
    let disk = statvfs(folder).ok()?;
    // File systems without a fixed number of files say 0 of 0.
    let files = if disk.f_files == 0 {
        u64::MAX
    } else {
        disk.f_favail
    };
    Some((disk.f_bavail.saturating_mul(disk.f_frsize), files))
}

fn space(free: Option<(u64, u64)>) -> Finding {
    const CHECK: &str = "disk.database";
    let hint = "make room on that disk; a shorter COUNTERSIGN_AUDIT__RETENTION helps where the trail is what grows";
    let Some((bytes, files)) = free else {
        return Finding::warning(
            CHECK,
            "how much is free cannot be found out",
            "look with `df`",
        );
    };
    let text = format!("{} MiB are free where the database is", bytes / MIB);
    match (bytes, files) {
        (_, 0..16) => Finding::fault(
            CHECK,
            "no more files can be made where the database is",
            hint,
        ),
        (0..LEAST_SPACE, _) => Finding::fault(CHECK, text, hint),
        (0..LITTLE_SPACE, _) => Finding::warning(CHECK, text, hint),
        _ => Finding::ok(CHECK, text),
    }
}

fn temporary(folder: &Path) -> Finding {
    const CHECK: &str = "disk.temporary";
    let shown = folder.display();
    let hint = "imports from a pipe and SQLite put files there: name another folder in TMPDIR";
    if access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err() {
        return Finding::warning(CHECK, format!("{shown} cannot be written"), hint);
    }
    match free(folder) {
        Some((bytes @ 0..LITTLE_TEMPORARY, _)) => Finding::warning(
            CHECK,
            format!("{} MiB are free in {shown}", bytes / MIB),
            hint,
        ),
        Some((bytes, _)) => Finding::ok(CHECK, format!("{} MiB are free in {shown}", bytes / MIB)),
        None => Finding::warning(CHECK, format!("{shown} is not there"), hint),
    }
}

/// Bytes that may be had: of the machine, and of the control group that we are in, where it has a limit.
fn available_memory() -> Option<u64> {
    let machine = fs::read_to_string("/proc/meminfo").ok()?;
    let line = machine
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    let group = fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group: Option<u64> = group.and_then(|text| text.trim().parse().ok());
    Some((kib * 1024).min(group.unwrap_or(u64::MAX)))
}

fn memory(settings: &Settings, available: Option<u64>) -> Finding {
    const CHECK: &str = "memory";
    let passwords = &settings.passwords;
    let threads = u64::try_from(passwords.threads).unwrap_or(u64::MAX);
    let needed = threads
        .saturating_mul(u64::from(passwords.memory_kib) * 1024)
        .saturating_add(BASE_MEMORY);
    let text = format!(
        "{threads} passwords at once and the rest take {} MiB",
        needed / MIB
    );
    match available {
        None => Finding::ok(
            CHECK,
            format!("{text}; how much there is cannot be told here"),
        ),
        Some(bytes) if bytes < needed => Finding::warning(
            CHECK,
            format!("{text}, and {} MiB are there", bytes / MIB),
            "lower COUNTERSIGN_PASSWORDS__THREADS, or give it more",
        ),
        Some(bytes) => Finding::ok(CHECK, format!("{text}; {} MiB are there", bytes / MIB)),
    }
}

/// A node raises its soft limit to the hard one, and leaves a quarter to the database and the rest.
fn files(settings: &Settings, limit: Option<u64>) -> Finding {
    const CHECK: &str = "files";
    let wanted = settings.http.connections.max + settings.events.max;
    let needed = u64::try_from(wanted).unwrap_or(u64::MAX).div_ceil(3) * 4;
    match limit {
        Some(limit) if limit < needed => Finding::warning(
            CHECK,
            format!(
                "{limit} files may be open, and {wanted} connections and sockets want {needed}"
            ),
            format!(
                "LimitNOFILE={needed} or `ulimit -Hn {needed}`; else COUNTERSIGN_HTTP__MAX_CONNECTIONS and COUNTERSIGN_EVENTS__MAX are lowered at the start"
            ),
        ),
        _ => Finding::ok(
            CHECK,
            format!("enough for {wanted} connections and sockets"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Level;
    use super::*;
    use crate::config::{Flags, Variables};

    fn settings() -> Settings {
        let variables = Variables::from([("COUNTERSIGN_PASSWORDS__THREADS".into(), "4".into())]);
        Settings::load_from(&Flags::default(), &variables).unwrap()
    }

    #[test]
    fn a_disk_that_is_nearly_full_is_told_before_it_is() {
        let level = |free| space(free).level;
        assert_eq!(level(Some((LITTLE_SPACE, 1000))), Level::Ok);
        assert_eq!(level(Some((LITTLE_SPACE - 1, 1000))), Level::Warning);
        assert_eq!(level(Some((LEAST_SPACE - 1, 1000))), Level::Fault);
        assert_eq!(level(Some((LITTLE_SPACE, 3))), Level::Fault);
        assert_eq!(level(None), Level::Warning);
    }

    #[test]
    fn too_little_memory_for_the_hashing_threads_is_told() {
        let needed = 4 * 19_456 * 1024 + BASE_MEMORY;
        assert_eq!(memory(&settings(), Some(needed)).level, Level::Ok);
        assert_eq!(memory(&settings(), Some(needed - 1)).level, Level::Warning);
    }

    #[test]
    fn too_few_files_for_the_settings_are_told() {
        assert_eq!(files(&settings(), None).level, Level::Ok);
        assert_eq!(files(&settings(), Some(26_668)).level, Level::Ok);
        assert_eq!(files(&settings(), Some(26_667)).level, Level::Warning);
    }

    #[test]
    fn a_folder_for_temporary_files_that_is_missing_is_told() {
        assert_eq!(temporary(Path::new("/nowhere")).level, Level::Warning);
    }
}
