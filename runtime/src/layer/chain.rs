//! All layers of a bus, called one after the other; what panics is contained.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    task::Poll,
};

use tokio::time::Instant;

use super::{Around, Ended, Layer, OnSent, Publication, Received, Sent};
use crate::{
    backend::{Confirmation, Publishing},
    envelope::amend,
    error::{Error, Result},
    message::Message,
    outputs::{Rejected, Rejection},
};

/// The layers, the outermost first.
#[derive(Default, Clone)]
pub(crate) struct Layers(Vec<Arc<dyn Layer>>);

impl Layers {
    pub(crate) fn add(&mut self, layer: impl Layer) {
        self.0.push(Arc::new(layer));
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells every layer something.
    pub(crate) fn tell(&self, what: impl Fn(&dyn Layer)) {
        self.0.iter().for_each(|layer| _ = contained(|| what(&**layer)));
    }

    /// Lets every layer add to a publication. Gives the message with what they added, if they did.
    pub(crate) fn publish(&self, mut publication: Publication<'_>) -> Result<(Option<Message>, Trail)> {
        let mut trail = Trail { began: Instant::now(), sent: Vec::new() };
        for layer in &self.0 {
            match contained(|| layer.publish(&mut publication)) {
                Some(Ok(sent)) => trail.sent.extend(sent),
                Some(Err(_)) if publication.is_dead_letter() => {}
                Some(Err(error)) => {
                    trail.end(Err(&error));
                    return Err(error);
                }
                None => {}
            }
        }
        if publication.headers.is_empty() || publication.is_dead_letter() {
            return Ok((None, trail));
        }
        let amended = amend(publication.message, &publication.headers)
            .and_then(|message| publication.outlet.fits(publication.name(), &message).map(|()| message));
        match amended {
            Ok(message) => Ok((Some(message), trail)),
            Err(error) => {
                trail.end(Err(&error));
                Err(error)
            }
        }
    }

    /// Lets every layer surround an attempt.
    pub(crate) fn attempt(&self, deliveries: &[Received<'_>]) -> Result<Watch, Rejection> {
        let mut watch = Watch { began: Instant::now(), around: Vec::new() };
        for layer in &self.0 {
            match contained(|| layer.attempt(deliveries)) {
                Some(Ok(around)) => watch.around.extend(around),
                Some(Err(failure)) => {
                    let rejection = Rejection::failed(&failure);
                    watch.end(Some(&rejection));
                    return Err(rejection);
                }
                None => {}
            }
        }
        Ok(watch)
    }
}

impl fmt::Debug for Layers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Layers({})", self.0.len())
    }
}

/// Runs something of a layer's; `None` if it panicked.
fn contained<T>(run: impl FnOnce() -> T) -> Option<T> {
    let ran = catch_unwind(AssertUnwindSafe(run));
    ran.inspect_err(|panic| {
        let error = &Rejection::panicked(&**panic).error;
        tracing::error!(%error, "a layer panicked; the bus goes on without what it would have done");
    })
    .ok()
}

/// Those who want to know the answer to a publication.
pub(crate) struct Trail {
    began: Instant,
    sent: Vec<OnSent>,
}

impl Trail {
    /// Tells the answer, the innermost first.
    pub(crate) fn end(mut self, answer: Result<&Confirmation, &Error>) {
        let sent = Sent { answer, duration: self.began.elapsed() };
        while let Some(on_sent) = self.sent.pop() {
            contained(|| on_sent(&sent));
        }
    }

    /// Tells the answer when it comes.
    pub(crate) fn follow(self, mut publishing: Publishing) -> Publishing {
        if let Some(answer) = publishing.now() {
            self.end(answer.as_ref());
            return Publishing::ready(answer);
        }
        Publishing::pending(async move {
            let answer = publishing.await;
            self.end(answer.as_ref());
            answer
        })
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        contained(|| self.sent.clear());
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trail({})", self.sent.len())
    }
}

/// Polls an attempt within what surrounds it, if anything does.
#[inline]
pub(crate) fn polled<T>(watch: Option<&mut Option<Watch>>, mut poll: impl FnMut() -> Poll<T>) -> Poll<T> {
    let Some(Some(watch)) = watch else { return poll() };
    let mut polled = Poll::Pending;
    watch.within(&mut || polled = poll());
    polled
}

/// What surrounds one attempt.
pub(crate) struct Watch {
    began: Instant,
    around: Vec<Box<dyn Around>>,
}

impl Watch {
    /// Runs something within all of it, once.
    pub(crate) fn within(&mut self, run: &mut dyn FnMut()) {
        let mut ran = false;
        let mut once = || {
            if !std::mem::replace(&mut ran, true) {
                run();
            }
        };
        nest(&mut self.around, &mut once);
        // A layer that panicked, or that did not call what it was given, is left out.
        once();
    }

    /// Tells how it ended, the innermost first.
    pub(crate) fn end(mut self, rejected: Option<&Rejected>) {
        let ended = Ended { rejected, duration: self.began.elapsed() };
        while let Some(around) = self.around.pop() {
            contained(|| around.ended(&ended));
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        contained(|| self.around.clear());
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Watch({})", self.around.len())
    }
}

fn nest(around: &mut [Box<dyn Around>], run: &mut dyn FnMut()) {
    match around.split_first_mut() {
        Some((outer, inner)) => _ = contained(|| outer.poll(&mut || nest(inner, run))),
        None => run(),
    }
}
