//! `typebus check`.

use serde_json::Value;

use crate::call::{SAMPLES, golden, typebus};

const FITS: [&str; 10] = [
    "check",
    SAMPLES,
    "--to-outside",
    "parcel.sent",
    "--to-outside",
    "label.printed.v1",
    "--to-outside",
    "category.moved",
    "--may-repeat",
    "category.moved",
];

#[test]
fn what_is_wrong_is_told_with_what_to_do() {
    let ended = typebus(&["check", SAMPLES]);
    assert_eq!((ended.code, ended.err.as_str()), (1, ""));
    golden("check.txt", &ended.out);
    let ended = typebus(&["check", SAMPLES, "--format", "json"]);
    assert_eq!(ended.code, 1);
    golden("check.json", &ended.out);
    let printed: Value = ended.out.parse().unwrap();
    assert_eq!(printed["services"].as_array().unwrap().len(), 3);
    assert!(printed["findings"][0]["rule"].is_string(), "{printed}");
}

#[test]
fn what_others_handle_is_no_finding() {
    assert_eq!(typebus(&FITS).fine(), "3 services and 8 events fit together\n");
}

#[test]
fn the_examples_fit_together() {
    let printed = typebus(&["check", "../examples/webhooks", "--to-outside", "triage.review_wanted"]);
    assert!(printed.out.contains("fit together"), "{printed:#?}");
}

#[test]
fn an_event_that_nobody_knows_is_refused() {
    let refused = typebus(&["check", SAMPLES, "--from-outside", "order.plaecd"]).refused(2);
    assert!(refused.contains("no event is `order.plaecd`; did you mean `order.placed"), "{refused}");
}
