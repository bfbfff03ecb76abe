//! Metrics, as Prometheus reads them.
//!
//! What happens is counted where it happens, through the crate `metrics`; what is known anyway is asked for when somebody looks.
//! No label has a value that a stranger could choose.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use metrics::{
    Counter, Histogram, counter, describe_counter, describe_gauge, describe_histogram, gauge,
    histogram,
};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use metrics_process::Collector;

use crate::app::App;
use crate::storage::KeyPurpose;
use crate::tokens::KeyState;

/// Seconds up to which what takes long is counted together.
const BUCKETS: [f64; 14] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];
/// How often what was measured is taken to its place; until then each measurement takes memory.
const UPKEEP: Duration = Duration::from_secs(1);

type Described = (&'static str, &'static str);

const COUNTERS: [Described; 10] = [
    (
        "countersign_http_requests_total",
        "Requests that were answered, by method, route and status.",
    ),
    (
        "countersign_graphql_operations_total",
        "Operations that ended, by the field at their root and the code of their first error, or OK.",
    ),
    (
        "countersign_hashing_refused_total",
        "Passwords that found the queue full, by pool of threads.",
    ),
    (
        "countersign_database_statements_total",
        "Statements that were run, those of transactions included.",
    ),
    (
        "countersign_database_timeouts_total",
        "Calls of the database that waited too long for a connection.",
    ),
    (
        "countersign_sessions_opened_total",
        "Sessions that were opened.",
    ),
    (
        "countersign_sessions_refreshed_total",
        "Renewals of sessions: rotated, or repeated for a call that came again.",
    ),
    (
        "countersign_sessions_ended_total",
        "Sessions that were ended by this node, by reason. Those that expire or go with their account are not counted; what is tried again counts again.",
    ),
    (
        "countersign_throttled_total",
        "Tries that were refused because there had been too many, by kind.",
    ),
    (
        "countersign_auth_events_total",
        "Lines that were written to the audit trail, by kind; what is tried again counts again.",
    ),
];

const GAUGES: [Described; 15] = [
    ("countersign_build_info", "1, with the version as a label."),
    (
        "countersign_ready",
        "Whether requests should be sent to this node.",
    ),
    (
        "countersign_http_connections",
        "Connections that are open, sockets included.",
    ),
    (
        "countersign_sockets",
        "Sockets for session events that are open.",
    ),
    ("countersign_hashing_threads", "Threads that hash, by pool."),
    (
        "countersign_hashing_busy_threads",
        "Threads that are hashing just now, by pool.",
    ),
    (
        "countersign_hashing_queue",
        "Passwords that wait for a thread, by pool.",
    ),
    (
        "countersign_database_connections",
        "Connections to the database, by pool and state.",
    ),
    (
        "countersign_database_connections_max",
        "How many connections a pool may have.",
    ),
    (
        "countersign_database_waiting",
        "Calls that wait for a connection, by pool.",
    ),
    (
        "countersign_revocations_age_seconds",
        "Since when the revocations have not been read. Past 5 s tokens are checked in the database.",
    ),
    (
        "countersign_revocations_entries",
        "Revocations that are kept in memory.",
    ),
    (
        "countersign_signing_key_age_seconds",
        "How old the key is that signs, by purpose.",
    ),
    (
        "countersign_key_rotation_seconds",
        "In how long the next key is made, by purpose; missing where keys are not rotated by themselves.",
    ),
    (
        "countersign_tls_certificate_expiry_timestamp_seconds",
        "When the TLS certificate expires, in seconds since 1970; missing where the server speaks no TLS.",
    ),
];

const HISTOGRAMS: [Described; 3] = [
    (
        "countersign_http_request_seconds",
        "How long requests took, by route.",
    ),
    (
        "countersign_graphql_operation_seconds",
        "How long operations took, by the field at their root.",
    ),
    (
        "countersign_hashing_wait_seconds",
        "How long passwords waited for a thread, by pool.",
    ),
];

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
static PROCESS: LazyLock<Collector> = LazyLock::new(Collector::default);

