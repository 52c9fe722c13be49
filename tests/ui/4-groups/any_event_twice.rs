//! One delivery has one handler, whatever it is.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.>")]
async fn audit(_: AnyEvent) {}

#[handler(topic = "shop.>")]
async fn archive(_: AnyEvent) {}

service! {
    pub Billing = "billing" { handles: [audit, archive] }
}

fn main() {}
