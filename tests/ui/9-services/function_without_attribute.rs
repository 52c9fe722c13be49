//! A function without `#[handler]` is no handler.

#[path = "../common.rs"]
mod common;

use common::*;

async fn charge(_: OrderPlaced) {}

service! {
    pub Billing = "billing" { handles: [charge] }
}

fn main() {}
