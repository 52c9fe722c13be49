//! An outbox: `publish` is not atomic with your database, but writing an order and its prepared event in one
//! transaction is. A relay publishes what is written, perhaps twice, and always with the same id.
//!
//! `cargo run --example outbox`

pub mod outbox;
pub mod relay;
pub mod shop;
