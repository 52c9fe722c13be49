//! What is to be told to others once the broker's lock is released.

use std::{any::Any, task::Waker};

use tokio::sync::oneshot;

use super::publish::Waiting;
use crate::backend::Confirmation;

/// Collected under the lock, told after it: a waker may run code that takes the lock itself.
#[derive(Default)]
pub(super) struct Wakes {
    /// The common case, without allocation.
    first: Option<Waker>,
    more: Vec<News>,
}

enum News {
    Wake(Waker),
    Stored(Waiting, Confirmation),
    CaughtUp(oneshot::Sender<()>),
    Debris(Box<dyn Any + Send>),
}

impl Wakes {
    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        match waker {
            Some(waker) if self.first.is_none() => self.first = Some(waker),
            Some(waker) => self.more.push(News::Wake(waker)),
            None => {}
        }
    }

    /// Something to be dropped without the lock, since wakers are in it.
    pub(super) fn debris(&mut self, debris: impl Any + Send) {
        self.more.push(News::Debris(Box::new(debris)));
    }

    pub(super) fn stored(&mut self, waiting: Waiting, confirmation: Confirmation) {
        self.more.push(News::Stored(waiting, confirmation));
    }

    pub(super) fn caught_up(&mut self, answer: oneshot::Sender<()>) {
        self.more.push(News::CaughtUp(answer));
    }

    /// Tells everything; with nothing to tell it costs two comparisons.
    #[inline(always)]
    pub(super) fn tell(self) {
        let Self { first, more } = self;
        if let Some(waker) = first {
            waker.wake();
        }
        if !more.is_empty() {
            tell_more(more);
        }
    }
}

#[cold]
fn tell_more(more: Vec<News>) {
    for news in more {
        match news {
            News::Wake(waker) => waker.wake(),
            News::Stored(waiting, confirmation) => waiting.answer(Ok(confirmation)),
            // Whoever waited may have gone.
            News::CaughtUp(answer) => drop(answer.send(())),
            News::Debris(debris) => drop(debris),
        }
    }
}
