//! The dispatch against a broker that a test writes move by move.
//!
//! [`script::Script`] is a backend without a broker: the test says what arrives, what is revoked or lost, and how each
//! publication is answered, and the real loop lives with it. Everything that the dispatch does goes into one journal,
//! with what the handlers do in between. While it is written the contract of `typebus::backend` is checked from the
//! broker's side, and the promises of delivery from the handlers' side; each test ends with the verdict that nothing
//! was broken.
//!
//! The clock is paused: time passes only while nobody has anything to do, so that 'nothing happens for 10 s' takes no
//! time and means what it says.

#![allow(clippy::disallowed_methods, reason = "a test waits for the tasks that it spawns")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on panics")]

mod careless;
mod dead_letter;
mod desk;
mod limits;
mod loss;
mod publish;
mod random;
mod revoke;
mod script;
mod settle;
mod shards;
mod shutdown;
