//! What a program does before it consumes, and after.

use std::{
    any::Any,
    fmt,
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::time::{Instant, timeout_at};

use crate::error::{BoxError, Error, ErrorKind, Result};

type Hook = Box<dyn FnOnce() -> Running + Send>;
type Running = Pin<Box<dyn Future<Output = std::result::Result<(), BoxError>> + Send>>;

/// The hooks of a bus, each of which runs at most once.
#[derive(Default)]
pub(crate) struct Hooks {
    start: Mutex<Vec<Hook>>,
    stop: Mutex<Vec<Hook>>,
    /// Start hooks were begun and did not all succeed, so that what they were to prepare is not there.
    spent: AtomicBool,
}

impl Hooks {
    pub(crate) fn on_start<F>(&mut self, hook: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = std::result::Result<(), BoxError>> + Send + 'static,
    {
        add(&self.start, hook);
    }

    pub(crate) fn on_stop<F>(&mut self, hook: impl FnOnce() -> F + Send + 'static)
    where
        F: Future<Output = std::result::Result<(), BoxError>> + Send + 'static,
    {
        add(&self.stop, hook);
    }

    /// Runs what is to be done first, in the order in which it was said, up to the first failure.
    pub(crate) async fn run_start(&self, service: &str) -> Result<()> {
        let hooks = take(&self.start);
        self.spent.store(!hooks.is_empty(), Ordering::Release);
        for (nth, hook) in (1..).zip(hooks) {
            run(hook).await.map_err(|failure| failure.into_error(service, "start", nth))?;
        }
        self.spent.store(false, Ordering::Release);
        Ok(())
    }

    /// Whether a bus with these hooks cannot be started any more.
    pub(crate) fn are_spent(&self) -> bool {
        self.spent.load(Ordering::Acquire)
    }

    /// Runs what is to be done last, in the reverse order, all of it whatever fails. Gives the first failure.
    pub(crate) async fn run_stop(&self, service: &str, until: Instant) -> Result<()> {
        let mut result = Ok(());
        for (nth, hook) in (1..).zip(take(&self.stop)).collect::<Vec<(u32, Hook)>>().into_iter().rev() {
            let ended = timeout_at(until, run(hook)).await.unwrap_or(Err(Failure::Late));
            if let Err(failure) = ended {
                let error = failure.into_error(service, "stop", nth);
                tracing::warn!(service, %error, "a stop hook failed; the services stop all the same");
                result = result.and(Err(error));
            }
        }
        result
    }
}

fn add<F>(hooks: &Mutex<Vec<Hook>>, hook: impl FnOnce() -> F + Send + 'static)
where
    F: Future<Output = std::result::Result<(), BoxError>> + Send + 'static,
{
    hooks.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(|| Box::pin(hook())));
}

fn take(hooks: &Mutex<Vec<Hook>>) -> Vec<Hook> {
    std::mem::take(&mut *hooks.lock().unwrap_or_else(PoisonError::into_inner))
}

enum Failure {
    Failed(BoxError),
    Panicked(String),
    Late,
}

impl Failure {
    fn into_error(self, service: &str, when: &'static str, nth: u32) -> Error {
        let begin = format!("{when} hook {nth} of service {service}");
        match self {
            Self::Failed(error) => {
                Error::new(ErrorKind::Fatal, when, format!("{begin} failed: {error}")).because(error)
            }
            Self::Panicked(what) => Error::new(ErrorKind::Fatal, when, format!("{begin} panicked: {what}")),
            Self::Late => {
                let text = format!("{begin} took longer than the half of `close` that stop hooks have");
                Error::new(ErrorKind::Timeout, when, text)
            }
        }
    }
}

/// Runs one hook. A panic of it, while it is called, polled or dropped, is a failure.
async fn run(hook: Hook) -> std::result::Result<(), Failure> {
    let panicked = |panic: Box<dyn Any + Send>| {
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Failure::Panicked(text.unwrap_or("no message").to_owned())
    };
    let mut running = Contained(Some(catch_unwind(AssertUnwindSafe(hook)).map_err(panicked)?));
    poll_fn(|cx| {
        let Some(future) = &mut running.0 else { return std::task::Poll::Pending };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(polled) => polled.map(|ended| ended.map_err(Failure::Failed)),
            Err(panic) => std::task::Poll::Ready(Err(panicked(panic))),
        }
    })
    .await
}

/// A hook's future that may panic when it is dropped.
struct Contained(Option<Running>);

impl Drop for Contained {
    fn drop(&mut self) {
        let future = self.0.take();
        if catch_unwind(AssertUnwindSafe(|| drop(future))).is_err() {
            tracing::error!("a hook's future panicked while it was dropped");
        }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hooks")
    }
}
