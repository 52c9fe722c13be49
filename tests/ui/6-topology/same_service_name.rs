//! Two services of a system have two names.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced) {}

#[handler]
async fn book(_: PaymentCaptured) {}

service! {
    pub Billing = "billing" { handles: [charge] }
}

service! {
    pub Accounts = "billing" { handles: [book], publishes: [InvoiceSent] }
}

topology! {
    pub Shop = [Billing, Accounts];
    from_outside: [OrderPlaced, PaymentCaptured];
    to_outside: [InvoiceSent];
}

fn main() {}
