//! `typebus asyncapi`. The step `contracts` of `cargo xtask test` has the official parser read what it writes.

use std::fs;

use serde_json::{Value, json};

use crate::call::{SAMPLES, golden, typebus};

const KAFKA: &str = "kafkas://shop:hunter2@one.example,two.example:9094?sasl=scram-sha-512";

fn document(args: &[&str]) -> Value {
    typebus(&[&["asyncapi"], args].concat()).fine().parse().unwrap()
}

#[test]
fn the_samples_are_what_they_always_are() {
    golden("asyncapi.json", &typebus(&["asyncapi", SAMPLES]).fine());
    golden(
        "asyncapi.kafka.yaml",
        &typebus(&["asyncapi", SAMPLES, "--server", KAFKA, "--format", "yaml"]).fine(),
    );
    for (broker, url) in [
        ("rabbitmq", "amqp://shop:hunter2@rabbit.example/shop?exchange=facts"),
        ("nats", "tls://nats.example?token=hunter2"),
        ("pulsar", "pulsar://pulsar.example/shop/orders"),
    ] {
        let printed =
            typebus(&["asyncapi", &format!("{SAMPLES}/shipping.json"), "--server", url, "--format", "yaml"]);
        golden(&format!("asyncapi.{broker}.yaml"), &printed.fine());
    }
}

#[test]
fn no_secret_is_written() {
    for format in ["json", "yaml"] {
        for url in
            [KAFKA, "amqp://hunter2:hunter2@host/", "nats://host?nkey=hunter2", "pulsar://hunter2@host"]
        {
            let printed = typebus(&["asyncapi", SAMPLES, "--server", url, "--format", format]).fine();
            assert!(!printed.contains("hunter2"), "{url}");
        }
    }
    let said = typebus(&["asyncapi", SAMPLES, "--server", "redis://me:hunter2@host"]).refused(2);
    assert!(said.contains("`--server` is no URL of a broker") && !said.contains("hunter2"), "{said}");
}

#[test]
fn a_request_has_its_reply_on_both_sides() {
    let document = document(&[SAMPLES]);
    let operations = &document["operations"];
    for (name, action) in
        [("storefront.request.shipping.quote.v1", "send"), ("shipping.receive.quote", "receive")]
    {
        let operation = &operations[name];
        assert_eq!(operation["action"], action);
        assert_eq!(operation["reply"]["address"]["location"], "$message.header#/typebus-reply-to");
        assert_eq!(
            operation["reply"]["messages"],
            json!([{"$ref": "#/channels/shipping.quote.v1.reply/messages/shipping.quote.v1.reply"}])
        );
    }
    assert_eq!(document["channels"]["shipping.quote.v1.reply"]["address"], Value::Null);
}

#[test]
fn what_a_handler_receives_has_the_older_versions_too() {
    let messages = document(&[SAMPLES])["operations"]["billing.receive.charge"]["messages"].clone();
    let refs: Vec<_> =
        messages.as_array().unwrap().iter().map(|message| message["$ref"].as_str().unwrap()).collect();
    let at = "#/channels/shop.orders/messages";
    assert_eq!(refs, [format!("{at}/order.placed.v1"), format!("{at}/order.placed.v2")]);
}

#[test]
fn every_reference_leads_somewhere() {
    for (place, servers) in
        [(SAMPLES, vec![]), ("../examples/webhooks", vec!["--server", KAFKA, "--server", "nats://host"])]
    {
        let document = document(&[&[place], &servers[..]].concat());
        let mut references = Vec::new();
        find(&document, &mut references);
        assert!(references.len() > 30, "{references:?}");
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }
}

fn find(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            references.extend(fields.get("$ref").and_then(Value::as_str).map(str::to_owned));
            fields.values().for_each(|value| find(value, references));
        }
        Value::Array(values) => values.iter().for_each(|value| find(value, references)),
        _ => {}
    }
}

#[test]
fn title_version_and_file_are_as_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("deep/shop.json");
    let printed = typebus(&[
        "asyncapi",
        SAMPLES,
        "--title",
        "The shop",
        "--version",
        "2.3.4",
        "-o",
        file.to_str().unwrap(),
    ]);
    assert_eq!(printed.fine(), "");
    let written: Value = fs::read_to_string(file).unwrap().parse().unwrap();
    assert_eq!(
        (&written["info"]["title"], &written["info"]["version"]),
        (&json!("The shop"), &json!("2.3.4"))
    );
    assert_eq!(document(&[SAMPLES])["info"]["title"], "billing, shipping and storefront");
}

#[test]
fn a_pattern_of_which_no_topic_is_known_is_a_channel_without_an_address() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("archive.json");
    fs::write(
        &file,
        r#"{"manifest": 1, "service": "archive", "handlers": {"keep": {"group": "archive",
        "topics": ["shop.>"], "order": "none", "delivery": "at_least_once", "dead_letter": "discard"}}}"#,
    )
    .unwrap();
    let document = document(&[file.to_str().unwrap()]);
    assert_eq!(document["channels"]["shop.all"]["x-typebus-pattern"], "shop.>");
    assert_eq!(document["operations"]["archive.receive.keep"]["channel"]["$ref"], "#/channels/shop.all");
}
