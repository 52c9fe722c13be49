//! An envelope from a pattern holds whichever event the pattern brings.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler(topic = "shop.*")]
async fn charge(_: Envelope<OrderPlaced>) {}

service! {
    pub Billing = "billing" { handles: [charge], publishes: [InvoiceSent] }
}

fn main() {}
