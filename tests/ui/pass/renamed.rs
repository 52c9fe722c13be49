//! A company may hand typebus on under a name of its own.
mod company {
    pub mod bus {
        pub use typebus::*;
    }
}

use company::bus::{Batch, Event, EventSet, Failure, HandlerError, Key, State, handler, service};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, JsonSchema, Key)]
#[key(crate = company::bus)]
struct OrderId(u64);

#[derive(Serialize, Deserialize, JsonSchema, Event)]
#[event(topic = "shop.orders", key = order_id, crate = company::bus)]
struct OrderPlaced {
    order_id: OrderId,
}

#[derive(EventSet)]
#[event(crate = crate::company::bus)]
enum Any {
    Placed(OrderPlaced),
}

#[derive(Debug, thiserror::Error, HandlerError)]
#[outcome(crate = self::company::bus)]
enum ChargeError {
    #[error("declined")]
    #[outcome(retry(after = "1s"))]
    Declined,
    #[error("{0}")]
    #[outcome(inherit)]
    Wrapped(Failure),
}

struct Gateway;

#[handler(batch(max = 10), retry(attempts = 3), crate = company::bus)]
async fn charge(_: Batch<Any>, _: State<Gateway>) -> Result<(), ChargeError> {
    Err(ChargeError::Declined)
}

service! {
    pub Billing = "billing" {
        handles: [charge],
        publishes: [Any],
        state: [Gateway],
        crate: company::bus,
    }
}

fn main() {
    let _ = (Any::Placed, ChargeError::Wrapped);
}
