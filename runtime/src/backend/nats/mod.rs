//! Nats, for real.

mod config;

pub use config::Nats;

const SYSTEM: &str = "nats";

impl Nats {
    /// Opens what these options say; nothing is contacted yet.
    pub(crate) fn open(self) -> crate::error::Result<std::sync::Arc<dyn super::Backend>> {
        Err(crate::error::Error::new(crate::error::ErrorKind::Unsupported, "connect", "it is not there yet")
            .at(SYSTEM))
    }
}
