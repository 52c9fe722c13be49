//! What the page looks like, on large and small screens, light and dark, and on paper.

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};

use crate::{Chromium, Page, sample};

const SEEN: [(u32, u32, &str); 4] =
    [(1280, 900, "light"), (1280, 900, "dark"), (390, 844, "light"), (390, 844, "dark")];

const OPEN_ALL: &str = "document.querySelectorAll('details').forEach((details) => { details.open = true; })";

/// The smallest contrast of any text that is seen, and where: as WCAG computes it.
const CONTRAST: &str = r#"(() => {
    const parts = (color) => {
        const found = color.match(/^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/);
        if (!found) throw new Error(`${color} is another kind of colour`);
        return found.slice(1).map((part) => part === undefined ? 1 : Number(part));
    };
    const luminance = ([red, green, blue]) => {
        const [r, g, b] = [red, green, blue].map((part) => {
            const share = part / 255;
            return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
        for (let part = element; part; part = part.parentElement) {
            const color = parts(getComputedStyle(part).backgroundColor);
            if (color[3] === 1) return color;
            if (color[3] !== 0) throw new Error("a background that shines through");
        }
        throw new Error("nothing is behind");
    };
    let least = { contrast: 99, texts: 0 };
    for (const element of document.body.querySelectorAll("*")) {
        const isText = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
        if (!isText || !element.checkVisibility() || element.closest("svg")) continue;
        const [one, other] = [luminance(parts(getComputedStyle(element).color)), luminance(behind(element))];
        const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
        const texts = least.texts + 1;
        if (contrast < least.contrast) least = { contrast, what: `${element.outerHTML.slice(0, 200)}` };
        least.texts = texts;
    }
    return least;
})()"#;

#[test]
fn nothing_is_wrong_and_nothing_is_loaded() {
    let page = Page::of("cli/tests/manifests");
    let mut chromium = Chromium::start();
    for (width, height, scheme) in SEEN {
        chromium.see(width, height, scheme);
        chromium.open(&page.path(), "");
        chromium.run(OPEN_ALL);
        for method in ["Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded"] {
            assert_eq!(chromium.told(method), [&Value::Null; 0]);
        }
        let asked = chromium.told("Network.requestWillBeSent");
        let asked = asked.into_iter().filter_map(|request| request["request"]["url"].as_str());
        let asked: BTreeSet<_> = asked.filter(|url| !url.starts_with("data:")).collect();
        assert_eq!(asked, BTreeSet::from([format!("file://{}", page.path().display()).as_str()]));
    }
}

#[test]
fn what_is_not_its_own_is_refused() {
    let (mut chromium, _page) = sample();
    for script in [
        "document.head.append(Object.assign(document.createElement('script'), { textContent: 'window.hurt = 1' }))",
        "document.body.append(Object.assign(document.createElement('img'), { src: 'http://127.0.0.1:9/x.png' }))",
        "document.body.append(Object.assign(document.createElement('iframe'), { src: 'http://127.0.0.1:9/' }))",
        "fetch('http://127.0.0.1:9/').catch(() => {})",
    ] {
        chromium.run(&format!("try {{ {script} }} catch {{ }}"));
    }
    chromium.run("new Promise(requestAnimationFrame)");
    assert_eq!(chromium.run("'hurt' in window"), json!(false));
    for asked in chromium.told("Network.responseReceived") {
        assert!(asked["response"]["url"].as_str().is_some_and(|url| !url.starts_with("http")), "{asked}");
    }
    let refused = chromium.told("Log.entryAdded");
    assert!(refused.len() >= 3, "{refused:?}");
}

#[test]
fn it_fits_every_screen() {
    for manifests in ["cli/tests/manifests", "examples/webhooks/typebus"] {
        let page = Page::of(manifests);
        let mut chromium = Chromium::start();
        for width in [1280, 900, 640, 390, 320] {
            chromium.see(width, 900, "light");
            chromium.open(&page.path(), "");
            for what in [
                "1",
                OPEN_ALL,
                "document.querySelectorAll('button.more').forEach((button) => button.click())",
            ] {
                chromium.run(what);
                let too_wide = chromium.run(
                    "document.documentElement.scrollWidth <= innerWidth ? null : [...document.querySelectorAll('main *')]
                        .filter((element) => element.getBoundingClientRect().right > innerWidth)
                        .map((element) => element.outerHTML.slice(0, 120)).slice(0, 5)",
                );
                assert_eq!(too_wide, Value::Null, "{manifests} at {width} after {what}");
            }
        }
    }
}

#[test]
fn every_text_can_be_read() {
    let (mut chromium, page) = sample();
    for (width, height, scheme) in SEEN {
        chromium.see(width, height, scheme);
        chromium.open(&page.path(), "");
        chromium.run(OPEN_ALL);
        let least = chromium.run(CONTRAST);
        assert!(least["texts"].as_u64().is_some_and(|texts| texts > 300), "{least}");
        assert!(least["contrast"].as_f64().is_some_and(|contrast| contrast >= 4.5), "{scheme}: {least}");
        let is_dark = chromium.run("getComputedStyle(document.body).color")
            == chromium.run("getComputedStyle(document.documentElement).color")
            && chromium.run("getComputedStyle(document.documentElement).backgroundColor")
                != json!("rgb(246, 245, 242)");
        assert_eq!(is_dark, scheme == "dark");
    }
}

#[test]
fn paper_shows_what_is_folded() {
    let (mut chromium, _page) = sample();
    let closed = chromium.print().len();
    chromium.run(OPEN_ALL);
    let open = chromium.print().len();
    assert!(closed * 10 > open * 9, "{closed} bytes folded, {open} unfolded");
}

#[test]
fn pictures() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("screenshots");
    fs::create_dir_all(&folder).unwrap();
    let mut chromium = Chromium::start();
    for (name, manifests) in [("sample", "cli/tests/manifests"), ("webhooks", "examples/webhooks/typebus")] {
        let page = Page::of(manifests);
        for (width, height, scheme) in SEEN {
            chromium.see(width, height, scheme);
            for (part, fragment) in [("top", ""), ("event", event(name)), ("types", "#types")] {
                chromium.open(&page.path(), fragment);
                fs::write(folder.join(format!("{name}-{width}-{scheme}-{part}.png")), chromium.picture())
                    .unwrap();
            }
        }
    }
    println!("the pictures are in {}", folder.display());
    if let Some(folder) = std::env::var_os("TYPEBUS_PICTURES") {
        // Tests run in their package's folder, and people in the workspace's.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
        let page = Page::of("examples/webhooks/typebus");
        chromium.see(1180, 1160, "light");
        chromium.open(&page.path(), event("webhooks"));
        chromium.run("document.querySelector('.event:target button.more[aria-label*=Priority]').click()");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("page.png"), chromium.picture()).unwrap();
    }
}

fn event(manifests: &str) -> &'static str {
    if manifests == "sample" { "#order.placed.v2" } else { "#triage.decided.v1" }
}
