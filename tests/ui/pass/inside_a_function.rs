//! Everything may stand inside a function.

#[path = "../common.rs"]
mod common;

use common::*;

use typebus::Service;

fn main() {
    #[derive(Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "shop.refunds")]
    struct Refunded;

    #[handler]
    async fn refund(_: Refunded, _: State<Gateway>) -> Option<InvoiceSent> {
        None
    }

    service! {
        Refunds = "refunds" { handles: [refund], publishes: [Refunded], state: [Gateway] }
    }

    assert_eq!(Refunds::DESCRIPTOR.handlers().len(), 1);
}
