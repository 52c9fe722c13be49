//! The runtime of a service is named by a path.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { publishes: [InvoiceSent], crate: "typebus" }
}

fn main() {}
