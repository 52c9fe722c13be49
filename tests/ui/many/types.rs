//! Mistakes that only the types tell, each at its own place.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.order")]
async fn charge(_: OrderPlaced) -> Plain {
    Plain
}

#[handler(topic = "shop.invoices", batch(max = 10))]
async fn print(_: OrderCancelled, _: Plain) -> Result<(), std::fmt::Error> {
    Ok(())
}

#[handler]
async fn listen(_: AnyEvent, _: Publisher<Plain>) {}

#[handler]
async fn mail(_: InvoiceSent, _: State<Mailer>) {}

service! {
    pub Billing = "billing" { handles: [charge, mail], publishes: [Plain], state: [Gateway] }
}

fn main() {}
