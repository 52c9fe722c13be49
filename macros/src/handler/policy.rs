//! The arguments of `#[handler]` that say how deliveries are run, retried and given up.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote};
use syn::LitStr;

use crate::{
    attr::{Arg, Args, Grammar},
    duration,
    errors::Errors,
    nearest::suggest,
    topic::{self, Use},
};

const RETRY: Grammar = Grammar {
    known: &[
        ("attempts", "attempts = 5"),
        ("backoff", "backoff = \"100ms..30s\""),
        ("jitter", "jitter = false"),
    ],
};

const BATCH: Grammar = Grammar { known: &[("max", "max = 100"), ("wait", "wait = \"20ms\"")] };

const BREAKER: Grammar = Grammar { known: &[("after", "after = 20")] };

/// What was said; the rest has its default in the runtime.
#[derive(Default)]
pub(super) struct PolicyDef {
    concurrency: Option<u16>,
    /// A variant of `Order`, as the others are of their enums.
    order: Option<&'static str>,
    attempts: Option<u32>,
    backoff: Option<(Duration, Duration)>,
    jitter: Option<bool>,
    timeout: Option<Timeout>,
    dead_letter: Option<DeadLetter>,
    batch_max: Option<u32>,
    batch_wait: Option<Duration>,
    start: Option<&'static str>,
    delivery: Option<&'static str>,
    unhandled: Option<&'static str>,
    broadcast: bool,
    unknown_version: Option<UnknownVersion>,
    breaker: Option<u32>,
    dedupe: Option<Duration>,
}

#[derive(Clone, Copy)]
enum UnknownVersion {
    Hold(Duration),
    DeadLetter,
}

enum Timeout {
    After(Duration),
    Never,
}

enum DeadLetter {
    Topic(LitStr),
    Discard,
}

impl PolicyDef {
    pub(super) fn read(args: &Args, errors: &mut Errors) -> Self {
        let mut policy = Self::default();
        policy.read_run(args, errors);
        policy.read_failure(args, errors);
        policy.read_rest(args, errors);
        contradictions(args, errors);
        policy
    }

    /// How deliveries come and run.
    fn read_run(&mut self, args: &Args, errors: &mut Errors) {
        let orders = [("key", "Key"), ("partition", "Partition"), ("none", "None")];
        let starts = [("earliest", "Earliest"), ("latest", "Latest")];
        self.concurrency = args.get("concurrency").and_then(|arg| arg.number(1..=u16::MAX, errors));
        self.order = args.get("order").and_then(|arg| arg.word(&orders, errors));
        self.start = args.get("start").and_then(|arg| arg.word(&starts, errors));
        self.timeout = args.get("timeout").and_then(|arg| match arg.is_words() {
            true => arg.word(&[("none", ())], errors).map(|()| Timeout::Never),
            false => arg.positive_duration(errors).map(Timeout::After),
        });
        if let Some(batch) = args.get("batch").and_then(|arg| arg.list(&BATCH, errors)) {
            self.batch_max = batch.get("max").and_then(|arg| arg.number(1..=u32::MAX, errors));
            self.batch_wait = batch.get("wait").and_then(|arg| arg.duration(errors));
        }
    }

    /// What becomes of what fails.
    fn read_failure(&mut self, args: &Args, errors: &mut Errors) {
        if let Some(retry) = args.get("retry").and_then(|arg| arg.list(&RETRY, errors)) {
            self.attempts = retry.get("attempts").and_then(|arg| arg.number(1..=u32::MAX, errors));
            self.backoff = retry.get("backoff").and_then(|arg| backoff(arg, errors));
            self.jitter = retry.get("jitter").and_then(|arg| arg.boolean(errors));
        }
        self.dead_letter = args.get("dead_letter").and_then(|arg| match arg.is_words() {
            true => arg.word(&[("discard", ())], errors).map(|()| DeadLetter::Discard),
            false => arg.checked(|topic| topic::check(topic, Use::DeadLetter), errors).map(DeadLetter::Topic),
        });
        let unhandled = [("skip", "Skip"), ("dead_letter", "DeadLetter"), ("stop", "Stop")];
        self.unhandled = args.get("unhandled").and_then(|arg| arg.word(&unhandled, errors));
    }

