//! What the hashing threads cost, beside a plain Argon2id loop on as many threads that
//! keep their memory (the limit).
#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up has nothing to measure"
)]

use std::{
    thread,
    time::{Duration, Instant},
};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use countersign::{accounts::Passwords, config::PasswordSettings, values::Secret};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

/// OWASP's parameters, the server's defaults.
const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;
const PASSWORD: &str = "plum tractor ninety";

fn plain_loop(threads: usize, hashes: u64) -> Duration {
    let start = Instant::now();
    thread::scope(|scope| {
        for number in 0..threads as u64 {
            scope.spawn(move || {
                let params = Params::new(MEMORY_KIB, ITERATIONS, 1, None).unwrap();
                let mut memory = vec![Block::new(); params.block_count()];
                let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
                for _ in (number..hashes).step_by(threads) {
                    let mut hash = [0; 32];
                    argon2
                        .hash_password_into_with_memory(
                            PASSWORD.as_bytes(),
                            &[3; 16],
                            &mut hash,
                            &mut memory,
                        )
                        .unwrap();
                }
            });
        }
    });
    start.elapsed()
}

/// Keeps as many callers waiting as there are hashing threads, so that none of them idles.
async fn pool(passwords: &Passwords, threads: usize, stored: &str, hashes: u64) -> Duration {
    let start = Instant::now();
    let caller = async |number: u64| {
        for _ in (number..hashes).step_by(threads) {
            let password = Secret::new(PASSWORD);
            assert!(
                passwords
                    .verify(&password, Some(stored.to_owned()))
                    .await
                    .unwrap()
            );
        }
    };
    let callers: Vec<_> = (0..threads as u64).map(caller).collect();
    futures_util::future::join_all(callers).await;
    start.elapsed()
}

fn hashes(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut group = c.benchmark_group("argon2id");
    group.throughput(Throughput::Elements(1)).sample_size(20);
    for threads in [1, 2] {
        let settings = PasswordSettings {
            threads,
            queue: 64,
            memory_kib: MEMORY_KIB,
            iterations: ITERATIONS,
            min_length: 8,
            max_length: 256,
            breached: None,
        };
        let passwords = Passwords::start(settings).unwrap();
        let stored = runtime
            .block_on(passwords.hash_new(&Secret::new(PASSWORD), vec![]))
            .unwrap();
        group.bench_function(format!("plain loop/{threads} threads"), |b| {
            b.iter_custom(|hashes| plain_loop(threads, hashes));
        });
        group.bench_function(format!("hashing threads/{threads}"), |b| {
            b.iter_custom(|hashes| runtime.block_on(pool(&passwords, threads, &stored, hashes)));
        });
    }
    group.finish();
}

criterion_group!(benches, hashes);
criterion_main!(benches);
