//! A set on a pattern has every event that the pattern brings.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Money {
    Payment(PaymentCaptured),
    Invoice(InvoiceSent),
}

#[handler(topic = "shop.*")]
async fn book(_: Money) {}

service! {
    pub Billing = "billing" { handles: [book], publishes: [PaymentCaptured, InvoiceSent, OrderCancelled] }
}

fn main() {}
