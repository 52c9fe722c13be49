//! The rules that the compiler checks, as const functions that return what is wrong.
//!
//! The `panic!` itself stands in a `const _` that the macros emit, since that is what carries the place in the
//! user's source. Rules are numbered as in the documentation. A descriptor that is `broken` already has an error,
//! and every rule passes over it.
//!
//! All of this is interpreted by the compiler, for hundreds of handlers: integers are sorted and bisected, and
//! strings compared only where their hashes agree.

mod catalog;
mod cycle;
mod event;
mod handler;
mod service;
mod sorted;
mod system;
mod text;

pub use event::upcast_mismatch;
pub use handler::{batch_mismatch, batch_nested, request_mismatch, topic_mismatch, topic_missing};
pub use service::{Survey, known};
pub use system::{SystemSurvey, arrivals, known_in};
