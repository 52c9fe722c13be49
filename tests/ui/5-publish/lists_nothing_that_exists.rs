//! A service publishes what exists.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { publishes: [InvoiceSnt] }
}

fn main() {}
