//! What becomes of a delivery, and errors that decide it.

use std::{convert::Infallible, fmt, time::Duration};

use crate::{codec::DecodeError, error::BoxError};

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is done.
    Ack,
    /// It is tried again: by the handler's policy, or after exactly this delay (at most 5 minutes).
    Retry {
        /// The error's own delay.
        after: Option<Duration>,
    },
    /// It goes to the dead letters at once.
    DeadLetter,
    /// It is dropped, and counted as discarded.
    Discard,
}

/// An error that says what becomes of the delivery. Implemented by `#[derive(HandlerError)]`, by [`Failure`], and by
/// boxed errors, which mean retry.
///
/// ```
/// use typebus::prelude::*;
///
/// #[derive(Debug, thiserror::Error, HandlerError)]
/// enum ChargeError {
///     #[error("the card was declined")] #[outcome(dead_letter)]         Declined,
///     #[error("already charged")]       #[outcome(discard)]             Duplicate,
///     #[error("gateway: {0}")]          #[outcome(retry(after = "5s"))] Gateway(#[from] std::io::Error),
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say what becomes of the delivery",
    label = "an error without an outcome",
    note = "add `#[derive(HandlerError)]` and `#[outcome(..)]` to each variant, or return `typebus::Failure`"
)]
pub trait HandlerError: fmt::Display + Send + 'static {
    /// What becomes of the delivery.
    fn outcome(&self) -> Outcome;
}

impl HandlerError for BoxError {
    fn outcome(&self) -> Outcome {
        Outcome::Retry { after: None }
    }
}

impl HandlerError for DecodeError {
    fn outcome(&self) -> Outcome {
        Outcome::DeadLetter
    }
}

impl HandlerError for Infallible {
    fn outcome(&self) -> Outcome {
        match *self {}
    }
}

#[cfg(feature = "anyhow")]
impl HandlerError for anyhow::Error {
    fn outcome(&self) -> Outcome {
        Outcome::Retry { after: None }
    }
}

/// Any error with an outcome. `?` makes one from every error and means retry ([`DecodeError`]: the dead letter);
/// [`OrFail`] decides otherwise.
///
/// It is not itself a `std::error::Error`, so that `?` can convert from all of them.
///
/// ```
/// use typebus::prelude::*;
///
/// fn read(text: &str) -> Result<u64, Failure> {
///     let number = text.parse().or_dead_letter()?; // not a number today, not a number tomorrow
///     std::fs::write("last", text)?;               // may work the next time
///     Ok(number)
/// }
/// ```
pub struct Failure {
    outcome: Outcome,
    source: BoxError,
}

impl Failure {
    /// Tries again, by the handler's policy.
    pub fn retry(error: impl Into<BoxError>) -> Self {
        Self { outcome: Outcome::Retry { after: None }, source: error.into() }
    }

    /// Tries again after exactly `delay`, at most 5 minutes.
    pub fn retry_after(delay: Duration, error: impl Into<BoxError>) -> Self {
        Self { outcome: Outcome::Retry { after: Some(delay) }, source: error.into() }
    }

    /// Sends the delivery to the dead letters.
    pub fn dead_letter(error: impl Into<BoxError>) -> Self {
        Self { outcome: Outcome::DeadLetter, source: error.into() }
    }

    /// Drops the delivery, counted as discarded.
    pub fn discard(error: impl Into<BoxError>) -> Self {
        Self { outcome: Outcome::Discard, source: error.into() }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failure").field("outcome", &self.outcome).field("source", &self.source).finish()
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl<E: Into<BoxError>> From<E> for Failure {
    fn from(error: E) -> Self {
        let source = error.into();
        // The one error of ours that knows that trying again is of no use.
        if source.is::<DecodeError>() { Self::dead_letter(source) } else { Self::retry(source) }
    }
}

impl HandlerError for Failure {
    fn outcome(&self) -> Outcome {
        self.outcome
    }
}

/// Decides for an error that trying again is of no use.
pub trait OrFail<T> {
    /// On an error, the delivery goes to the dead letters.
    ///
    /// # Errors
    /// The error, with that outcome.
    fn or_dead_letter(self) -> Result<T, Failure>;

    /// On an error, the delivery is dropped, and counted as discarded.
    ///
    /// # Errors
    /// The error, with that outcome.
    fn or_discard(self) -> Result<T, Failure>;
}

impl<T, E: Into<BoxError>> OrFail<T> for Result<T, E> {
    fn or_dead_letter(self) -> Result<T, Failure> {
        self.map_err(Failure::dead_letter)
    }

    fn or_discard(self) -> Result<T, Failure> {
        self.map_err(Failure::discard)
    }
}
