//! A service publishes events.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { publishes: [Plain] }
}

fn main() {}
