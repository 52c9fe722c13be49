//! What a bus can be connected to.

use std::sync::Arc;

#[cfg(feature = "kafka")]
use crate::backend::kafka::Kafka;
#[cfg(feature = "nats")]
use crate::backend::nats::Nats;
#[cfg(feature = "rabbitmq")]
use crate::backend::rabbitmq::RabbitMq;
use crate::{
    backend::{
        Backend,
        memory::{Memory, MemoryBackend},
    },
    config::Config,
    error::{Error, ErrorKind, Problem, Result},
};

/// What [`Builder::connect`](crate::Builder::connect) takes: a URL, a [`Config`] that says one, typed options such as [`Memory`], or a
/// backend.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing to connect to",
    label = "not a backend",
    note = "give a URL such as \"memory:\", a `&Config`, typed options such as `Memory`, or an `impl Backend`"
)]
pub trait IntoBackend {
    /// Reads the options; nothing is contacted yet.
    ///
    /// # Errors
    /// `Config`: the URL or an option is not understood.
    fn into_backend(self) -> Result<Arc<dyn Backend>>;

    /// What it says beside where to connect: the URL, to be shown, and the settings of a configuration.
    #[doc(hidden)]
    fn said(&self) -> Config {
        Config::new()
    }
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

#[cfg(feature = "kafka")]
impl IntoBackend for Kafka {
    fn into_backend(self) -> Result<Arc<dyn Backend>> {
        self.open()
    }
}

#[cfg(feature = "rabbitmq")]
impl IntoBackend for RabbitMq {
    fn into_backend(self) -> Result<Arc<dyn Backend>> {
        self.open()
    }
}

#[cfg(feature = "nats")]
impl IntoBackend for Nats {
    fn into_backend(self) -> Result<Arc<dyn Backend>> {
        self.open()
    }
}

impl IntoBackend for String {
    fn into_backend(self) -> Result<Arc<dyn Backend>> {
        self.as_str().into_backend()
    }

    fn said(&self) -> Config {
        Config::of_url(self)
    }
}

impl IntoBackend for &String {
    fn into_backend(self) -> Result<Arc<dyn Backend>> {
        self.as_str().into_backend()
    }

    fn said(&self) -> Config {
        Config::of_url(self)
    }
}

/// The URL that it says. The rest of what it says holds too, as if it were given to
/// [`Builder::config`](crate::Builder::config) last.
impl IntoBackend for &Config {
    fn into_backend(self) -> Result<Arc<dyn Backend>> {
        if let Some(url) = self.url() {
            return url.into_backend();
        }
        // What is wrong with it may be the name of the URL.
        let none =
            Problem::new("the configuration", "it says no URL; set `TYPEBUS_URL`, or `url` in the file");
        let problems = self.problems().iter().cloned().chain([none]).collect();
        Err(Error::from_problems(ErrorKind::Config, "connect", problems))
    }

    fn said(&self) -> Config {
        (*self).clone()
    }
}

impl IntoBackend for &str {
    fn said(&self) -> Config {
        Config::of_url(self)
    }

    fn into_backend(self) -> Result<Arc<dyn Backend>> {
        // Only the scheme is shown: the rest of a URL may hold a password.
        let scheme = self.split_once(':').map(|(scheme, _)| scheme);
        match scheme {
            Some("memory") => Memory::from_url(self)?.into_backend(),
            #[cfg(feature = "kafka")]
            Some("kafka" | "kafkas") => Kafka::from_url(self)?.into_backend(),
            #[cfg(feature = "rabbitmq")]
            Some("amqp" | "amqps") => RabbitMq::from_url(self)?.into_backend(),
            #[cfg(feature = "nats")]
            Some("nats" | "tls") => Nats::from_url(self)?.into_backend(),
            Some(scheme) => {
                let text = match feature(scheme) {
                    Some(feature) => format!(
                        "`{scheme}:` needs the feature `{feature}`; turn it on: `cargo add typebus --features {feature}`"
                    ),
                    None if scheme.starts_with("pulsar") => {
                        format!("`{scheme}:` is not in this version of typebus yet; {SCHEMES}")
                    }
                    None => format!("`{scheme}:` is no scheme of a broker; {SCHEMES}"),
                };
                Err(Error::new(ErrorKind::Config, "connect", text))
            }
            None => {
                let text = "a broker's URL begins with its scheme, as in `memory:` or `memory:shop`";
                Err(Error::new(ErrorKind::Config, "connect", text))
            }
        }
    }
}

const SCHEMES: &str = "use `memory:`, `kafka://`, `amqp://` or `nats://`";

/// The feature that brings a scheme.
fn feature(scheme: &str) -> Option<&'static str> {
    match scheme {
        "kafka" | "kafkas" => Some("kafka"),
        "amqp" | "amqps" => Some("rabbitmq"),
        "nats" | "tls" => Some("nats"),
        _ => None,
    }
}
