//! Messages: an event or a reply with its envelope.

use serde_json::{Map, Value, json};
use typebus::manifest::{EventContract, ReplyContract};

use super::{Context, fields, headers, longer, server::Broker, summary};

/// The name of what answers a request.
pub(super) fn reply_name(kind: &str) -> String {
    format!("{kind}.reply")
}

/// `components.messages`
pub(super) fn of(context: &Context<'_>) -> Value {
    let mut all = Map::new();
    for (kind, event) in &context.catalog.events {
        all.insert((*kind).to_owned(), message(event, context));
        if let Some(reply) = &event.reply {
            all.insert(reply_name(kind), answer(event, reply, context));
        }
    }
    Value::Object(all)
}

fn message(event: &EventContract, context: &Context<'_>) -> Value {
    let kind = event.kind();
    let title = event.schema.as_ref().and_then(|schema| schema.get("title"));
    let examples: Vec<_> = event.examples().map(|example| json!({"payload": example})).collect();
    let payload = event.schema.as_ref().map(|_| json!({"$ref": format!("#/components/schemas/{kind}")}));
    let bindings = context.bindings(|broker| match broker {
        Broker::Kafka => {
            let key = event
                .key
                .as_ref()
                .map(|key| json!({"type": "string", "description": format!("The field `{key}`.")}));
            Some(fields([("key", key.unwrap_or_default())])).filter(|_| event.key.is_some())
        }
        Broker::RabbitMq | Broker::Nats | Broker::Pulsar => None,
    });
    fields([
        ("name", json!(kind)),
        ("title", json!(title)),
        ("summary", json!(event.description.as_deref().map(summary))),
        ("description", longer(event.description.as_deref())),
        ("contentType", json!(event.content_type)),
        ("headers", headers::of_kind(&context.brokers, &kind, event.reply.is_some()).unwrap_or_default()),
        ("payload", payload.unwrap_or_default()),
        ("correlationId", correlation(context)),
        ("examples", if examples.is_empty() { Value::Null } else { json!(examples) }),
        ("bindings", bindings.unwrap_or_default()),
        ("x-typebus-event", json!(event.name)),
        ("x-typebus-version", json!(event.version)),
        ("x-typebus-key", json!(event.key)),
        ("x-typebus-id", json!(event.id)),
        ("x-typebus-upcasts", if event.upcasts.is_empty() { Value::Null } else { json!(event.upcasts) }),
    ])
}

fn answer(event: &EventContract, reply: &ReplyContract, context: &Context<'_>) -> Value {
    let examples = reply.schema.get("examples").and_then(Value::as_array);
    let examples: Vec<_> =
        examples.into_iter().flatten().map(|example| json!({"payload": example})).collect();
    let kind = event.kind();
    // As it is on the wire.
    let on_wire = format!("{}.reply.v{}", event.name, event.version);
    fields([
        ("name", json!(on_wire)),
        ("title", json!(reply.name)),
        ("summary", json!(format!("What answers {kind}."))),
        ("description", json!(reply.schema.get("description"))),
        ("contentType", json!("application/json")),
        ("headers", headers::of_kind(&context.brokers, &on_wire, false).unwrap_or_default()),
        ("payload", json!({"$ref": format!("#/components/schemas/{}", reply_name(&kind))})),
        (
            "correlationId",
            json!({"location": "$message.header#/typebus-call", "description": "Which call it answers."}),
        ),
        ("examples", if examples.is_empty() { Value::Null } else { json!(examples) }),
    ])
}

/// Where what belongs together is told; brokers that spell it differently have no common place.
fn correlation(context: &Context<'_>) -> Value {
    let mut names: Vec<_> =
        context.brokers.iter().map(|&broker| headers::header(broker, "correlationid")).collect();
    names.sort_unstable();
    names.dedup();
    match &names[..] {
        [only] => json!({"location": format!("$message.header#/{only}")}),
        _ => Value::Null,
    }
}
