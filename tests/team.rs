//! What a team is told: nothing while all is well, and of a mistake one error, at the token that is wrong.
//!
//! `tests/ui` has every message to the letter, each in a program of one file. Here the events, each service and the
//! system are crates of their own, and an editor must still underline the right token, in the right one of them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod workspace;

use std::fmt::Write as _;

use workspace::{Checked, Place, Workspace};

/// An edit that somebody makes, and what comes of it.
struct Mistake {
    name: &'static str,
    /// Which file it is in, what stands there once, and what then stands there instead.
    file: &'static str,
    old: &'static str,
    new: &'static str,
    /// What the message says: the things that disagree, each with its topic, and what to do.
    words: &'static [&'static str],
    code: &'static str,
    /// Where the message is, and what is underlined there.
    at: &'static str,
    token: &'static str,
}

const MISTAKES: [Mistake; 9] = [
    Mistake {
        name: "a mistyped topic",
        file: "billing/src/handlers.rs",
        old: r#"topic = "shop.orders""#,
        new: r#"topic = "shop.order""#,
        words: &[r#""charge" listens to "shop.order","#, r#"OrderPlaced is published on "shop.orders""#],
        code: "E0080",
        at: "billing/src/handlers.rs",
        token: r#""shop.order""#,
    },
    Mistake {
        name: "an event of another topic than the handler listens to",
        file: "storefront/src/handlers.rs",
        old: "payment: PaymentCaptured",
        new: "payment: contracts::OrderPlaced",
        words: &[r#""confirm" listens to "shop.payments","#, r#"OrderPlaced is published on "shop.orders""#],
        code: "E0080",
        at: "storefront/src/handlers.rs",
        token: r#""shop.payments""#,
    },
    Mistake {
        name: "a forgotten handler",
        file: "billing/src/lib.rs",
        old: "[handlers::charge, handlers::refund]",
        new: "[handlers::charge]",
        words: &["function `refund` is never used"],
        code: "dead_code",
        at: "billing/src/handlers.rs",
        token: "refund",
    },
    Mistake {
        name: "an event that nobody handles",
        file: "shop/src/lib.rs",
        old: "to_outside: [contracts::PaymentRefunded];",
        new: "",
        words: &[
            r#""billing" publishes PaymentRefunded ("shop.refunds")"#,
            "nobody in Shop handles",
            "`to_outside: [..]`",
        ],
        code: "E0080",
        at: "shop/src/lib.rs",
        token: "Billing",
    },
    Mistake {
        name: "two handlers of one event",
        file: "billing/src/handlers.rs",
        old: "order: OrderCancelled",
        new: "order: OrderPlaced",
        words: &[
            r#""charge" and "refund" both take OrderPlaced ("shop.orders") in group "billing""#,
            "give one a `group` of its own",
        ],
        code: "E0080",
        at: "billing/src/lib.rs",
        token: "refund",
    },
    Mistake {
        name: "a cycle through two services",
        file: "storefront/src/handlers.rs",
        old: "orders: State<Orders>)",
        new: "orders: State<Orders>, _: Publisher<contracts::OrderPlaced>)",
        words: &[
            r#"OrderPlaced ("shop.orders")"#,
            r#"PaymentCaptured ("shop.payments")"#,
            "`may_repeat: [OrderPlaced]`",
        ],
        code: "E0080",
        at: "shop/src/lib.rs",
        token: "Shop",
    },
    Mistake {
        name: "an event that is published and not listed",
        file: "storefront/src/lib.rs",
        old: "publishes: [OrderPlaced, OrderCancelled]",
        new: "publishes: [OrderPlaced]",
        words: &["service `Storefront` does not publish `OrderCancelled`"],
        code: "E0277",
        at: "storefront/src/checkout.rs",
        token: "&cancelled",
    },
    // The team's typebus is built without features, that of `tests/ui` with these.
    Mistake {
        name: "a format whose feature is off",
        file: "contracts/src/lib.rs",
        old: r#"topic = "shop.refunds""#,
        new: r#"topic = "shop.refunds", format = "msgpack""#,
        words: &[r#"the format "msgpack" is not in this build of typebus"#],
        code: "E0277",
        at: "contracts/src/lib.rs",
        token: r#""msgpack""#,
    },
    Mistake {
        name: "another format whose feature is off",
        file: "contracts/src/lib.rs",
        old: r#"topic = "shop.refunds", name = "payment.refunded""#,
        new: r#"topic = "shop.refunds", name = "payment.refunded", format = "cbor""#,
        words: &[r#"the format "cbor" is not in this build of typebus"#],
        code: "E0277",
        at: "contracts/src/lib.rs",
        token: r#""cbor""#,
    },
];

#[test]
fn a_team_is_told_each_mistake_by_one_error_at_its_token_and_nothing_else() {
    let workspace = Workspace::copy("team");
    let whole = workspace.check();
    assert!(whole.succeeded && whole.messages.is_empty(), "without a mistake:\n{}", whole.rendered());
    let mut wrong = String::new();
    for mistake in &MISTAKES {
        let checked = workspace.check_with(mistake.file, mistake.old, mistake.new);
        if !mistake.is_told(&checked) {
            let Mistake { name, words, code, at, token, .. } = mistake;
            let places: Vec<_> = checked.messages.iter().map(|message| &message.places).collect();
            writeln!(wrong, "{name}: expected one {code} at {token} in {at}, with {words:?}").unwrap();
            writeln!(wrong, "got, at {places:?}:\n{}", checked.rendered()).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

impl Mistake {
    /// Whether it is the only error. A warning beside it is right: the edit may have made an import needless.
    fn is_told(&self, checked: &Checked) -> bool {
        let errors: Vec<_> = checked.messages.iter().filter(|message| message.is_error).collect();
        let [error] = errors[..] else { return false };
        !checked.succeeded
            && error.code.as_deref() == Some(self.code)
            && self.words.iter().all(|words| error.text.contains(words))
            && error.places == [Place { file: self.at.to_owned(), token: self.token.to_owned() }]
    }
}

#[test]
fn a_contract_is_kept_beside_the_code() {
    const KEPT: &str = "billing/typebus/billing.json";
    const EVENTS: &str = "contracts/src/lib.rs";
    let workspace = Workspace::copy("kept");
    let expect = |bless: &str, succeeds: bool, words: &[&str]| {
        let tested = workspace.test("billing", bless);
        let said = words.iter().all(|words| tested.printed.contains(words));
        assert!(
            tested.succeeded == succeeds && said,
            "TYPEBUS_BLESS={bless}, {words:?}:\n{}",
            tested.printed
        );
    };
    expect(
        "",
        false,
        &["the service `billing` has no manifest yet: `TYPEBUS_BLESS=1 cargo test` writes", KEPT],
    );
    expect("1", true, &[KEPT, "is written"]);
    expect("", true, &["test result: ok. 1 passed"]);
    let first = workspace.read(KEPT);
    assert!(first.contains("\"description\": \"A customer placed an order.\""), "{first}");

    // A field that may be absent harms nobody.
    workspace.edit(EVENTS, "pub total_cents: u64,", "pub total_cents: u64,\n    pub note: Option<String>,");
    expect("", false, &["+           \"note\": {", "`TYPEBUS_BLESS=1 cargo test` rewrites it"]);
    expect("1", true, &["is written"]);
    let second = workspace.read(KEPT);
    assert_ne!(first, second);

    // A field of another name breaks whoever has the old messages, and whoever reads the new ones by the old type.
    workspace.edit(
        EVENTS,
        "pub total_cents: u64,",
        "#[serde(rename = \"cents\")]\n    pub total_cents: u64,",
    );
    let refused = [
        "older messages or older readers would not survive this",
        "order.placed.v1",
        "total_cents",
        "`version`",
    ];
    expect("", false, &refused);
    expect("1", false, &refused);
    assert_eq!(workspace.read(KEPT), second, "what is refused is not written");
    expect("breaking", true, &["is written", "total_cents"]);
    expect("", true, &["test result: ok. 1 passed"]);
}
