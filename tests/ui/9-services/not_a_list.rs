//! A list has brackets.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { publishes: InvoiceSent }
}

fn main() {}
