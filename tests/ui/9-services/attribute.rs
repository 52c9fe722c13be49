//! An entry may depend on the configuration, and that is all.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { publishes: [#[allow(unused)] InvoiceSent] }
}

fn main() {}
