//! Every trial, by the paragraphs of the promises.

mod delivery;
mod failure;
mod order;
mod publish;
mod requests;
mod settling;
mod shutdown;
mod wire;

use std::{
    hash::{BuildHasher, RandomState},
    sync::OnceLock,
};

use crate::trial::Trial;

/// All of them, in the order of the table.
pub(crate) fn all() -> impl Iterator<Item = &'static Trial> {
    let sections = [
        delivery::TRIALS,
        wire::TRIALS,
        order::TRIALS,
        settling::TRIALS,
        failure::TRIALS,
        publish::TRIALS,
        requests::TRIALS,
        shutdown::TRIALS,
    ];
    sections.into_iter().flatten()
}

/// What this suite does not show, whatever it runs on: the trap, if it is a numbered one, what it is, and what it needs.
pub(crate) const ELSEWHERE: &[(&[u8], &str, &str)] = &[
    (
        &[7],
        "`latest`, and a partition is added",
        "needs a server: `latest` and a crash in `brokers/kafka/starting.rs`; no partition is added",
    ),
    (&[8], "one key stuck at 10,000/s: resident memory", "needs a process of its own: the bench `waiting`"),
    (&[12], "an alternate exchange; Pulsar after five minutes", "needs a server"),
    (
        &[14],
        "the three protocols of Kafka's rebalances",
        "needs Kafka with other options: `brokers/kafka/handover.rs`, `faults`; `revoke` stands for a rebalance here",
    ),
    (
        &[17],
        "exactly-once with out-of-order lanes, killed at each step",
        "needs a server: every backend declares it absent",
    ),
    (
        &[18],
        "retention overtakes the group",
        "needs a server: `brokers/kafka/faults.rs`; a broker in memory keeps what a group has not settled",
    ),
    (
        &[22],
        "a SIGKILL leaves nothing of a broadcast after ten minutes",
        "needs a server; in memory: `behaviour/crash.rs`",
    ),
    (
        &[24],
        "the codec of the completed set; holes in offsets",
        "needs a server: `backend/kafka/record.rs`, `brokers/kafka/crash.rs`; watermarks: `dispatch/watermark.rs`",
    ),
    (
        &[],
        "confirmed means that it survives a restart of the broker, killed at 1/3 and 1/2 of a load",
        "needs a server: `faults`",
    ),
    (
        &[],
        "the service killed with SIGKILL under load",
        "needs a server: `faults`; `kill` stands for it here",
    ),
    (
        &[],
        "the connection cut and healed by a proxy, slow and black-holed links",
        "needs a server: `faults`; `lose` stands for it here",
    ),
    (
        &[],
        "a wrong CA, an expired certificate, a wrong host name, a wrong password",
        "needs a server: `brokers/kafka/security.rs`; of RabbitMQ the password in `brokers/rabbitmq/security.rs`",
    ),
];

/// The seed of this run; `TYPEBUS_SEED` sets it.
pub(crate) fn seed() -> u64 {
    static SEED: OnceLock<u64> = OnceLock::new();
    *SEED.get_or_init(|| {
        let given = std::env::var("TYPEBUS_SEED").ok().and_then(|seed| seed.parse().ok());
        given.unwrap_or_else(|| RandomState::new().hash_one("seed"))
    })
}

/// What is missing of the suite itself: traps that nothing names, and trials that nobody has shown to catch anything.
pub(crate) fn gaps() -> Vec<String> {
    let named = |trap: &u8| {
        all().any(|trial| trial.traps.contains(trap))
            || ELSEWHERE.iter().any(|(traps, ..)| traps.contains(trap))
    };
    let traps = (1..=26).filter(|trap| !named(trap)).map(|trap| format!("nothing is said of trap {trap}"));
    // What the bus itself refuses no backend can be careless about.
    let is_refusal = |trial: &Trial| trial.name == "`exactly_once` is refused at start-up";
    let shown = |trial: &Trial| !trial.careless.is_empty() || is_refusal(trial);
    let trials = all().filter(|trial| !shown(trial));
    traps.chain(trials.map(|trial| format!("'{}' has no careless counterpart", trial.name))).collect()
}
