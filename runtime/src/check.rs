//! The rules that the compiler checks, as const functions that return what is wrong.
//!
//! Whatever is wrong is [`refuse`]d in a `const` that the macros emit, since that is what carries the place in the
//! user's source. Rules are numbered as in the documentation. A descriptor that is `broken` already has an error,
//! and every rule passes over it.
//!
//! All of this is interpreted by the compiler, for hundreds of handlers: hashes are looked up in tables, and strings
//! compared only where these agree.

mod catalog;
mod cycle;
mod event;
mod handler;
#[cfg(feature = "test")]
mod harness;
mod service;
mod system;
mod table;
mod text;

pub use event::upcast_mismatch;
pub use handler::{batch_mismatch, input_mismatch, topic_mismatch};
#[cfg(feature = "test")]
pub(crate) use harness::{not_published, not_received};
pub use service::{Survey, known};
pub use system::{SystemSurvey, arrivals, known_in};

use self::text::Text;

/// Ends the compilation where something is wrong; rustc shows the place of the call.
///
/// # Panics
/// There is a text.
#[track_caller]
pub const fn refuse(wrong: Option<Text>) {
    if let Some(text) = wrong {
        panic!("{}", text.as_str());
    }
}
