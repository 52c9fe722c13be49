//! An event does not lead to itself by way of another.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(order: OrderPlaced) -> PaymentCaptured {
    PaymentCaptured { order_id: order.order_id }
}

#[handler]
async fn reorder(payment: PaymentCaptured) -> OrderPlaced {
    OrderPlaced { order_id: payment.order_id }
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

service! {
    pub Storefront = "storefront" { handles: [reorder] }
}

topology! {
    pub Shop = [Storefront, Billing];
}

fn main() {}
