//! What the tests share: events, and a few words to wait with.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use typebus::Event;

/// An order; the key is its customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", name = "order.placed", key = customer)]
pub struct Placed {
    /// Counts up per test.
    pub number: u64,
    /// Who ordered.
    pub customer: String,
}
