//! What threads share, from std. In tests built with `--cfg typebus_loom` it is loom's, which tries every order in
//! which threads may meet: `cargo xtask test --only loom`.

#[cfg(not(all(test, typebus_loom)))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU8, AtomicU64},
};

#[cfg(not(all(test, typebus_loom)))]
pub(crate) use atomic_waker::AtomicWaker;
#[cfg(all(test, typebus_loom))]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicU8, AtomicU64},
};

#[cfg(all(test, typebus_loom))]
pub(crate) use self::models::AtomicWaker;

#[cfg(all(test, typebus_loom))]
mod models {
    use std::{fmt, task::Waker};

    /// Loom's, with the methods of the other.
    #[derive(Default)]
    pub(crate) struct AtomicWaker(loom::future::AtomicWaker);

    impl AtomicWaker {
        pub(crate) fn new() -> Self {
            Self::default()
        }

        pub(crate) fn register(&self, waker: &Waker) {
            self.0.register_by_ref(waker);
        }

        pub(crate) fn wake(&self) {
            self.0.wake();
        }

        pub(crate) fn take(&self) -> Option<Waker> {
            self.0.take_waker()
        }
    }

    impl fmt::Debug for AtomicWaker {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("AtomicWaker")
        }
    }
}
