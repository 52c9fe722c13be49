//! What a bus can be connected to.

use std::sync::Arc;

use crate::{
    backend::{
        Backend,
        memory::{Memory, MemoryBackend},
    },
    error::{Error, ErrorKind, Result},
};

/// What [`Builder::connect`](crate::Builder::connect) takes: a URL, typed options such as [`Memory`], or a backend.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing to connect to",
    label = "not a backend",
    note = "give a URL such as \"memory:\", typed options such as `Memory`, or an `impl Backend`"
)]
pub trait IntoBackend {
    /// Reads the options; nothing is contacted yet.
    ///
    /// # Errors
    /// `Config`: the URL or an option is not understood.
    fn into_backend(self) -> Result<Arc<dyn Backend>>;
}

impl<B: Backend> IntoBackend for B {
    fn into_backend(self) -> Result<Arc<dyn Backend>> {
        Ok(Arc::new(self))
    }
}

/// A connection that is shared: the first bus that stops closes it for all.
impl IntoBackend for Arc<dyn Backend> {
    fn into_backend(self) -> Result<Arc<dyn Backend>> {
        Ok(self)
    }
}

impl IntoBackend for Memory {
    fn into_backend(self) -> Result<Arc<dyn Backend>> {
        Ok(Arc::new(MemoryBackend::connect(&self)?))
    }
}

impl IntoBackend for String {
    fn into_backend(self) -> Result<Arc<dyn Backend>> {
        self.as_str().into_backend()
    }
}

impl IntoBackend for &String {
    fn into_backend(self) -> Result<Arc<dyn Backend>> {
        self.as_str().into_backend()
    }
}

impl IntoBackend for &str {
    fn into_backend(self) -> Result<Arc<dyn Backend>> {
        // Only the scheme is shown: the rest of a URL may hold a password.
        let scheme = self.split_once(':').map(|(scheme, _)| scheme);
        match scheme {
            Some("memory") => Memory::from_url(self)?.into_backend(),
            Some(
                scheme @ ("kafka" | "kafkas" | "amqp" | "amqps" | "nats" | "tls" | "pulsar" | "pulsar+ssl"),
            ) => {
                let text = format!(
                    "`{scheme}:` is not in this version of typebus yet; it has `memory:` and `memory:NAME`"
                );
                Err(Error::new(ErrorKind::Config, "connect", text))
            }
            Some(scheme) => {
                let text = format!("`{scheme}:` is no scheme of a broker; use `memory:` or `memory:NAME`");
                Err(Error::new(ErrorKind::Config, "connect", text))
            }
            None => {
                let text = "a broker's URL begins with its scheme, as in `memory:` or `memory:shop`";
                Err(Error::new(ErrorKind::Config, "connect", text))
            }
        }
    }
}
