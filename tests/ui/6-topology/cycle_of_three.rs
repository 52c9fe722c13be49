//! An event does not lead to itself by way of two others.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(order: OrderPlaced) -> PaymentCaptured {
    PaymentCaptured { order_id: order.order_id }
}

#[handler]
async fn invoice(_: PaymentCaptured) -> InvoiceSent {
    InvoiceSent
}

#[handler]
async fn reorder(_: InvoiceSent) -> Option<OrderPlaced> {
    None
}

service! {
    pub Billing = "billing" { handles: [charge] }
}

service! {
    pub Accounts = "accounts" { handles: [invoice] }
}

service! {
    pub Storefront = "storefront" { handles: [reorder] }
}

topology! {
    pub Shop = [Billing, Accounts, Storefront];
}

fn main() {}
