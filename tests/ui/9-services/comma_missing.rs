//! Lists are separated by commas.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" {
        publishes: [InvoiceSent]
        state: [Gateway],
    }
}

fn main() {}
