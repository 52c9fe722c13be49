//! Random histories of several instances on the in-process broker, and the five promises of delivery.
//!
//! A seed says everything: which broker's behaviour, how the services work, and what happens, from a publish to a crash
//! of the process. The histories run against the real dispatch on a paused clock; what passes between it and the broker
//! is recorded, and an oracle that knows neither checks the promises while it does and after everything came to rest.
//!
//! `TYPEBUS_SIMULATION_SEED=…` plays one history alone, and `TYPEBUS_SIMULATION_HISTORIES=…` another number of them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod history;
mod oracle;
mod play;
mod program;
mod recorder;
mod sabotage;

use std::{
    env,
    io::Write,
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use history::History;
use oracle::Problem;

/// How many histories are played, unless the environment says so.
const HISTORIES: u64 = 10_000;
/// The first seed. The same in every run, so that a change is blamed for what it broke; `TYPEBUS_SIMULATION_BASE` looks
/// elsewhere.
const BASE: u64 = 20_261_124;

/// Prints where the test runner does not catch it: what the seed was is of interest in any case.
macro_rules! say {
    ($($text:tt)*) => {
        drop(writeln!(std::io::stderr(), $($text)*))
    };
}

fn variable(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is no number: {text}")))
}

#[test]
fn the_promises_hold_in_random_histories() {
    if let Some(seed) = variable("TYPEBUS_SIMULATION_SEED") {
        return fail_if_broken(seed);
    }
    let count = variable("TYPEBUS_SIMULATION_HISTORIES").unwrap_or(HISTORIES);
    let base = variable("TYPEBUS_SIMULATION_BASE").unwrap_or(BASE);
    say!("simulation: {count} histories from the seed {base} on");
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let broken = std::thread::scope(|scope| {
        let work = || {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return None;
                }
                let seed = base + number;
                let world = play::play(&History::of(seed), None);
                if world.has_problems() {
                    next.store(count, Ordering::Relaxed);
                    return Some((seed, world));
                }
            }
        };
        let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let broken = threads.into_iter().filter_map(|thread| thread.join().expect("a history panicked"));
        broken.min_by_key(|(seed, _)| *seed)
    });
    say!("simulation: {:.1} s", began.elapsed().as_secs_f64());
    if let Some((seed, world)) = broken {
        fail_if_broken(seed);
        // Which worker has a key is as random as a hash map, and the same in no two processes.
        panic!(
            "the history of seed {seed} broke a promise, and did not when it was played again\n{:#?}\n{}\n{}",
            world.problems(),
            History::of(seed),
            world.trace(200)
        );
    }
}

/// The checks are worth something: each careless broker or dispatch is caught by the check of the promise that it
/// breaks, and soon.
#[test]
fn every_sabotage_is_caught() {
    let base = variable("TYPEBUS_SIMULATION_BASE").unwrap_or(BASE);
    say!("simulation: sabotage from the seed {base} on");
    say!("  {:<24}promise  caught after  at most", "mistake");
    let mut missed = Vec::new();
    for (slip, promise, most) in sabotage::SLIPS {
        let breaks = |seed| {
            let problems = play::play(&History::of(seed), Some(slip)).problems();
            problems.iter().any(|problem| problem.promise == promise)
        };
        let caught = (1..=most).find(|number| breaks(base + *number as u64));
        let after = caught.map_or_else(|| "-".to_owned(), |caught| caught.to_string());
        say!("  {:<24}{promise:>7}  {after:>12}  {most:>7}", format!("{slip:?}"));
        missed.extend(caught.is_none().then_some(slip));
    }
    assert_eq!(missed, [], "not caught");
}

/// Plays one history, and fails with the shortest part of it that still breaks a promise.
fn fail_if_broken(seed: u64) {
    let history = History::of(seed);
    let world = play::play(&history, None);
    let problems = world.problems();
    if problems.is_empty() {
        say!("simulation: the history of seed {seed} keeps the promises");
        return;
    }
    let shortest = shorten(history, &problems[0]);
    let world = play::play(&shortest, None);
    panic!(
        "a promise is broken; run it alone by\n    TYPEBUS_SIMULATION_SEED={seed} cargo test -p typebus-tests --test \
         simulation\n{problems:#?}\nshortened to\n{shortest}\n{}",
        world.trace(120)
    );
}

/// Leaves out whatever moves are not needed for a promise to be broken.
fn shorten(mut history: History, problem: &Problem) -> History {
    let breaks = |history: &History| {
        play::play(history, None).problems().iter().any(|found| found.promise == problem.promise)
    };
    let mut size = history.moves.len().div_ceil(2);
    while size > 0 {
        let mut at = 0;
        while at < history.moves.len() {
            let mut less = history.clone();
            less.moves.drain(at..(at + size).min(less.moves.len()));
            if breaks(&less) { history = less } else { at += size }
        }
        size /= 2;
    }
    history
}
