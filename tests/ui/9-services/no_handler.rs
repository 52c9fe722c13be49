//! What is listed under `handles` is a handler.

#[path = "../common.rs"]
mod common;

use common::*;

async fn charge(_: OrderPlaced) {}

service! {
    pub Billing = "billing" { handles: [Plain] }
}

fn main() {}
