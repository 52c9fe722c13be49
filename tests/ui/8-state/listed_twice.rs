//! State is known by its type.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { state: [Gateway, Gateway] }
}

fn main() {}
