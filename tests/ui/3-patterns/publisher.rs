//! What a pattern brings may be what a `Publisher` is for.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.*")]
async fn charge(_: OrderPlaced, _: Publisher<InvoiceSent>) {}

service! {
    pub Billing = "billing" { handles: [charge] }
}

fn main() {}
