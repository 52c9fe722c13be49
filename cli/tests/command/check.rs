//! `typebus check`.

use std::fs;

use serde_json::Value;

use crate::call::{SAMPLES, changed, golden, typebus};

/// Billing in the group of another service, with a type of its own, on another topic, and nobody who ships.
fn wrong() -> tempfile::TempDir {
    let folder = changed(|text| {
        let text = text.replace("\"group\": \"billing\"", "\"group\": \"shipping\"");
        let text = text.replace("\"topic\": \"shop.payments\"", "\"topic\": \"shop_payments\"");
        text.replace("\"maxLength\": 3", "\"maxLength\": 2").replace("\"minLength\": 3", "\"minLength\": 2")
    });
    fs::remove_file(folder.path().join("shipping.json")).unwrap();
    folder
}

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let folder = wrong();
    let path = folder.path().to_str().unwrap();
    let ended = typebus(&["check", path]);
    assert_eq!((ended.code, ended.err.as_str()), (1, ""));
    golden("check.txt", &ended.out);
    let ended = typebus(&["check", path, "--format", "json"]);
    assert_eq!(ended.code, 1);
    golden("check.json", &ended.out);
    let printed: Value = ended.out.parse().unwrap();
    assert_eq!(printed["services"].as_array().unwrap().len(), 2);
    assert!(printed["findings"][0]["rule"].is_string(), "{printed}");
}

#[test]
fn services_that_fit_are_said_to() {
    assert_eq!(typebus(&["check", SAMPLES]).fine(), "3 services and 8 events fit together\n");
}

#[test]
fn what_others_handle_is_no_finding() {
    let alone = format!("{SAMPLES}/storefront.json");
    let beyond =
        ["--from-outside", "payment.captured", "--from-outside", "payment.failed.v1", "--to-outside"];
    let args = [&["check", alone.as_str()], &beyond[..], &["order.placed", "--to-outside", "shipping.quote"]]
        .concat();
    assert_eq!(typebus(&args).fine(), "1 service and 6 events fit together\n");
}

#[test]
fn the_examples_fit_together() {
    for example in ["webhooks", "axum", "outbox"] {
        let printed = typebus(&["check", &format!("../examples/{example}")]);
        assert!(printed.out.contains("fit together"), "{example}: {printed:#?}");
    }
}

#[test]
fn an_event_that_nobody_knows_is_refused() {
    let refused = typebus(&["check", SAMPLES, "--from-outside", "order.plaecd"]).refused(2);
    assert!(refused.contains("no event is `order.plaecd`; did you mean `order.placed"), "{refused}");
}