/// Begins to count in this process, once.
///
/// # Errors
/// When something else counts already.
pub fn start() -> Result<(), BuildError> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _one = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    if HANDLE.get().is_some() {
        return Ok(());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets(&BUCKETS)?
        .install_recorder()?;
    for (name, text) in COUNTERS {
        describe_counter!(name, text);
    }
    for (name, text) in GAUGES {
        describe_gauge!(name, text);
    }
    for (name, text) in HISTOGRAMS {
        describe_histogram!(name, text);
    }
    PROCESS.describe();
    gauge!("countersign_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1);
    // What has never happened is 0, and not unknown.
    for name in [
        "countersign_database_timeouts_total",
        "countersign_sessions_opened_total",
    ] {
        counter!(name).increment(0);
    }
    HANDLE.get_or_init(|| handle);
    Ok(())
}

/// Takes what was measured to its place, again and again.
pub async fn keep_up() {
    let mut upkeep = tokio::time::interval(UPKEEP);
    loop {
        upkeep.tick().await;
        if let Some(handle) = HANDLE.get() {
            handle.run_upkeep();
        }
    }
}

/// All metrics, in Prometheus' text format.
pub fn render(app: &App) -> String {
    look(app);
    PROCESS.collect();
    HANDLE
        .get()
        .map(PrometheusHandle::render)
        .unwrap_or_default()
}

/// Asks for what is known anyway.
fn look(app: &App) {
    gauge!("countersign_ready").set(u8::from(app.readiness.check().is_ok()));
    gauge!("countersign_sockets").set(app.sockets.count() as f64);
    for (pool, status) in app.storage.pools() {
        let connections =
            |state| gauge!("countersign_database_connections", "pool" => pool, "state" => state);
        connections("idle").set(status.available as f64);
        connections("busy").set(status.size.saturating_sub(status.available) as f64);
        gauge!("countersign_database_connections_max", "pool" => pool).set(status.max_size as f64);
        gauge!("countersign_database_waiting", "pool" => pool).set(status.waiting as f64);
    }
    counter!("countersign_database_statements_total").absolute(app.storage.statements());
    let revocations = app.sessions.revocations();
    gauge!("countersign_revocations_age_seconds").set(revocations.age());
    gauge!("countersign_revocations_entries").set(revocations.kept() as f64);
    look_at_keys(app);
}

fn look_at_keys(app: &App) {
    let now = app.clock.now();
    let keys = app.tokens.ring().list(now);
    for purpose in [KeyPurpose::Access, KeyPurpose::Refresh] {
        let label = purpose.as_str();
        let mut keys = keys.iter().filter(|key| key.purpose == purpose);
        if let Some(key) = keys.clone().find(|key| key.state == KeyState::Signing) {
            let age = now.since(key.created_at);
            gauge!("countersign_signing_key_age_seconds", "purpose" => label).set(age);
        }
        let from_files = purpose == KeyPurpose::Access && app.settings.keys.folder.is_some();
        let every = app.settings.keys.rotate_every.filter(|_| !from_files);
        if let (Some(every), Some(newest)) = (every, keys.next_back()) {
            let due = (newest.created_at + every).since(now);
            gauge!("countersign_key_rotation_seconds", "purpose" => label).set(due);
        }
    }
}

/// A request's method, route and status, and its series. To look one up anew for each request takes longer than all the rest.
type Requests = HashMap<(&'static str, &'static str, u16), (Counter, Histogram)>;
/// The same of operations, by the field at their root and by code.
type Operations = HashMap<String, HashMap<&'static str, (Counter, Histogram)>>;

static REQUESTS: LazyLock<RwLock<Requests>> = LazyLock::new(RwLock::default);
static OPERATIONS: LazyLock<RwLock<Operations>> = LazyLock::new(RwLock::default);

/// Counts a request that was answered. `method` and `route` are names of ours.
pub fn count_request(method: &'static str, route: &'static str, status: u16, took: Duration) {
    let key = (method, route, status);
    let known = REQUESTS.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(series) = known.get(&key) {
        return record(series, took);
    }
    drop(known);
    let text = status.to_string();
    let series = (
        counter!("countersign_http_requests_total", "method" => method, "route" => route, "status" => text),
        histogram!("countersign_http_request_seconds", "route" => route),
    );
    record(&series, took);
    let mut known = REQUESTS.write().unwrap_or_else(PoisonError::into_inner);
    known.insert(key, series);
}

/// Counts an operation that ended with `code`. `field` is one of the schema's, or a name of ours.
pub fn count_operation(field: &str, code: &'static str, took: Duration) {
    let known = OPERATIONS.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(series) = known.get(field).and_then(|codes| codes.get(code)) {
        return record(series, took);
    }
    drop(known);
    let name = field.to_owned();
    let series = (
        counter!("countersign_graphql_operations_total", "operation" => name.clone(), "code" => code),
        histogram!("countersign_graphql_operation_seconds", "operation" => name.clone()),
    );
    record(&series, took);
    let mut known = OPERATIONS.write().unwrap_or_else(PoisonError::into_inner);
    known.entry(name).or_default().insert(code, series);
}

fn record((count, seconds): &(Counter, Histogram), took: Duration) {
    count.increment(1);
    seconds.record(took);
}
