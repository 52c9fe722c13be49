//! Who is to be woken: the worker polls a consumer in several ways, from one task.

use std::{
    sync::{Mutex, PoisonError},
    task::{Context, Waker},
};

#[derive(Debug, Default)]
pub(super) struct Wakers(Mutex<Option<Waker>>);

impl Wakers {
    /// To be called before looking, so that nothing is missed.
    pub(super) fn park(&self, cx: &Context<'_>) {
        let mut parked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *parked {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
    }

    pub(super) fn wake(&self) {
        let parked = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(waker) = parked {
            waker.wake();
        }
    }
}
