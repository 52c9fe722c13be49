//! What a reader does: search, follow links, unfold, copy, choose light or dark.

use serde_json::{Value, json};

use crate::{Chromium, sample};

/// Ids of what is shown of one kind.
fn shown(chromium: &mut Chromium, what: &str) -> Vec<String> {
    let ids = chromium.run(&format!(
        "[...document.querySelectorAll('[data-what={what}]')]
            .filter((entry) => entry.checkVisibility()).map((entry) => entry.id)"
    ));
    ids.as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect()
}

fn text(chromium: &mut Chromium, selector: &str) -> String {
    let text = chromium.run(&format!("document.querySelector('{selector}').innerText"));
    text.as_str().unwrap().to_owned()
}

fn focused(chromium: &mut Chromium) -> Value {
    chromium.run("document.activeElement.id || document.activeElement.localName")
}

#[test]
fn a_search_finds_an_event_by_its_field() {
    let (mut chromium, _page) = sample();
    let all = shown(&mut chromium, "event").len();
    assert_eq!(all, 8);
    chromium.press("/");
    assert_eq!(focused(&mut chromium), "search");
    // `currency` is a field of a type of it.
    chromium.write("currenc");
    assert_eq!(shown(&mut chromium, "event"), ["order.placed.v2"]);
    assert_eq!(shown(&mut chromium, "service"), [""; 0]);
    assert_eq!(shown(&mut chromium, "type"), ["type:Money"]);
    assert_eq!(text(&mut chromium, "#found"), "Found 1 event, 1 type");
    let named = "[...document.querySelectorAll('nav li')]
        .filter((item) => item.checkVisibility()).map((item) => item.innerText)";
    assert_eq!(chromium.run(named), json!(["order.placed.v2", "Money"]));
    // Where little is found it is open, and what was found is marked.
    assert_eq!(
        chromium.run("document.getElementById('order.placed.v2').firstElementChild.open"),
        json!(true)
    );
    assert!(chromium.run("CSS.highlights.get('found').size").as_u64() >= Some(1));
    chromium.press("Enter");
    assert_eq!(chromium.run("document.activeElement.closest('article').id"), "order.placed.v2");

    chromium.press("/");
    chromium.press("Escape");
    assert_eq!(shown(&mut chromium, "event").len(), all);
    assert_eq!(text(&mut chromium, "#found"), "");
    assert_eq!(focused(&mut chromium), "search");
    chromium.press("Escape");
    assert_eq!(focused(&mut chromium), "body");
}

#[test]
fn all_words_count_and_whatever_has_a_name_is_found() {
    let (mut chromium, _page) = sample();
    for (asked, what, expected) in [
        ("shop.payments captured", "event", ["payment.captured.v1"].as_slice()),
        ("CHARGE", "handler", &["handler:billing/charge"]),
        ("fraud", "event", &["payment.failed.v1"]),
        ("dead.archive", "topic", &["topic:dead.archive"]),
        ("storefront-cache", "topic", &["topic:catalogue.%7Bregion%7D.moves"]),
        // A service is found with all of its handlers.
        ("customers look", "handler", &["handler:storefront/refresh", "handler:storefront/tell"]),
    ] {
        chromium.press("/");
        chromium.write(asked);
        assert_eq!(shown(&mut chromium, what), expected, "{asked}");
        // Once for what is written there, and once for the focus.
        chromium.press("Escape");
        chromium.press("Escape");
    }
}

#[test]
fn where_nothing_is_found_the_page_says_what_to_do() {
    let (mut chromium, _page) = sample();
    chromium.press("/");
    chromium.write("order zebra");
    assert_eq!(shown(&mut chromium, "event"), [""; 0]);
    assert_eq!(text(&mut chromium, "#found"), "Nothing found");
    let help = text(&mut chromium, "#nothing");
    assert!(help.starts_with("Nothing here is called “order zebra”."), "{help}");
    assert_eq!(
        chromium
            .run("[...document.querySelectorAll('main > section')].some((part) => part.checkVisibility())"),
        json!(false)
    );
    chromium.run("document.getElementById('clear').click()");
    assert_eq!(shown(&mut chromium, "event").len(), 8);
    assert_eq!(chromium.run("document.getElementById('nothing').hidden"), json!(true));
}

#[test]
fn an_address_leads_to_its_event() {
    let (mut chromium, page) = sample();
    let open = "[...document.querySelectorAll('article > details[open]')].map((details) => details.parentElement.id)";
    assert_eq!(chromium.run(open), json!([]));
    let place = |id: &str| format!("Math.round(document.getElementById('{id}').getBoundingClientRect().top)");
    let is_seen = |chromium: &mut Chromium, id: &str| {
        chromium.until(&format!("{0} >= 0 && {0} < innerHeight / 2", place(id)), &json!(true));
    };
    chromium.open(&page.path(), "#order.placed.v2");
    assert_eq!(chromium.run(open), json!(["order.placed.v2"]));
    is_seen(&mut chromium, "order.placed.v2");
    // A link to what a search has hidden ends the search.
    chromium.press("/");
    chromium.write("currency");
    chromium.run(
        "document.querySelector('#order\\\\.placed\\\\.v2 a[href=\"#handler:billing/charge\"]').click()",
    );
    chromium.until("document.getElementById('handler:billing/charge').firstElementChild.open", &json!(true));
    is_seen(&mut chromium, "handler:billing/charge");
    assert_eq!(chromium.run("document.getElementById('search').value"), "");
    // Names that an address writes otherwise.
    chromium.open(&page.path(), "#topic:catalogue.%7Bregion%7D.moves");
    is_seen(&mut chromium, "topic:catalogue.%7Bregion%7D.moves");
    chromium.open(&page.path(), "#%E0%A4%A");
    assert_eq!(chromium.told("Runtime.exceptionThrown"), [&Value::Null; 0]);
}

