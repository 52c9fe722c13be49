//! For each cycle one event is named.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(order: OrderPlaced) -> PaymentCaptured {
    PaymentCaptured { order_id: order.order_id }
}

#[handler]
async fn reorder(payment: PaymentCaptured) -> Option<OrderPlaced> {
    Some(OrderPlaced { order_id: payment.order_id })
}

service! {
    pub Billing = "billing" { handles: [charge, reorder] }
}

topology! {
    pub Shop = [Billing];
    may_repeat: [OrderPlaced, PaymentCaptured];
}

fn main() {}
