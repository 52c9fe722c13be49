//! What a pattern brings may be what a handler returns.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.>")]
async fn charge(order: OrderPlaced) -> Option<PaymentCaptured> {
    Some(PaymentCaptured { order_id: order.order_id })
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

fn main() {}
