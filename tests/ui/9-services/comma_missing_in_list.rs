//! Entries are separated by commas.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { publishes: [InvoiceSent PaymentCaptured] }
}

fn main() {}