    /// What the whole subscription is like.
    fn read_rest(&mut self, args: &Args, errors: &mut Errors) {
        self.broadcast = args.get("broadcast").and_then(|arg| arg.bare(errors)).is_some();
        let deliveries = [
            ("at_least_once", "AtLeastOnce"),
            ("at_most_once", "AtMostOnce"),
            ("exactly_once", "ExactlyOnce"),
        ];
        self.delivery = args.get("delivery").and_then(|arg| arg.word(&deliveries, errors));
        self.dedupe = args.get("dedupe").and_then(|arg| arg.positive_duration(errors));
        self.unknown_version = args.get("unknown_version").and_then(|arg| unknown_version(arg, errors));
        self.breaker = args.get("breaker").and_then(|arg| breaker(arg, errors));
    }

    /// The whole policy; `None` where nothing was said.
    pub(super) fn expand(&self, p: &TokenStream) -> Option<TokenStream> {
        let fields = self.fields(p);
        (!fields.is_empty()).then(|| quote!(#p::Policy { #(#fields,)* ..#p::Policy::DEFAULT }))
    }

    fn fields(&self, p: &TokenStream) -> Vec<TokenStream> {
        let Self { concurrency, attempts, batch_max, breaker, .. } = self;
        let variant = |of: &str, name: &str| {
            let (of, name) = (format_ident!("{of}"), format_ident!("{name}"));
            quote!(#p::#of::#name)
        };
        let mut fields = Vec::new();
        let mut field = |name: &str, value: Option<TokenStream>| {
            let name = Ident::new(name, Span::call_site());
            fields.extend(value.map(|value| quote!(#name: #value)));
        };
        field("concurrency", concurrency.map(|number| quote!(#number)));
        field("order", self.order.map(|name| variant("Order", name)));
        // What is settled before it runs does not come again.
        let attempts = if self.delivery == Some("AtMostOnce") { Some(1) } else { *attempts };
        field("attempts", attempts.map(|number| quote!(#number)));
        field("backoff", self.expand_backoff(p));
        field("timeout", self.timeout.as_ref().map(|timeout| timeout.expand(p)));
        field("dead_letter", self.dead_letter.as_ref().map(|dead_letter| dead_letter.expand(p)));
        field("batch_max", batch_max.map(|number| quote!(#number)));
        field("batch_wait", self.batch_wait.map(|wait| duration::expand(wait, p)));
        let start = self.start.map(|name| variant("Start", name));
        field("start", start.map(|start| quote!(::core::option::Option::Some(#start))));
        field("delivery", self.delivery.map(|name| variant("Guarantee", name)));
        field("unhandled", self.unhandled.map(|name| variant("Unhandled", name)));
        field("broadcast", self.broadcast.then(|| quote!(true)));
        let some = |value: TokenStream| quote!(::core::option::Option::Some(#value));
        field("unknown_version", self.unknown_version.map(|unknown| unknown.expand(p)));
        field("breaker", breaker.map(|after| some(quote!(#after))));
        field("dedupe", self.dedupe.map(|window| some(duration::expand(window, p))));
        fields
    }

    fn expand_backoff(&self, p: &TokenStream) -> Option<TokenStream> {
        if self.backoff.is_none() && self.jitter.is_none() {
            return None;
        }
        let delays = self.backoff.map(|(min, max)| {
            let (min, max) = (duration::expand(min, p), duration::expand(max, p));
            quote!(min: #min, max: #max,)
        });
        let jitter = self.jitter.map(|jitter| quote!(jitter: #jitter,));
        // An update that updates nothing is a lint in the user's code.
        let rest = (delays.is_none() || jitter.is_none()).then(|| quote!(..#p::Policy::DEFAULT.backoff));
        Some(quote!(#p::Backoff { #delays #jitter #rest }))
    }
}

impl Timeout {
    fn expand(&self, p: &TokenStream) -> TokenStream {
        match self {
            Self::After(after) => {
                let after = duration::expand(*after, p);
                quote!(::core::option::Option::Some(#after))
            }
            Self::Never => quote!(::core::option::Option::None),
        }
    }
}

impl UnknownVersion {
    fn expand(self, p: &TokenStream) -> TokenStream {
        match self {
            Self::Hold(hold) => {
                let hold = duration::expand(hold, p);
                quote!(#p::UnknownVersion::Hold(#hold))
            }
            Self::DeadLetter => quote!(#p::UnknownVersion::DeadLetter),
        }
    }
}

impl DeadLetter {
    fn expand(&self, p: &TokenStream) -> TokenStream {
        match self {
            Self::Topic(topic) => quote!(#p::DeadLetterTo::Topic(#topic)),
            Self::Discard => quote!(#p::DeadLetterTo::Discard),
        }
    }
}

/// `backoff = "100ms..30s"`
fn backoff(arg: &Arg, errors: &mut Errors) -> Option<(Duration, Duration)> {
    let literal = arg.string(errors)?;
    let range = duration::parse_range(&literal.value()).and_then(|(min, max)| {
        let none = min
            .is_zero()
            .then(|| "a backoff of nothing would retry without a pause; begin with `1ms` or more".to_owned());
        none.map_or(Ok((min, max)), Err)
    });
    range.map_err(|message| errors.at(&literal, message)).ok()
}

/// `unknown_version = hold("15m")` or `= dead_letter`
fn unknown_version(arg: &Arg, errors: &mut Errors) -> Option<UnknownVersion> {
    if let Some(TokenTree::Ident(word)) = arg.value_tokens().into_iter().next().filter(|_| arg.is_words())
        && word != "hold"
        && word != "dead_letter"
    {
        let known = suggest(&word.to_string(), "word", ["hold", "dead_letter"]);
        errors.at(&word, format!("unknown word `{word}` for `unknown_version`; {known}"));
        return None;
    }
    let parser = |input: syn::parse::ParseStream<'_>| {
        let word: Ident = input.parse()?;
        if word == "dead_letter" {
            return Ok(None);
        }
        let content;
        syn::parenthesized!(content in input);
        let literal: LitStr = content.parse()?;
        if word != "hold" || !content.is_empty() {
            return Err(content.error("expected `hold`"));
        }
        Ok(Some(literal))
    };
    let Some(hold) = arg.parsed(parser, "`hold(..)` with a duration, or `dead_letter`", errors)? else {
        return Some(UnknownVersion::DeadLetter);
    };
    match duration::parse(&hold.value()) {
        Ok(duration) if duration.is_zero() => {
            errors.at(&hold, "to hold for no time is `unknown_version = dead_letter`");
        }
        Ok(duration) => return Some(UnknownVersion::Hold(duration)),
        Err(message) => errors.at(&hold, message),
    }
    None
}

/// `breaker(after = 20)`
fn breaker(arg: &Arg, errors: &mut Errors) -> Option<u32> {
    let args = arg.list(&BREAKER, errors)?;
    let Some(after) = args.get("after") else {
        // An argument that could not be read has its own message.
        if args.complete() {
            errors.at(
                &arg.key,
                "`breaker` needs the number of failures that open it, as in `breaker(after = 20)`",
            );
        }
        return None;
    };
    after.number(1..=u32::MAX, errors)
}

/// Arguments of which one makes the other meaningless.
fn contradictions(args: &Args, errors: &mut Errors) {
    if args.get("broadcast").is_some() {
        if let Some(group) = args.get("group") {
            errors.at(&group.key, "`group` contradicts `broadcast`: every instance gets its own copy, so there is nobody to share with");
        }
        if let Some(start) = args.get("start") {
            errors.at(
                &start.key,
                "`start` contradicts `broadcast`: an instance gets what is published while it runs",
            );
        }
        if let Some(dedupe) = args.get("dedupe") {
            errors.at(
                &dedupe.key,
                "`dedupe` contradicts `broadcast`: every instance handles its own copy, so each would be a repeat to the others",
            );
        }
    }
    if let Some(retry) = args.get("retry")
        && args.get("delivery").is_some_and(|arg| arg.is_word("at_most_once"))
    {
        errors.at(
            &retry.key,
            "`retry` contradicts `delivery = at_most_once`: the delivery is settled before the handler runs",
        );
    }
}
