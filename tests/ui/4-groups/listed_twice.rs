//! A handler is listed once.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

service! {
    pub Billing = "billing" { handles: [charge, charge] }
}

fn main() {}
