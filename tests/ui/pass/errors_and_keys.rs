//! What errors and keys may be.
use std::{fmt, time::Duration};

use typebus::{Failure, HandlerError, Key, Outcome};

#[derive(Debug, thiserror::Error, HandlerError)]
enum ChargeError {
    #[error("unit")]
    #[outcome(retry)]
    Unit,
    #[error("named {code}")]
    #[outcome(retry(after = "5m"))]
    Named { code: u8 },
    #[error("tuple {0} {1}")]
    #[outcome(dead_letter)]
    Tuple(u8, u8),
    #[error("wrapped")]
    #[outcome(inherit)]
    Wrapped(Box<dyn std::error::Error + Send + Sync>),
    #[error("inside")]
    #[outcome(inherit)]
    Inside { source: Inner },
}

#[derive(Debug, thiserror::Error, HandlerError)]
#[error("inner")]
#[outcome(discard)]
struct Inner;

#[derive(HandlerError)]
#[outcome(inherit)]
struct Newtype(Failure);

impl fmt::Display for Newtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[derive(Debug, thiserror::Error, HandlerError)]
#[error("{0}")]
#[outcome(retry)]
struct Generic<T>(T);

#[derive(Debug, thiserror::Error, HandlerError)]
enum Never {}

#[derive(Key)]
struct Number(u64);

#[derive(Key)]
struct Named {
    number: Option<Number>,
}

#[derive(Key)]
struct Wrapper<T>(T);

fn key<K: Key>(key: K) -> K {
    key
}

fn main() {
    let retry = Outcome::Retry { after: None };
    assert_eq!(ChargeError::Unit.outcome(), retry);
    let after = Some(Duration::from_secs(300));
    assert_eq!(ChargeError::Named { code: 1 }.outcome(), Outcome::Retry { after });
    assert_eq!(ChargeError::Tuple(1, 2).outcome(), Outcome::DeadLetter);
    assert_eq!(ChargeError::Wrapped("x".into()).outcome(), retry);
    assert_eq!(ChargeError::Inside { source: Inner }.outcome(), Outcome::Discard);
    assert_eq!(Newtype(Failure::dead_letter("x")).outcome(), Outcome::DeadLetter);
    assert_eq!(Generic(Inner).outcome(), retry);
    let _: Option<Never> = None;
    let _ = key(Wrapper(Named { number: Some(Number(1)) }));
}
