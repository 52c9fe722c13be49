//! Generated code is quiet where everything is forbidden.
#![deny(
    warnings,
    missing_copy_implementations,
    missing_debug_implementations,
    missing_docs,
    single_use_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    unreachable_pub,
    unused_import_braces,
    unused_lifetimes,
    unused_qualifications,
    unused_results,
    variant_size_differences,
    let_underscore_drop,
    rust_2018_idioms,
    non_local_definitions,
    clippy::all,
    clippy::pedantic,
    clippy::unused_async,
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_const_for_fn,
    clippy::use_self,
    clippy::absolute_paths,
    clippy::allow_attributes,
    clippy::allow_attributes_without_reason
)]
#![forbid(unsafe_code)]

mod events {
    //! What is published.
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use typebus::{Event, EventSet, Key};

    /// Which order.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Key)]
    pub(crate) struct OrderId(String);

    /// A customer placed an order.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "shop.orders", key = order_id, id = order_id)]
    pub(crate) struct OrderPlaced {
        order_id: OrderId,
    }

    /// An invoice went out.
    #[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "shop.invoices")]
    pub(crate) struct InvoiceSent {}

    /// Either.
    #[derive(Debug, Clone, EventSet)]
    pub(crate) enum Either {
        /// The first.
        Placed(OrderPlaced),
        /// The second.
        Sent(InvoiceSent),
    }
}

mod billing {
    //! What is done.
    use typebus::{Attempt, HandlerError, State, handler, service};

    use super::events::{Either, InvoiceSent, OrderPlaced};

    /// What may fail.
    #[derive(Debug, thiserror::Error, HandlerError)]
    pub(crate) enum ChargeError {
        /// No money.
        #[error("declined")]
        #[outcome(dead_letter)]
        Declined,
    }

    /// Where the money is.
    #[derive(Debug)]
    pub(crate) struct Gateway {}

    /// Charges.
    #[handler(topic = "shop.orders", concurrency = 2)]
    pub(crate) async fn charge(_: OrderPlaced, _: State<Gateway>) -> Result<InvoiceSent, ChargeError> {
        Err(ChargeError::Declined)
    }

    /// Counts.
    #[handler(group = "count")]
    async fn count(either: Either, _: Attempt) {
        match either {
            Either::Placed(_) | Either::Sent(_) => {}
        }
    }

    service! {
        /// Bills.
        pub(crate) Billing = "billing" {
            handles: [charge, count],
            publishes: [InvoiceSent],
            state: [Gateway],
        }
    }
}

fn main() {
    drop(typebus::Bus::<billing::Billing>::builder().state(billing::Gateway {}));
}
