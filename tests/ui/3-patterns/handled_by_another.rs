//! What a pattern brings, its handler takes, although another handler takes it too.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler(topic = "*.payments", group = "accounts")]
async fn book(_: PaymentCaptured) {}

#[handler(topic = "shop.*", group = "mail")]
async fn congratulate(_: OrderPlaced) {}

service! {
    pub Billing = "billing" { handles: [charge, book, congratulate] }
}

fn main() {}
