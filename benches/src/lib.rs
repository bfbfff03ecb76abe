//! Countersign's benchmarks; `cargo xtask bench` runs them.
