//! The virtual clock of a test.

use std::time::Duration;

use tokio::{
    runtime::{Handle, RuntimeFlavor},
    time::{Instant, Timeout},
};

/// Longer than any handler's patience. On a clock that moves only when nothing else can, it costs nothing to wait so
/// long for what never happens.
pub(super) const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Times out when nothing else can happen any more.
pub(super) fn until_nothing_happens<F: Future>(future: F) -> Timeout<F> {
    tokio::time::timeout(FOR_EVER, future)
}

/// Pauses the clock of the current runtime, unless it is paused already.
///
/// # Panics
/// Where it cannot be paused, with what to do.
pub(super) fn pause() {
    let Ok(runtime) = Handle::try_current() else {
        panic!("a service is tested inside a tokio runtime: write `#[tokio::test]` above the test");
    };
    assert!(
        runtime.runtime_flavor() == RuntimeFlavor::CurrentThread,
        "a service is tested on a virtual clock, which tokio has on its `current_thread` runtime only: write \
         `#[tokio::test]` above the test, without `flavor = \"multi_thread\"`"
    );
    if !is_paused() {
        tokio::time::pause();
    }
}

/// tokio does not tell. A clock that runs moves with std's.
fn is_paused() -> bool {
    let before = Instant::now();
    let real = std::time::Instant::now();
    while std::time::Instant::now() == real {}
    Instant::now() == before
}
