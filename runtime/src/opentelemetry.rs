//! OpenTelemetry's traces, as a layer.

use std::{fmt, str::FromStr, sync::Arc};

use ::opentelemetry::{
    Context, InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    global::{self, BoxedTracer},
    trace::{
        Link, Span, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt, TraceState, Tracer,
        TracerProvider,
    },
};

use crate::{
    error::Result,
    layer::{Around, Ended, Layer, OnSent, Publication, Received, Sent},
    outcome::{Failure, Outcome},
};

#[doc = include_str!("docs/opentelemetry.md")]
#[derive(Clone)]
pub struct OpenTelemetry {
    tracer: Arc<BoxedTracer>,
    continues: bool,
}

impl OpenTelemetry {
    /// With the tracer provider that is the global one now.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it depends on what is global, which a default does not")]
    pub fn new() -> Self {
        Self::with_provider(&global::tracer_provider())
    }

    /// With this tracer provider.
    pub fn with_provider<P>(provider: &P) -> Self
    where
        P: TracerProvider<Tracer: Tracer<Span: Send + Sync + 'static> + Send + Sync + 'static>,
    {
        let scope = InstrumentationScope::builder("typebus").with_version(env!("CARGO_PKG_VERSION")).build();
        let tracer = BoxedTracer::new(Box::new(provider.tracer_with_scope(scope)));
        Self { tracer: Arc::new(tracer), continues: false }
    }

    /// Makes an attempt at one event a child of what published it, so that one trace goes through the whole system. The
    /// attempts at a batch have links as before.
    #[must_use]
    pub fn continue_traces(self) -> Self {
        Self { continues: true, ..self }
    }
}

impl fmt::Debug for OpenTelemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenTelemetry").field("continues", &self.continues).finish_non_exhaustive()
    }
}

impl Layer for OpenTelemetry {
    fn publish(&self, publication: &mut Publication<'_>) -> Result<Option<OnSent>> {
        let carried = read(publication.traceparent(), publication.tracestate());
        let current = Context::current();
        let (mut parent, mut links) = (Context::new(), Vec::new());
        match carried.clone() {
            Some(carried) if publication.is_dead_letter() => links.push(Link::with_context(carried)),
            _ if current.span().span_context().is_valid() && !publication.is_dead_letter() => {
                parent = current;
            }
            Some(carried) => parent = parent.with_remote_span_context(carried),
            None => {}
        }
        let destination = publication.destination().to_owned();
        let mut attributes =
            attributes("send", publication.system(), publication.topic(), &destination, publication.id());
        attributes.extend(
            publication
                .correlation_id()
                .map(|id| KeyValue::new("messaging.message.conversation_id", id.to_owned())),
        );
        attributes.push(size("messaging.message.body.size", publication.message().payload().len()));
        let builder = SpanBuilder::from_name(format!("send {destination}"))
            .with_kind(SpanKind::Producer)
            .with_attributes(attributes)
            .with_links(links);
        let mut span = self.tracer.build_with_context(builder, &parent);
        let context = span.span_context();
        if context.is_valid() && carried.as_ref() != Some(context) {
            let (traceparent, tracestate) = write(context);
            publication.header("traceparent", traceparent);
            if !tracestate.is_empty() {
                publication.header("tracestate", tracestate);
            }
        }
        Ok(Some(Box::new(move |sent: &Sent<'_>| {
            if let Some(error) = sent.error() {
                span.set_attribute(KeyValue::new("error.type", format!("{:?}", error.kind())));
                span.set_status(Status::error(error.to_string()));
            }
            span.set_attributes(sent.partition().map(partition));
            span.end();
        })))
    }

    fn attempt(&self, deliveries: &[Received<'_>]) -> Result<Option<Box<dyn Around>>, Failure> {
        let Some(first) = deliveries.first() else { return Ok(None) };
        let metadata: Vec<_> = deliveries.iter().map(Received::metadata).collect();
        let created: Vec<_> =
            metadata.iter().filter_map(|one| read(one.traceparent(), one.tracestate())).collect();
        let (mut parent, mut links) = (Context::new(), Vec::new());
        let destination = first.subscription();
        let mut attributes = match &metadata[..] {
            [only] => attributes("process", first.system(), first.topic(), destination, only.id()),
            _ => attributes("process", first.system(), destination, destination, ""),
        };
        match (&created[..], &metadata[..]) {
            ([only], [_]) if self.continues => parent = parent.with_remote_span_context(only.clone()),
            _ => links.extend(created.into_iter().map(Link::with_context)),
        }
        attributes.push(KeyValue::new("messaging.consumer.group.name", first.group().to_owned()));
        attributes.push(KeyValue::new("typebus.handler", first.handler().unwrap_or_default()));
        attributes.push(KeyValue::new("typebus.attempt", i64::from(first.attempt())));
        if let [only] = &metadata[..] {
            let id = only.correlation_id();
            attributes.extend(id.map(|id| KeyValue::new("messaging.message.conversation_id", id.to_owned())));
            attributes.extend(only.partition().map(partition));
            attributes.push(size("messaging.message.body.size", first.payload().len()));
        } else {
            attributes.push(size("messaging.batch.message_count", metadata.len()));
        }
        let builder = SpanBuilder::from_name(format!("process {destination}"))
            .with_kind(SpanKind::Consumer)
            .with_attributes(attributes)
            .with_links(links);
        let span = self.tracer.build_with_context(builder, &parent);
        Ok(Some(Box::new(Processing { context: Context::new().with_span(span), has_ended: false })))
    }
}

