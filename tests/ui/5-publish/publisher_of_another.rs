//! A publisher publishes what it is for.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced, publisher: Publisher<InvoiceSent>) {
    let _ = publisher.publish(&PaymentCaptured { order_id: String::new() });
}

fn main() {}
