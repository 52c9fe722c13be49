//! Everything that is wrong with a system.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Ordered {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop_invoices", name = "invoice.paid")]
pub struct InvoicePaid;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "bank.settlements")]
pub struct PaymentSettled;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "bank.fees")]
pub struct FeeTaken;

#[handler(group = "orders")]
async fn charge(_: Ordered) -> Option<PaymentCaptured> {
    None
}

#[handler(group = "orders")]
async fn ship(_: OrderPlaced) {}

#[handler]
async fn reorder(payment: PaymentCaptured) -> Option<OrderPlaced> {
    Some(OrderPlaced { order_id: payment.order_id })
}

#[handler(topic = "bank.*", group = "audit")]
async fn settle(_: PaymentSettled) {}

service! {
    pub Storefront = "storefront" { handles: [reorder], publishes: [InvoiceSent] }
}

service! {
    pub Billing = "billing" { handles: [charge, settle] }
}

service! {
    pub Shipping = "shipping" { handles: [ship], publishes: [InvoicePaid, FeeTaken] }
}

topology! {
    pub Shop = [Storefront, Billing, Shipping];
    from_outside: [OrderPlaced, InvoiceSent];
    to_outside: [PaymentCaptured, PaymentSettled, FeeTaken];
    may_repeat: [OrderCancelled];
}

fn main() {}
