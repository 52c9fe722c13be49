//! A service lists the state that its handlers need.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
async fn charge(_: OrderPlaced, _: State<Gateway>) {}

service! {
    pub Billing = "billing" { handles: [charge], state: [Mailer] }
}

fn main() {}