/// One attempt.
struct Processing {
    /// With the span, which is the handler's current one.
    context: Context,
    has_ended: bool,
}

impl Around for Processing {
    fn poll(&mut self, poll: &mut dyn FnMut()) {
        let _attached = self.context.clone().attach();
        poll();
    }

    fn ended(mut self: Box<Self>, ended: &Ended<'_>) {
        let span = self.context.span();
        let outcome = match ended.outcome() {
            Outcome::Ack => "ack",
            Outcome::Retry { .. } => "retry",
            Outcome::DeadLetter => "dead_letter",
            Outcome::Discard => "discard",
        };
        span.set_attribute(KeyValue::new("typebus.outcome", outcome));
        if let Some(reason) = ended.reason() {
            span.set_attribute(KeyValue::new("error.type", reason.as_str()));
            span.set_status(Status::error(ended.error().unwrap_or_default().to_owned()));
        }
        span.end();
        self.has_ended = true;
    }
}

impl Drop for Processing {
    fn drop(&mut self) {
        if !self.has_ended {
            let span = self.context.span();
            span.set_attribute(KeyValue::new("error.type", "cut_off"));
            span.set_status(Status::error("the attempt was cut off; its delivery comes again"));
            // Something that the handler left behind may still have the context.
            span.end();
        }
    }
}

/// What every span has.
fn attributes(
    operation: &'static str,
    system: &'static str,
    topic: &str,
    destination: &str,
    id: &str,
) -> Vec<KeyValue> {
    let mut attributes = vec![
        KeyValue::new("messaging.operation.name", operation),
        KeyValue::new("messaging.operation.type", operation),
        KeyValue::new("messaging.system", system),
        KeyValue::new("messaging.destination.name", topic.to_owned()),
    ];
    if topic != destination {
        attributes.push(KeyValue::new("messaging.destination.template", destination.to_owned()));
    }
    if !id.is_empty() {
        attributes.push(KeyValue::new("messaging.message.id", id.to_owned()));
    }
    attributes
}

fn partition(number: u32) -> KeyValue {
    KeyValue::new("messaging.destination.partition.id", number.to_string())
}

fn size(name: &'static str, value: usize) -> KeyValue {
    KeyValue::new(name, i64::try_from(value).unwrap_or(i64::MAX))
}

/// A context as W3C Trace Context spells it: `traceparent`, and `tracestate`, which may be empty.
fn write(context: &SpanContext) -> (String, String) {
    let (trace, span, flags) = (context.trace_id(), context.span_id(), context.trace_flags());
    let traceparent = format!("00-{trace}-{span}-{:02x}", (flags & TraceFlags::SAMPLED).to_u8());
    (traceparent, context.trace_state().header())
}

/// The context that a message carries, if it is one. A state that cannot be read is left out.
fn read(traceparent: Option<&str>, tracestate: Option<&str>) -> Option<SpanContext> {
    let mut parts = traceparent?.trim().split('-');
    let [version, trace, span, flags] = [(); 4].map(|()| parts.next().unwrap_or_default());
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let sound = [(version, 2), (trace, 32), (span, 16), (flags, 2)];
    // A later version may have more parts.
    if !sound.iter().all(|(text, length)| is_hex(text, *length))
        || version == "ff"
        || (version == "00" && parts.next().is_some())
    {
        return None;
    }
    let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
    let state = tracestate.and_then(|state| TraceState::from_str(state).ok()).unwrap_or_default();
    let context =
        SpanContext::new(TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?, flags, true, state);
    context.is_valid().then_some(context)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    #[test]
    fn a_context_is_written_as_it_was_read() {
        let context = read(Some(PARENT), Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")).unwrap();
        assert!(context.is_remote() && context.is_sampled());
        assert_eq!(
            write(&context),
            (PARENT.to_owned(), "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE".to_owned())
        );
        let unsampled = PARENT.replace("-01", "-00");
        assert_eq!(write(&read(Some(&unsampled), None).unwrap()), (unsampled, String::new()));
    }

    #[test]
    fn what_is_no_context_is_none() {
        let wrong = [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
            "00-0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333ä-01",
        ];
        for text in wrong {
            assert_eq!(read(Some(text), None), None, "{text}");
        }
        assert_eq!(read(None, Some("a=b")), None);
        assert!(read(Some(&PARENT.replacen("00", "cc", 1)), None).is_some(), "a later version");
        assert!(read(Some(&format!("{}-more", PARENT.replacen("00", "cc", 1))), None).is_some());
        assert!(read(Some(PARENT), Some("=,=")).is_some(), "a state that cannot be read");
    }
}
