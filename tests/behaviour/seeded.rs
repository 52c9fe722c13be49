//! Random tests whose seed is printed.

use std::hash::{BuildHasher, RandomState};

use proptest::test_runner::{Config, RngSeed};

/// So many cases, of a seed that a failing test prints.
#[allow(clippy::print_stdout, reason = "a failing test shows what it printed")]
pub(crate) fn config(cases: u32) -> Config {
    let config = Config::default();
    let rng_seed = match config.rng_seed {
        RngSeed::Random => RngSeed::Fixed(RandomState::new().hash_one("seed")),
        fixed @ RngSeed::Fixed(_) => fixed,
    };
    println!("`PROPTEST_RNG_SEED={rng_seed}` runs the same cases again");
    let cases = if std::env::var_os("PROPTEST_CASES").is_some() { config.cases } else { cases };
    Config { cases, failure_persistence: None, rng_seed, ..config }
}
