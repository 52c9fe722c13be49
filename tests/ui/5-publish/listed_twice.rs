//! An event is listed once.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { publishes: [InvoiceSent, InvoiceSent] }
}

fn main() {}
