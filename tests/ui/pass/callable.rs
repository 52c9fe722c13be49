//! A handler stays an ordinary function.

#[path = "../common.rs"]
mod common;

use common::*;

#[handler]
pub async fn charge(order: OrderPlaced, gateway: State<Gateway>) -> Option<PaymentCaptured> {
    let Gateway = &*gateway;
    Some(PaymentCaptured { order_id: order.order_id })
}

mod elsewhere {
    // One `use` is for both, the function and its marker.
    use super::{Gateway, OrderPlaced, charge};

    typebus::service! {
        pub Billing = "billing" { handles: [charge], state: [Gateway] }
    }

    pub(super) async fn call() -> Option<super::PaymentCaptured> {
        charge(OrderPlaced { order_id: "1".to_owned() }, Gateway.into()).await
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    assert_eq!(elsewhere::call().await.map(|paid| paid.order_id).as_deref(), Some("1"));
}
