//! A list is known.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { handlers: [] }
}

fn main() {}
