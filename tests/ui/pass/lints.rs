//! Generated code is quiet where everything is forbidden. It is also a test target of its own, so that clippy sees it.
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

mod others {
    //! Events of every other kind.
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use typebus::{BoxError, Codec, Event};

    /// As it was.
    #[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "shop.{tenant}.parcels", name = "parcel.sent")]
    pub(crate) struct ParcelSentV1 {
        tenant: String,
    }

    /// As it is.
    #[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "shop.{tenant}.parcels", name = "parcel.sent", version = 2, upcasts(ParcelSentV1))]
    pub(crate) struct ParcelSent {
        tenant: String,
        weight: u32,
    }

    impl From<ParcelSentV1> for ParcelSent {
        fn from(old: ParcelSentV1) -> Self {
            Self { tenant: old.tenant, weight: 0 }
        }
    }

    /// A byte.
    #[derive(Debug, Clone, Copy)]
    pub(crate) struct Byte;

    impl Codec<Beep> for Byte {
        const CONTENT_TYPE: &'static str = "application/octet-stream";

        fn encode(event: &Beep, into: &mut Vec<u8>) -> Result<(), BoxError> {
            into.push(event.0);
            Ok(())
        }

        fn decode(payload: &[u8]) -> Result<Beep, BoxError> {
            payload.first().copied().map(Beep).ok_or_else(|| "no byte".into())
        }
    }

    /// A sound.
    #[derive(Debug, Clone, Copy, Event)]
    #[event(topic = "shop.beeps", format = Byte)]
    pub(crate) struct Beep(u8);

    /// How much?
    #[derive(Debug, Serialize, Deserialize, JsonSchema, Event)]
    #[event(topic = "shop.quotes", reply = u32)]
    pub(crate) struct GetQuote {}
}

mod billing {
    //! What is done.
    use typebus::{Attempt, Batch, HandlerError, Publisher, State, handler, service, topology};

    use super::{
        events::{Either, InvoiceSent, OrderPlaced},
        others::{Beep, GetQuote, ParcelSent, ParcelSentV1},
    };

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

    /// Weighs.
    #[handler(topic = "shop.*.parcels", batch(max = 3, wait = "1s"))]
    async fn weigh(_: Batch<ParcelSent>) {}

    /// Answers.
    #[handler(retry(attempts = 2, backoff = "1s..2s"), timeout = none)]
    async fn quote(_: GetQuote, _: Publisher<Beep>) -> u32 {
        1
    }

    service! {
        /// Bills.
        pub(crate) Billing = "billing" {
            handles: [charge, count, weigh, quote],
            publishes: [InvoiceSent],
            state: [Gateway],
        }
    }

    service! {
        /// Sells.
        pub(crate) Storefront = "storefront" {
            publishes: [OrderPlaced, ParcelSentV1, GetQuote],
        }
    }

    topology! {
        /// Everything.
        pub(crate) Shop = [Storefront, Billing];
        to_outside: [Beep];
    }
}

fn main() {
    let _: Option<billing::Shop> = None;
    drop(typebus::Bus::<billing::Billing>::builder().state(billing::Gateway {}));
}
