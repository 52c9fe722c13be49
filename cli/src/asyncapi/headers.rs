//! The envelope as the headers of a broker: CloudEvents 1.0 in binary mode.

use serde_json::{Map, Value, json};

use super::server::Broker;

/// What stands before the name of an attribute.
const fn prefix(broker: Broker) -> &'static str {
    match broker {
        Broker::Kafka | Broker::Pulsar => "ce_",
        Broker::RabbitMq | Broker::Nats => "ce-",
    }
}

/// The name of a header that holds an attribute.
pub(super) fn header(broker: Broker, attribute: &str) -> String {
    format!("{}{attribute}", prefix(broker))
}

/// The name in `components.schemas` of what all events have.
pub(super) fn name(broker: Broker) -> String {
    format!("cloudevents.{}", broker.name())
}

/// What all events have.
pub(super) fn common(broker: Broker) -> Value {
    let uuid = "A UUID, unless the event or its publisher says another.";
    let attributes = [
        (
            "specversion",
            json!({"type": "string", "const": "1.0", "description": "The version of CloudEvents."}),
        ),
        (
            "id",
            json!({"type": "string", "minLength": 1, "description": format!("Which event it is. {uuid}")}),
        ),
        ("type", json!({"type": "string", "minLength": 1, "description": "The event's name and version."})),
        (
            "source",
            json!({"type": "string", "minLength": 1, "description": "The service that published it."}),
        ),
        ("time", json!({"type": "string", "format": "date-time", "description": "When it was published."})),
        (
            "partitionkey",
            json!({"type": "string", "description": "The key: events of one key are kept in order."}),
        ),
        (
            "correlationid",
            json!({"type": "string", "description": "What all events have that one has led to."}),
        ),
        (
            "causationid",
            json!({"type": "string", "description": "The id of the event that led to this one."}),
        ),
        (
            "traceparent",
            json!({"type": "string", "description": "Where in a trace it was published (W3C Trace Context)."}),
        ),
        ("tracestate", json!({"type": "string", "description": "What tracers add to that."})),
    ];
    let mut properties: Map<_, _> =
        attributes.into_iter().map(|(attribute, schema)| (header(broker, attribute), schema)).collect();
    let mut required: Vec<_> =
        ["id", "source", "specversion", "time", "type"].map(|attribute| header(broker, attribute)).into();
    let content_type = match broker {
        Broker::Kafka | Broker::Pulsar => Some("content-type"),
        Broker::Nats => Some("ce-datacontenttype"),
        // A property of the message, which is no header.
        Broker::RabbitMq => None,
    };
    if let Some(name) = content_type {
        let schema = json!({"type": "string", "description": "The content type of the payload."});
        properties.insert(name.to_owned(), schema);
        required.push(name.to_owned());
        required.sort_unstable();
    }
    let description =
        format!("The envelope: CloudEvents 1.0 in binary mode, in headers of {}.", title(broker));
    json!({"type": "object", "description": description, "properties": properties, "required": required})
}

/// Those of one event: what all have, and more exactly.
pub(super) fn of_kind(brokers: &[Broker], kind: &str, is_request: bool) -> Option<Value> {
    // Kafka and Pulsar have the same, and so on: each way of spelling stands once.
    let one = |broker: Broker| {
        let mut properties = Map::new();
        properties.insert(header(broker, "type"), json!({"type": "string", "const": kind}));
        if is_request {
            for (name, description) in REQUEST {
                properties.insert(name.to_owned(), json!({"type": "string", "description": description}));
            }
        }
        let mut schema = json!({"type": "object", "properties": properties});
        if is_request {
            schema["required"] = json!(REQUEST.map(|(name, _)| name));
        }
        json!({"allOf": [{"$ref": format!("#/components/schemas/{}", name(broker))}, schema]})
    };
    match brokers {
        [] => None,
        [only] => Some(one(*only)),
        several => Some(json!({"anyOf": several.iter().map(|broker| one(*broker)).collect::<Vec<_>>()})),
    }
}

/// What a request has beside, sorted.
const REQUEST: [(&str, &str); 3] = [
    ("typebus-call", "Which call it is; the reply repeats it."),
    ("typebus-reply-to", "The topic of the reply."),
    ("typebus-time-to-live", "For how many milliseconds somebody waits."),
];

const fn title(broker: Broker) -> &'static str {
    match broker {
        Broker::Kafka => "Kafka",
        Broker::RabbitMq => "RabbitMQ",
        Broker::Nats => "NATS",
        Broker::Pulsar => "Pulsar (its properties)",
    }
}
