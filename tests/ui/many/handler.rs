//! Thirteen mistakes in one handler.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(
    topic = "shop..orders",
    groop = "billing",
    concurrency = 0,
    concurrency = 1,
    order = "key",
    retry(attempts = 0, backoff = "30s..1s", jiter = true),
    timeout = "soon",
    dead_letter = "billing",
)]
fn charge<T>(_: &OrderPlaced, _: T) {}

#[handler]
async fn refund(_: OrderCancelled) {}

service! {
    pub Billing = "billing" { handles: [charge, refund] }
}

fn main() {}
