//! A handler's topic receives every event of its set.

#[path = "../common.rs"]
mod common;

use common::*;

#[derive(EventSet)]
pub enum Paid {
    Order(OrderPlaced),
    Payment(PaymentCaptured),
}

#[handler(topic = "shop.orders")]
async fn follow(_: Paid) {}

fn main() {}
