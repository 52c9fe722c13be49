//! `typebus schema`.

use std::{collections::BTreeSet, fs};

use jsonschema::draft202012;
use serde_json::{Value, json};
use typebus::manifest::Manifest;

use crate::call::{SAMPLES, all_manifests, golden, home, typebus};

#[test]
fn every_event_has_one_by_its_name_and_version() {
    let ended = typebus(&["schema", SAMPLES]);
    assert_eq!(ended.err, "note: label.printed.v1 is application/protobuf: it has no JSON Schema\n");
    golden("schema.json", &ended.fine());
}

#[test]
fn one_alone_is_printed_as_it_is() {
    let newest = typebus(&["schema", SAMPLES, "--event", "order.placed"]).fine();
    assert_eq!(newest, typebus(&["schema", SAMPLES, "--event", "order.placed.v2"]).fine());
    let schema: Value = newest.parse().unwrap();
    assert_eq!(schema["$id"], "urn:typebus:order.placed.v2");
    let said = typebus(&["schema", SAMPLES, "--event", "order.plaecd.v2"]).refused(2);
    assert!(said.contains("no event is `order.plaecd.v2`; did you mean `order.placed.v2`?"), "{said}");
    let said = typebus(&["schema", SAMPLES, "--event", "label.printed"]).refused(2);
    assert_eq!(said, "error: label.printed.v1 has no JSON Schema: its payload is application/protobuf\n");
}

#[test]
fn a_folder_gets_a_file_for_each() {
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("schemas");
    let into = into.to_str().unwrap();
    let said =
        typebus(&["schema", SAMPLES, "-o", into, "--base-url", "https://schemas.example/shop/"]).fine();
    assert_eq!(said, format!("8 schemas written to {into}\n"));
    let names: BTreeSet<_> =
        fs::read_dir(into).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    let expected = [
        "category.moved.v1.json",
        "order.placed.v1.json",
        "order.placed.v2.json",
        "parcel.sent.v1.json",
        "payment.captured.v1.json",
        "payment.failed.v1.json",
        "shipping.quote.v1.json",
        "shipping.quote.v1.reply.json",
    ];
    assert_eq!(names, expected.map(str::to_owned).into());
    let written: Value = fs::read_to_string(format!("{into}/order.placed.v2.json")).unwrap().parse().unwrap();
    assert_eq!(written["$id"], "https://schemas.example/shop/order.placed.v2.json");
}

#[test]
fn somebody_elses_validator_takes_each_and_its_examples() {
    let examples = home().join("../examples");
    let samples = home().join(SAMPLES);
    let (mut schemas, mut tried) = (0, 0);
    for place in [&samples, &examples.join("webhooks"), &examples.join("axum"), &examples.join("outbox")] {
        let printed: Value = typebus(&["schema", place.to_str().unwrap()]).fine().parse().unwrap();
        for (name, schema) in printed.as_object().unwrap() {
            assert!(draft202012::meta::is_valid(schema), "{name}");
            let validator = draft202012::new(schema).unwrap_or_else(|error| panic!("{name}: {error}"));
            for example in schema["examples"].as_array().into_iter().flatten() {
                validator.validate(example).unwrap_or_else(|error| panic!("{name}: {error}"));
                tried += 1;
            }
            schemas += 1;
        }
    }
    // So many are there; a walk that finds none shows nothing.
    assert!(schemas > 20 && tried >= 5, "{schemas} schemas, {tried} examples");
}

#[test]
fn manifests_are_what_their_own_schema_says() {
    let schema: Value = typebus(&["schema", "--manifest"]).fine().parse().unwrap();
    assert!(draft202012::meta::is_valid(&schema));
    let validator = draft202012::new(&schema).unwrap();
    let files = all_manifests();
    assert!(files.len() >= 10, "{files:?}");
    for file in files {
        let manifest: Value = fs::read_to_string(&file).unwrap().parse().unwrap();
        let wrong: Vec<_> = validator.iter_errors(&manifest).map(|error| error.to_string()).collect();
        assert!(wrong.is_empty(), "{}: {wrong:#?}", file.display());
    }
}

#[test]
fn what_is_no_manifest_is_refused_by_schema_and_reader_alike() {
    let schema: Value = typebus(&["schema", "--manifest"]).fine().parse().unwrap();
    let validator = draft202012::new(&schema).unwrap();
    let good: Value =
        fs::read_to_string(home().join("tests/manifests/billing.json")).unwrap().parse().unwrap();
    let event = "/events/order.placed.v2";
    for (place, value) in [
        ("/manifest".to_owned(), json!(2)),
        ("/manifest".to_owned(), Value::Null),
        ("/service".to_owned(), json!(7)),
        ("/extra".to_owned(), json!("x")),
        ("/publishes".to_owned(), json!([7])),
        ("/publishes".to_owned(), json!("order.placed.v2")),
        ("/events".to_owned(), json!([])),
        (format!("{event}/version"), json!(0)),
        (format!("{event}/version"), json!(70_000)),
        (format!("{event}/version"), json!("2")),
        (format!("{event}/name"), json!(["order.placed"])),
        (format!("{event}/topik"), json!("shop.orders")),
        (format!("{event}/reply"), json!({"name": "Quote"})),
        ("/handlers/charge/order".to_owned(), json!("keys")),
        ("/handlers/charge/start".to_owned(), json!("now")),
        ("/handlers/charge/delivery".to_owned(), json!("twice")),
        ("/handlers/charge/group".to_owned(), json!(1)),
        ("/handlers/charge/broadcast".to_owned(), json!("yes")),
        ("/handlers/charge/policy".to_owned(), json!([])),
        ("/handlers/charge/retries".to_owned(), json!(3)),
    ] {
        let mut wrong = good.clone();
        let (parent, name) = place.rsplit_once('/').unwrap();
        wrong.pointer_mut(parent).unwrap()[name] = value;
        assert!(!validator.is_valid(&wrong), "the schema takes {place}");
        assert!(Manifest::from_value(&wrong).is_err(), "the reader takes {place}");
    }
    assert!(validator.is_valid(&good) && Manifest::from_value(&good).is_ok());
}
