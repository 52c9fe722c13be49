//! State is shared between threads.

#[path = "../common.rs"]
mod common;

use common::*;

service! {
    pub Billing = "billing" { state: [std::cell::Cell<Gateway>] }
}

fn main() {}
