//! Takes the money, and gives it back.

#![deny(dead_code)]

mod gateway;
mod handlers;

use typebus::prelude::*;

pub use gateway::Gateway;

service! {
    /// What the bank sees.
    pub Billing = "billing" {
        handles: [handlers::charge, handlers::refund],
        state: [Gateway],
    }
}
