//! Traces through a system: who is whose child, and who links to whom.

use std::time::Duration;

use ::opentelemetry::{
    Context, SpanId,
    trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider},
};
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tracing_subscriber::{Layer, filter::filter_fn, layer::SubscriberExt};
use typebus::{OpenTelemetry, prelude::*, testing::Foreign};
use typebus_tests::{Does, Job, Paid, Placed, Seen, Shipped, broker, caught_up, letters, start};

use crate::logs::ask_every_thread;

/// What spans were made.
#[derive(Clone)]
struct Traces {
    provider: SdkTracerProvider,
    exporter: InMemorySpanExporter,
}

impl Default for Traces {
    fn default() -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder().with_simple_exporter(exporter.clone()).build();
        Self { provider, exporter }
    }
}

impl Traces {
    fn layer(&self) -> OpenTelemetry {
        OpenTelemetry::with_provider(&self.provider)
    }

    /// In the order in which they ended.
    fn all(&self) -> Vec<SpanData> {
        self.exporter.get_finished_spans().unwrap()
    }

    fn named(&self, name: &str) -> Vec<SpanData> {
        self.all().into_iter().filter(|span| span.name == name).collect()
    }

    fn only(&self, name: &str) -> SpanData {
        let mut named = self.named(name);
        assert_eq!(named.len(), 1, "{name}: {:?}", self.all());
        named.remove(0)
    }

    /// Makes a span, as a handler that is instrumented does.
    fn span(&self, name: &'static str) {
        self.provider.tracer("test").start(name).end();
    }
}

fn attribute(span: &SpanData, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key.as_str() == name);
    found.map(|attribute| attribute.value.to_string())
}

fn links(span: &SpanData) -> Vec<SpanId> {
    span.links.iter().map(|link| link.span_context.span_id()).collect()
}

fn is_child(child: &SpanData, parent: &SpanData) -> bool {
    child.parent_span_id == parent.span_context.span_id()
        && child.span_context.trace_id() == parent.span_context.trace_id()
}

fn is_root(span: &SpanData) -> bool {
    span.parent_span_id == SpanId::INVALID
}

#[handler]
async fn charge(order: Placed, traces: State<Traces>) -> Paid {
    traces.span("charging");
    tokio::time::sleep(Duration::from_secs(1)).await;
    traces.span("charged");
    Paid { number: order.number, customer: Some(order.customer) }
}

service! { Till = "till" { handles: [charge], publishes: [Placed], state: [Traces] } }

#[handler]
async fn ship(payment: Paid, traces: State<Traces>, publisher: Publisher<Shipped>) -> Result<(), Failure> {
    traces.span("packing");
    publisher.publish(&Shipped { number: payment.number }).await?;
    Ok(())
}

service! { Depot = "depot" { handles: [ship], state: [Traces] } }

#[handler(retry(attempts = 2, backoff = "1s..1s", jitter = false), timeout = "1m")]
async fn work(job: Job, attempt: Attempt) -> Result<(), Failure> {
    job.attempt(attempt.number()).await
}

service! { Workshop = "workshop" { handles: [work], publishes: [Job] } }

fn placed(number: u64) -> Placed {
    Placed { number, customer: "c".into() }
}

