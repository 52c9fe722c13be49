//! Everything that is wrong with a program's routes.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.order")]
async fn charge(_: OrderPlaced) {}

#[handler(topic = "shop.invoices", batch(max = 10))]
async fn print(_: PaymentCaptured) {}

#[handler]
async fn listen(_: AnyEvent) {}

#[handler]
async fn first(_: OrderCancelled) {}

#[handler(order = none)]
async fn second(_: OrderCancelled) {}

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop_invoices")]
pub struct Invoiced;

service! {
    pub Billing = "billing" { handles: [charge, first, second], publishes: [InvoiceSent, Invoiced] }
}

fn main() {}
