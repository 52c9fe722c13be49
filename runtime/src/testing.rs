//! Tools for tests.
#![cfg_attr(feature = "test", doc = "")]
#![cfg_attr(feature = "test", doc = include_str!("docs/testing.md"))]
#![cfg_attr(
    not(feature = "test"),
    doc = "\n[`Foreign`] is always there. `Billing::test(state)`, a service in a test, and `Publisher::recording()` come \
           with the feature `test`:\n\n```toml\n[dev-dependencies]\ntypebus = { version = \"0.1\", features = [\"test\"] }\n```"
)]

#[cfg(feature = "test")]
mod clock;
#[cfg(feature = "test")]
mod delivered;
mod foreign;
#[cfg(feature = "test")]
mod harness;
#[cfg(feature = "test")]
mod journal;
#[cfg(feature = "test")]
mod recording;
#[cfg(feature = "test")]
mod tap;
#[cfg(feature = "test")]
mod watched;

pub use foreign::{Foreign, ForeignMessage};
#[cfg(feature = "test")]
pub use {
    delivered::{Delivered, Ended, How},
    harness::{Deliver, Test, TestService},
    recording::Recorded,
};
