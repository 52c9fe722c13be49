//! A service lists the state that its handlers' extractors need.

#[path = "../common.rs"]
mod common;

use common::*;

pub struct Limit(pub usize);

impl typebus::FromDelivery for Limit {
    type Needs = Gateway;
    type Error = Failure;

    fn from_delivery(_: &typebus::Incoming<'_>, _: &Gateway) -> Result<Self, Failure> {
        Ok(Self(1))
    }
}

#[handler]
async fn charge(_: OrderPlaced, _: Limit) {}

service! {
    pub Billing = "billing" { handles: [charge] }
}

fn main() {}
