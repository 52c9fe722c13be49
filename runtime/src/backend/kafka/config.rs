//! The options of Kafka, and their form in a URL.

use super::SYSTEM;
use crate::{
    backend::url::Url,
    error::{Error, ErrorKind, Result},
};

/// The options of Kafka.
#[derive(Debug, Clone, Default)]
pub struct Kafka {}

impl Kafka {
    /// Reads a URL.
    ///
    /// # Errors
    /// `Config` with everything that is wrong at once.
    pub fn from_url(url: &str) -> Result<Self> {
        let schemes = "kafka,kafkas".split(',').collect::<Vec<_>>();
        Url::read(SYSTEM, url, &schemes, |_| 1)?.finish()?;
        Err(Error::new(ErrorKind::Config, "connect", "it is not there yet").at(SYSTEM))
    }
}
