//! Fuzz targets for whatever typebus reads that others wrote.
//!
//! A target is a function of bytes that panics where a promise is broken. It goes through the public API, since that shows
//! what a user sees: whatever arrives ends exactly once, nothing panics, nothing hangs, a good message behind it is
//! handled, and a dead letter has the original's bytes, headers and key, and dies of the same again when it is replayed.
//!
//! [`driver`] tries them on stable Rust; `fuzz_targets/` hands them to libFuzzer.

pub mod driver;
pub mod letter;
mod mutate;
mod shop;
pub mod targets;
