//! What another crate may offer to the services of a program: an event, a handler, what it asks for, and its error.

use std::sync::atomic::{AtomicU32, Ordering};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::{Event, FromDelivery, HandlerError, Incoming, State, handler};

use crate::Shipped;

/// The carrier has delivered a parcel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "carrier.deliveries", name = "parcel.delivered")]
pub struct Delivered {
    /// Which order was inside.
    pub number: u64,
}

/// How much the carrier takes, and how much it has taken.
#[derive(Debug)]
pub struct Van {
    /// The most bytes of one parcel.
    pub max_bytes: usize,
    /// Parcels so far.
    pub parcels: AtomicU32,
}

/// How many bytes a parcel has that fits into the [`Van`].
#[derive(Debug, Clone, Copy)]
pub struct Weight(pub usize);

/// What the carrier does not do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, HandlerError)]
pub enum Refused {
    /// It does not fit.
    #[error("the parcel does not fit into the van")]
    #[outcome(dead_letter)]
    TooLarge,
    /// There is nothing inside.
    #[error("the parcel is empty")]
    #[outcome(discard)]
    Empty,
}

impl FromDelivery for Weight {
    type Needs = Van;
    type Error = Refused;

    fn from_delivery(incoming: &Incoming<'_>, van: &Van) -> Result<Self, Refused> {
        match incoming.payload().len() {
            bytes if bytes > van.max_bytes => Err(Refused::TooLarge),
            bytes => Ok(Self(bytes)),
        }
    }
}

/// Takes a parcel to where it belongs.
///
/// # Errors
/// There is nothing inside.
#[handler]
pub async fn deliver(parcel: Shipped, van: State<Van>, _: Weight) -> Result<Delivered, Refused> {
    if parcel.number == 0 {
        return Err(Refused::Empty);
    }
    van.parcels.fetch_add(1, Ordering::Relaxed);
    Ok(Delivered { number: parcel.number })
}
