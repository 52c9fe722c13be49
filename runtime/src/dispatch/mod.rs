//! The dispatch: from a consumer's deliveries through lanes to handlers, and back as settlements.
//!
//! [`lanes`], [`watermark`], [`retry`] and [`slots`] are state machines without I/O; [`worker`] is the loop that
//! drives them. One worker owns one subscription, or its share of one: [`shards`].

mod breaker;
mod conditions;
mod dead_letter;
mod effects;
mod errands;
mod held;
mod lanes;
mod marks;
#[cfg(test)]
mod model;
mod permits;
pub(crate) mod redrive;
mod retry;
mod routes;
mod runner;
mod shards;
mod slots;
mod sync;
#[cfg(all(test, typebus_loom))]
mod threads;
mod watermark;
mod worker;

pub(crate) use conditions::Conditions;
pub use dead_letter::{DeadLetter, Origin};
pub(crate) use permits::Permits;
pub(crate) use routes::{Part, Routes};
pub(crate) use runner::Runner;
pub(crate) use shards::{MOST as MOST_SHARDS, split};
pub(crate) use worker::{Control, Counters, Setup, Worker};