#[test]
fn every_link_leads_somewhere_and_every_id_is_one() {
    let (mut chromium, _page) = sample();
    let lost = chromium.run(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map((link) => link.getAttribute('href').slice(1))
            .filter((id) => id !== '' && !document.getElementById(id))",
    );
    assert_eq!(lost, json!([]));
    let twice = chromium.run(
        "[...document.querySelectorAll('[id]')].map((element) => element.id)
            .filter((id, nth, ids) => ids.indexOf(id) !== nth)",
    );
    assert_eq!(twice, json!([]));
}

#[test]
fn light_and_dark_are_chosen_and_remembered() {
    let (mut chromium, page) = sample();
    let behind = "getComputedStyle(document.documentElement).backgroundColor";
    let light = chromium.run(behind);
    assert_eq!(text(&mut chromium, "#theme"), "Dark");
    chromium.run("document.getElementById('theme').click()");
    let dark = chromium.run(behind);
    assert_ne!(light, dark);
    assert_eq!(text(&mut chromium, "#theme"), "Light");
    chromium.open(&page.path(), "");
    assert_eq!(chromium.run(behind), dark);
    chromium.run("document.getElementById('theme').click()");
    assert_eq!(chromium.run(behind), light);
    // Also against what the system prefers.
    chromium.see(1280, 900, "dark");
    assert_eq!(chromium.run(behind), light);
}

#[test]
fn a_type_is_unfolded_where_it_is_named() {
    let (mut chromium, page) = sample();
    chromium.open(&page.path(), "#category.moved.v1");
    let rows = "document.querySelectorAll('#category\\\\.moved\\\\.v1 .expanded').length";
    let press_last =
        "[...document.querySelectorAll('#category\\\\.moved\\\\.v1 button.more')].at(-1).click()";
    // It is a tree, and has no end: each is one more.
    for depth in 1..=3 {
        chromium.run(press_last);
        assert_eq!(chromium.run(rows), depth);
    }
    chromium.run("document.querySelector('#category\\\\.moved\\\\.v1 button.more').click()");
    assert_eq!(chromium.run(rows), 0);
}

#[test]
fn an_example_is_copied_with_or_without_the_clipboard() {
    let (mut chromium, page) = sample();
    let by_hand = ["Copied", "Press Ctrl+C"].as_slice();
    for (clipboard, said) in [
        ("{ writeText: async (text) => { window.copied = text; } }", &["Copied"][..]),
        // It is not ours: the text is selected, and the older way is tried.
        ("{ writeText: async () => { throw new Error('no'); } }", by_hand),
        ("undefined", by_hand),
    ] {
        chromium.open(&page.path(), "#order.placed.v2");
        chromium.run(&format!("Object.defineProperty(navigator, 'clipboard', {{ value: {clipboard} }}); 0"));
        chromium.run("document.querySelector('#order\\\\.placed\\\\.v2 .copy').click()");
        let label = "document.querySelector('#order\\\\.placed\\\\.v2 .copy').textContent";
        chromium.until(&format!("{label} !== 'Copy'"), &json!(true));
        let label = chromium.run(label);
        assert!(said.iter().any(|said| label == *said), "{label}");
        let copied = chromium.run("window.copied ?? getSelection().toString()");
        let copied: Value = serde_json::from_str(copied.as_str().unwrap()).unwrap();
        assert_eq!(copied["lines"][0]["sku"], "A-1");
    }
    assert_eq!(chromium.told("Runtime.exceptionThrown"), [&Value::Null; 0]);
}

#[test]
fn without_a_script_nothing_is_lost() {
    let (mut chromium, page) = sample();
    chromium.call("Emulation.setScriptExecutionDisabled", json!({"value": true}));
    chromium.open(&page.path(), "");
    // Nothing that would do nothing is shown.
    assert_eq!(
        chromium.run(
            "[...document.querySelectorAll('input, button')].some((element) => element.checkVisibility())"
        ),
        json!(false)
    );
    assert_eq!(shown(&mut chromium, "event").len(), 8);
}

#[test]
fn the_keyboard_reaches_everything() {
    let (mut chromium, _page) = sample();
    chromium.press("Tab");
    assert_eq!(text(&mut chromium, ":focus"), "Skip to the contents");
    chromium.press("Enter");
    chromium.until("document.activeElement.id", &json!("main"));
    let outline = chromium.run(
        "document.querySelectorAll('h1').length === 1 && [...document.querySelectorAll('h1, h2, h3, h4, h5')]
            .map((heading) => Number(heading.localName[1]))
            .every((level, nth, levels) => nth === 0 || level <= levels[nth - 1] + 1)",
    );
    assert_eq!(outline, json!(true));
    for landmark in ["header", "nav[aria-label]", "main", "footer", "[role=search]", "[role=status]"] {
        assert_eq!(chromium.run(&format!("document.querySelectorAll('{landmark}').length")), 1, "{landmark}");
    }
    let unnamed = chromium.run(
        "[...document.querySelectorAll('button, input, a, summary')].filter((element) => element.checkVisibility())
            .filter((element) => !(element.innerText.trim() || element.ariaLabel))
            .map((element) => element.outerHTML)",
    );
    assert_eq!(unnamed, json!([]));
}