/// An order goes through two services, published within a span of the program.
async fn order(traces: &Traces, layer: impl Fn() -> OpenTelemetry) {
    let url = broker();
    let till = Bus::<Till>::builder().state(traces.clone()).layer(layer()).connect(&url).await.unwrap();
    let depot = Bus::<Depot>::builder().state(traces.clone()).layer(layer()).connect(&url).await.unwrap();
    let running = typebus::start([&till, &depot]).await.unwrap();
    let context = Context::new().with_span(traces.provider.tracer("test").start("checkout"));
    let publish = till.publish(&placed(1));
    let mut publish = std::pin::pin!(publish);
    // As `FutureExt::with_context` of OpenTelemetry does.
    std::future::poll_fn(|cx| {
        let _attached = context.clone().attach();
        publish.as_mut().poll(cx)
    })
    .await
    .unwrap();
    context.span().end();
    caught_up(&running).await;
    caught_up(&running).await;
    running.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn consumers_link_to_what_published_their_event() {
    let traces = Traces::default();
    order(&traces, || traces.layer()).await;
    let (checkout, sent) = (traces.only("checkout"), traces.only("send shop.orders"));
    assert!(is_child(&sent, &checkout) && sent.span_kind == SpanKind::Producer);
    let charged = traces.only("process shop.orders");
    assert!(is_root(&charged) && charged.span_kind == SpanKind::Consumer);
    assert_eq!(links(&charged), [sent.span_context.span_id()]);
    assert!(is_child(&traces.only("charging"), &charged), "the handler runs within it");
    assert!(is_child(&traces.only("charged"), &charged), "after it waited, too");
    let paid = traces.only("send shop.payments");
    assert!(is_child(&paid, &charged), "what it returns is its child");
    let shipped = traces.only("process shop.payments");
    assert!(is_root(&shipped));
    assert_eq!(links(&shipped), [paid.span_context.span_id()]);
    assert!(is_child(&traces.only("packing"), &shipped));
    assert!(is_child(&traces.only("send shop.parcels"), &shipped), "what it publishes mid-way, too");
    for span in traces.all() {
        assert_eq!(span.status, Status::Unset, "{span:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_trace_goes_through_the_system_where_it_is_asked_for() {
    let traces = Traces::default();
    order(&traces, || traces.layer().continue_traces()).await;
    let all = [
        "checkout",
        "send shop.orders",
        "process shop.orders",
        "send shop.payments",
        "process shop.payments",
        "send shop.parcels",
    ];
    let spans = all.map(|name| traces.only(name));
    assert!(is_root(&spans[0]));
    for pair in spans.windows(2) {
        assert!(is_child(&pair[1], &pair[0]), "{} of {}", pair[1].name, pair[0].name);
        assert_eq!(links(&pair[1]), []);
    }
}

#[tokio::test(start_paused = true)]
async fn spans_have_the_attributes_of_the_conventions() {
    let traces = Traces::default();
    order(&traces, || traces.layer()).await;
    let (sent, handled) = (traces.only("send shop.orders"), traces.only("process shop.orders"));
    let expected = [
        ("messaging.system", "memory", "memory"),
        ("messaging.operation.name", "send", "process"),
        ("messaging.operation.type", "send", "process"),
        ("messaging.destination.name", "shop.orders", "shop.orders"),
    ];
    for (name, of_sent, of_handled) in expected {
        assert_eq!(attribute(&sent, name).as_deref(), Some(of_sent));
        assert_eq!(attribute(&handled, name).as_deref(), Some(of_handled));
    }
    assert_eq!(attribute(&handled, "messaging.consumer.group.name").as_deref(), Some("till"));
    assert_eq!(attribute(&handled, "typebus.handler").as_deref(), Some("charge"));
    assert_eq!(attribute(&handled, "typebus.outcome").as_deref(), Some("ack"));
    let same = ["messaging.message.id", "messaging.message.body.size", "messaging.destination.partition.id"];
    for name in same {
        assert!(attribute(&sent, name).is_some_and(|id| !id.is_empty()), "{name}");
        assert_eq!(attribute(&sent, name), attribute(&handled, name), "{name}");
    }
    let conversation = attribute(&traces.only("send shop.payments"), "messaging.message.conversation_id");
    assert_eq!(conversation, attribute(&sent, "messaging.message.id"));
    assert_eq!(sent.instrumentation_scope.name(), "typebus");
}

#[tokio::test(start_paused = true)]
async fn every_attempt_is_a_span_and_a_dead_letter_links_to_its_event() {
    let traces = Traces::default();
    let bus = Bus::<Workshop>::builder().layer(traces.layer()).connect("memory:").await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Fail, Does::Hang])).await.unwrap();
    start(&bus).await;
    let sent = traces.only("send work.jobs");
    let attempts = traces.named("process work.jobs");
    assert_eq!(attempts.len(), 2);
    let told = [("1", "failed", "retry"), ("2", "timed-out", "retry")];
    for (span, (attempt, error, outcome)) in attempts.iter().zip(told) {
        assert_eq!(links(span), [sent.span_context.span_id()]);
        assert_eq!(attribute(span, "typebus.attempt").as_deref(), Some(attempt));
        assert_eq!(attribute(span, "error.type").as_deref(), Some(error));
        assert_eq!(attribute(span, "typebus.outcome").as_deref(), Some(outcome));
    }
    assert_eq!(attempts[0].status, Status::error("failed"));
    let dead = traces.only("send dead.workshop");
    assert!(is_root(&dead) && dead.span_kind == SpanKind::Producer);
    assert_eq!(links(&dead), [sent.span_context.span_id()]);
    // The dead letter keeps its event's context.
    let letters = letters(&bus, "workshop").await;
    let traceparent = letters[0].metadata().traceparent().unwrap();
    assert!(traceparent.contains(&sent.span_context.span_id().to_string()), "{traceparent}");
}

#[handler(batch(max = 2, wait = "10ms"))]
async fn collect(jobs: Batch<Job>, traces: State<Traces>) {
    assert_eq!(jobs.len(), 2);
    traces.span("collecting");
}

service! { Collector = "collector" { handles: [collect], publishes: [Job], state: [Traces] } }

