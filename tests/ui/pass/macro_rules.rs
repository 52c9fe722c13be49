//! Handlers and events may come from a macro.

#[path = "../common.rs"]
mod common;

use common::*;

macro_rules! shop {
    ($event:ident, $topic:literal, $handler:ident, $service:ident, $name:literal, $attempts:literal) => {
        #[derive(Serialize, Deserialize, JsonSchema, Event)]
        #[event(topic = $topic, key = order_id)]
        pub struct $event {
            pub order_id: String,
        }

        #[handler(topic = $topic, retry(attempts = $attempts))]
        async fn $handler(_: $event, _: State<Gateway>) -> Vec<InvoiceSent> {
            Vec::new()
        }

        service! {
            pub $service = $name { handles: [$handler], publishes: [$event], state: [Gateway] }
        }
    };
}

shop!(Refunded, "shop.refunds", refund, Refunds, "refunds", 3);
shop!(Returned, "shop.returns", take_back, Returns, "returns", 4);

fn main() {}
