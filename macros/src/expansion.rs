//! What the macros expand to, compared with `snapshots/`: a review sees there how generated code changes, and that it
//! grows.

use insta::{Settings, assert_snapshot};
use proc_macro2::TokenStream;
use quote::quote;

use crate::{event, event_set, handler, handler_error, key, service, topology};

#[test]
fn an_event() {
    compare("event", &pretty(an_event_with_a_key()));
}

fn an_event_with_a_key() -> TokenStream {
    event::derive(quote! {
        #[event(topic = "shop.orders", name = "order.placed", version = 2, key = order_id)]
        pub struct OrderPlaced {
            pub order_id: OrderId,
            pub total_cents: u64,
        }
    })
}

#[test]
fn a_plain_event() {
    let expanded = event::derive(quote! {
        #[event(topic = "shop.invoices")]
        struct InvoiceSent;
    });
    compare("event_plain", &pretty(expanded));
}

#[test]
fn an_event_in_a_format_behind_a_feature() {
    let expanded = event::derive(quote! {
        #[event(topic = "shop.invoices", format = "cbor")]
        struct InvoiceSent;
    });
    compare("event_in_cbor", &pretty(expanded));
}

#[test]
fn an_event_with_a_past_and_an_answer() {
    let expanded = event::derive(quote! {
        #[event(topic = "shop.{tenant}.quotes", name = "quote.wanted", id = request.id)]
        #[event(upcasts(QuoteWantedV1), format = codecs::Plain, reply = Quote)]
        struct QuoteWanted {
            tenant: String,
            request: Request,
        }
    });
    compare("event_of_a_request", &pretty(expanded));
}

#[test]
fn a_set_of_two() {
    let expanded = event_set::derive(quote! {
        enum OrderEvent {
            Placed(OrderPlaced),
            Cancelled(orders::OrderCancelled),
        }
    });
    compare("event_set", &pretty(expanded));
}

#[test]
fn a_key() {
    let expanded = key::derive(quote! {
        struct OrderId(u64);
    });
    compare("key", &pretty(expanded));
}

#[test]
fn an_error_with_every_outcome() {
    let expanded = handler_error::derive(quote! {
        enum ChargeError {
            #[outcome(retry)]
            Unreachable,
            #[outcome(retry(after = "90s"))]
            Busy { since: Instant },
            #[outcome(dead_letter)]
            Declined(String),
            #[outcome(discard)]
            Known,
            #[outcome(inherit)]
            Store(#[from] StoreError),
        }
    });
    compare("handler_error", &pretty(expanded));
}

#[test]
fn a_plain_handler() {
    compare("handler_plain", &pretty(a_handler_without_arguments()));
}

fn a_handler_without_arguments() -> TokenStream {
    let function = quote! {
        async fn ship(payment: PaymentCaptured) {
            deliver(payment);
        }
    };
    handler::attribute(quote!(), function)
}

#[test]
fn a_handler_with_everything() {
    let arguments = quote! {
        topic = "shop.>",
        group = "billing",
        concurrency = 32,
        order = partition,
        retry(attempts = 5, backoff = "100ms..30s", jitter = false),
        timeout = "10s",
        dead_letter = "dead.billing",
        batch(max = 100, wait = "20ms"),
        start = earliest,
        unhandled = skip
    };
    let function = quote! {
        /// Charges what was ordered.
        pub async fn charge(
            orders: Batch<OrderEvent>,
            State(gateway): State<Gateway>,
            publisher: Publisher<(PaymentCaptured, InvoiceSent)>,
            limit: extractors::Limit,
        ) -> Result<Vec<PaymentCaptured>, ChargeError> {
            gateway.charge(orders).await
        }
    };
    compare("handler", &pretty(handler::attribute(arguments, function)));
}

#[test]
fn a_service_of_two() {
    let expanded = service::function(quote! {
        /// Bills.
        pub Billing = "billing" {
            handles: [charge, refunds::refund],
            publishes: [InvoiceSent],
            state: [Gateway, Mailer],
        }
    });
    compare("service", &pretty(expanded));
}

#[test]
fn a_service_of_ten() {
    compare("service_of_ten", &pretty(a_service_of_ten_handlers()));
}

fn a_service_of_ten_handlers() -> TokenStream {
    service::function(quote! {
        pub Shop = "shop" {
            handles: [charge, refund, ship, pack, invoice, remind, audit, count, notify, archive],
        }
    })
}

#[test]
fn a_topology_of_two() {
    let expanded = topology::function(quote! {
        /// The whole shop.
        pub Shop = [Storefront, billing::Billing];
        from_outside: [PaymentSettled];
        to_outside: [InvoiceSent];
        may_repeat: [PaymentRetried];
    });
    compare("topology", &pretty(expanded));
}

/// Three numbers that show at once that there is more to compile, before anybody reads what it is. The handler's are with
/// the function itself.
#[test]
fn the_lines_of_an_event_a_handler_and_a_service() {
    let shapes = [
        ("event", an_event_with_a_key()),
        ("handler_plain", a_handler_without_arguments()),
        ("service_of_ten", a_service_of_ten_handlers()),
    ];
    let counted = shapes.map(|(name, expanded)| {
        let lines = pretty(expanded).lines().filter(|line| !line.trim().is_empty()).count();
        format!("{name}: {lines}")
    });
    compare("lines", &counted.join("\n"));
}

/// As rustfmt would lay it out, nearly.
fn pretty(expanded: TokenStream) -> String {
    let text = prettyplease::unparse(&syn::parse2(expanded).unwrap());
    assert!(!text.contains("compile_error"), "{text}");
    text
}

/// Fails where the snapshot of this name says something else, or is not there.
fn compare(name: &str, text: &str) {
    let mut settings = Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| assert_snapshot!(name, text));
}
