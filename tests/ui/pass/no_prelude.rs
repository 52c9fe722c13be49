//! Generated code names nothing that the user's module must have.
#![no_implicit_prelude]

// What schemars' derive expands to needs this one.
use ::std::convert::Into as _;
use ::typebus::{Attempt, Event, EventSet, Failure, HandlerError, Key, Publisher, State, handler, service};

#[derive(::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema, Key)]
#[schemars(crate = "::schemars")]
struct OrderId(u64);

#[derive(::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema, Event)]
#[schemars(crate = "::schemars")]
#[event(topic = "shop.orders", key = order_id)]
struct OrderPlaced {
    order_id: OrderId,
}

#[derive(::serde::Serialize, ::serde::Deserialize, ::schemars::JsonSchema, Event)]
#[schemars(crate = "::schemars")]
#[event(topic = "shop.invoices")]
struct InvoiceSent;

#[derive(EventSet)]
enum Any {
    Placed(OrderPlaced),
    Sent(InvoiceSent),
}

#[derive(HandlerError)]
enum ChargeError {
    #[outcome(retry)]
    Declined,
    #[outcome(retry(after = "1s"))]
    Late,
    #[outcome(dead_letter)]
    Wrong,
    #[outcome(discard)]
    Known,
    #[outcome(inherit)]
    Wrapped(Failure),
}

impl ::std::fmt::Display for ChargeError {
    fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
        f.write_str("declined")
    }
}

struct Gateway;
struct Mailer;

#[handler(
    topic = "shop.*",
    group = "charges",
    concurrency = 4,
    order = none,
    retry(attempts = 3, backoff = "1s..2s", jitter = false),
    timeout = none,
    dead_letter = "dead.x",
    start = earliest,
    unhandled = skip
)]
async fn charge(
    _: Any,
    _: State<Gateway>,
    _: Publisher<(OrderPlaced, InvoiceSent)>,
    _: Attempt,
) -> ::std::result::Result<::std::option::Option<InvoiceSent>, ChargeError> {
    ::std::result::Result::Ok(::std::option::Option::None)
}

#[handler]
async fn count(_: Any) {}

service! {
    /// The service.
    pub Billing = "billing" {
        handles: [charge, count],
        publishes: [InvoiceSent],
        state: [Gateway, Mailer],
    }
}

fn main() {
    let _ = (Any::Placed, Any::Sent, ChargeError::Wrapped);
    let _ = (ChargeError::Declined, ChargeError::Late, ChargeError::Wrong, ChargeError::Known);
}
