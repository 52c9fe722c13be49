//! A list is given once.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" {
        publishes: [InvoiceSent],
        publishes: [PaymentCaptured],
    }
}

fn main() {}