#[tokio::test(start_paused = true)]
async fn a_batch_links_to_all_its_events() {
    let traces = Traces::default();
    let layer = traces.layer().continue_traces();
    let builder = Bus::<Collector>::builder().state(traces.clone()).layer(layer);
    let bus = builder.connect("memory:").await.unwrap();
    bus.publish_all(&[Job::of("a", 1), Job::of("b", 2)]).await;
    start(&bus).await;
    let sent: Vec<_> =
        traces.named("send work.jobs").iter().map(|span| span.span_context.span_id()).collect();
    let batch = traces.only("process work.jobs");
    assert!(is_root(&batch));
    let mut linked = links(&batch);
    linked.sort_by_key(|id| sent.iter().position(|other| other == id));
    assert_eq!(linked, sent);
    assert_eq!(attribute(&batch, "messaging.batch.message_count").as_deref(), Some("2"));
    assert!(is_child(&traces.only("collecting"), &batch));
}

#[tokio::test(start_paused = true)]
async fn a_context_of_ones_own_is_continued_and_one_that_is_none_ignored() {
    let (traces, url) = (Traces::default(), broker());
    let bus = Bus::<Workshop>::builder().layer(traces.layer()).connect(&url).await.unwrap();
    let own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let publish = bus.publish(&Job::of("a", 1)).header("traceparent", own).header("tracestate", "vendor=1");
    publish.await.unwrap();
    let sent = traces.only("send work.jobs");
    assert_eq!(sent.parent_span_id.to_string(), "b7ad6b7169203331");
    assert_eq!(sent.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
    let foreign = Foreign::connect(&url).unwrap();
    let message = foreign.message("work.jobs").header("ce_type", "job.v1").header("traceparent", "nonsense");
    message.payload(serde_json::to_vec(&Job::of("b", 2)).unwrap()).send().await.unwrap();
    start(&bus).await;
    let handled = traces.named("process work.jobs");
    assert_eq!(handled.len(), 2);
    let linked = handled.iter().find(|span| !links(span).is_empty()).unwrap();
    assert_eq!(links(linked), [sent.span_context.span_id()]);
    assert_eq!(linked.links[0].span_context.trace_state().header(), "vendor=1", "the state goes along");
}

#[derive(Clone, Default)]
struct Contexts(Seen<Option<String>>);

#[handler]
async fn look(_: Shipped, metadata: Metadata, contexts: State<Contexts>) {
    contexts.0.push(metadata.traceparent().map(str::to_owned));
}

service! { Looker = "looker" { handles: [look], publishes: [Shipped], state: [Contexts] } }

#[tokio::test(start_paused = true)]
async fn without_a_provider_events_stay_as_they_are() {
    let contexts = Contexts::default();
    let builder = Bus::<Looker>::builder().state(contexts.clone()).layer(OpenTelemetry::new());
    let bus = builder.connect("memory:").await.unwrap();
    bus.publish(&Shipped { number: 1 }).await.unwrap();
    let own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    bus.publish(&Shipped { number: 2 }).header("traceparent", own).await.unwrap();
    start(&bus).await;
    assert_eq!(contexts.0.sorted(), [None, Some(own.to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_cut_off_says_so() {
    let traces = Traces::default();
    let bus = Bus::<Workshop>::builder().layer(traces.layer()).connect("memory:").await.unwrap();
    bus.publish(&Job::of("a", 1).does([Does::Take(55_000)])).await.unwrap();
    let running = bus.start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    running.stop().await.unwrap();
    assert_eq!(attribute(&traces.only("process work.jobs"), "error.type").as_deref(), Some("cut_off"));
}

#[handler]
async fn instrumented(order: Placed, publisher: Publisher<Shipped>) -> Result<(), Failure> {
    use tracing::Instrument;
    let shipped = publisher.publish(&Shipped { number: order.number });
    shipped.instrument(tracing::info_span!("packing")).await?;
    Ok(())
}

service! { Instrumented = "instrumented" { handles: [instrumented], publishes: [Placed] } }

#[tokio::test(start_paused = true)]
async fn spans_of_tracing_are_children_where_a_bridge_exports_them() {
    ask_every_thread();
    let traces = Traces::default();
    let bridge = tracing_opentelemetry::layer().with_tracer(traces.provider.tracer("bridge"));
    let bridge = bridge.with_filter(filter_fn(|metadata| !metadata.target().starts_with("typebus::")));
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(bridge));
    let bus = Bus::<Instrumented>::builder().layer(traces.layer()).connect("memory:").await.unwrap();
    bus.publish(&placed(1)).await.unwrap();
    start(&bus).await;
    let packing = traces.only("packing");
    assert!(is_child(&packing, &traces.only("process shop.orders")));
    assert!(is_child(&traces.only("send shop.parcels"), &packing));
    assert_eq!(traces.named("process").len(), 0, "the bus's own span is kept out");
}
