//! What almost every file needs. It cannot carry serde's and schemars' derives: `cargo add serde schemars`.

#[cfg(feature = "test")]
pub use crate::testing::TestService;
pub use crate::{
    AnyEvent, Attempt, Batch, Bus, Envelope, Event, EventSet, Failure, HandlerError, Key, Metadata, OrFail,
    Publisher, Shutdown, State, handler, service, shutdown_signal, topology,
};
