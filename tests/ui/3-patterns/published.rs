//! What a pattern brings may be what the service itself publishes.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.*")]
async fn charge(_: OrderPlaced) {}

service! {
    pub Billing = "billing" { handles: [charge], publishes: [InvoiceSent] }
}

fn main() {}
