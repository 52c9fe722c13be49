//! Takes orders, and says which are paid.

#![deny(dead_code)]

mod checkout;
mod handlers;
mod orders;

use contracts::{OrderCancelled, OrderPlaced};
use typebus::prelude::*;

pub use checkout::{cancel, place};
pub use orders::Orders;

service! {
    /// What customers see.
    pub Storefront = "storefront" {
        handles: [handlers::confirm],
        publishes: [OrderPlaced, OrderCancelled],
        state: [Orders],
    }
}
