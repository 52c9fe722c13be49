//! Of a system with mistakes in its parts nothing is said but these.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop refunds")]
pub struct RefundAsked;

#[handler(concurency = 5)]
async fn charge(_: OrderPlaced) -> PaymentCaptured {
    PaymentCaptured { order_id: String::new() }
}

#[handler]
async fn refund(_: RefundAsked) -> InvoiceSent {
    InvoiceSent
}

service! {
    pub Storefront = "storefront" { publishes: [OrderPlaced, OrderCancelled, RefundAsked] }
}

service! {
    pub Billing = "billing" { handles: [charge, refund] }
}

service! {
    pub Shipping = "" { handles: [] }
}

topology! {
    pub Shop = [Storefront, Billing, Shipping];
    from_outside: [PaymentCaptured];
    to_outside: [RefundAsked];
    may_repeat: [InvoiceSent];
}

fn main() {}
