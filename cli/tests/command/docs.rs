//! `typebus docs`. What the page looks like, and what its script does, is the matter of the tests in a browser.

use crate::call::{SAMPLES, golden, typebus};

#[test]
fn the_page_of_the_samples_is_what_it_always_is() {
    golden("page.html", &typebus(&["docs", SAMPLES]).fine());
}

#[test]
fn the_order_of_the_arguments_is_none_of_the_page() {
    let file = |service: &str| format!("{SAMPLES}/{service}.json");
    let (one, other, third) = (file("billing"), file("shipping"), file("storefront"));
    let page = typebus(&["docs", &third, &one, &other]).fine();
    assert!(page == typebus(&["docs", &one, &other, &third]).fine());
    assert!(page == typebus(&["docs", SAMPLES]).fine());
}

#[test]
fn a_file_gets_what_would_be_printed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/page.html");
    let file = file.to_str().unwrap();
    let title = ["--title", "Shop & <friends>"];
    assert_eq!(typebus(&["docs", SAMPLES, "-o", file, title[0], title[1]]).fine(), "");
    let page = std::fs::read_to_string(file).unwrap();
    assert!(page == typebus(&["docs", SAMPLES, title[0], title[1]]).fine());
    assert!(page.contains("<title>Shop &amp; &lt;friends&gt;</title>"));
}

#[test]
fn a_page_of_one_service_has_its_name() {
    let page = typebus(&["docs", &format!("{SAMPLES}/billing.json")]).fine();
    assert!(page.contains("<title>Events of billing</title>"));
    let said = typebus(&["docs", "nowhere.json"]).refused(3);
    assert!(said.contains("nowhere.json is not there"), "{said}");
}

#[test]
fn the_readmes_picture_of_the_graph_is_of_the_webhooks_as_they_are() {
    let picture = typebus(&["graph", "../examples/webhooks", "--format", "svg"]).fine();
    golden("../../../examples/webhooks/pictures/graph.svg", &picture);
}
