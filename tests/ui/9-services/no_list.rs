//! In a service there are lists.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { "charge" }
}

fn main() {}
