//! `#[handler]`.

mod expand;
mod policy;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, FnArg, Ident, LitStr, ReturnType, Safety, Signature, Type, Visibility,
    parse::{Parse, ParseStream},
};

use self::policy::PolicyDef;
use crate::{
    attr::{Args, Grammar},
    docs,
    errors::Errors,
    runtime::{Runtime, place, plain},
    topic::{self, Use},
};

const GRAMMAR: Grammar = Grammar {
    known: &[
        ("topic", "topic = \"shop.orders\""),
        ("group", "group = \"billing\""),
        ("broadcast", "broadcast"),
        ("concurrency", "concurrency = 32"),
        ("order", "order = key"),
        ("retry", "retry(attempts = 5, backoff = \"100ms..30s\")"),
        ("timeout", "timeout = \"10s\""),
        ("dead_letter", "dead_letter = \"dead.billing\""),
        ("batch", "batch(max = 100, wait = \"20ms\")"),
        ("start", "start = earliest"),
        ("delivery", "delivery = at_least_once"),
        ("dedupe", "dedupe = \"24h\""),
        ("unknown_version", "unknown_version = hold(\"15m\")"),
        ("unhandled", "unhandled = skip"),
        ("breaker", "breaker(after = 20)"),
        ("crate", "crate = path::to::typebus"),
    ],
};

/// A function as far as it is read: never its body.
struct Function {
    attrs: Vec<Attribute>,
    vis: Visibility,
    sig: Signature,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let function = Self { attrs, vis: input.parse()?, sig: input.parse()? };
        input.parse::<TokenStream>()?;
        Ok(function)
    }
}

/// A handler, as far as it is valid.
struct HandlerDef {
    runtime: Runtime,
    vis: Visibility,
    ident: Ident,
    /// `.documented(..)`
    docs: Option<TokenStream>,
    /// `None` if a mistake was found.
    facts: Option<Facts>,
}

/// What a valid handler says.
struct Facts {
    topic: Option<LitStr>,
    group: Option<LitStr>,
    policy: PolicyDef,
    /// The word `batch`.
    batch: Option<Span>,
    /// The first argument's type.
    input: Type,
    /// Those of the others.
    extractors: Vec<Type>,
    output: Type,
}

pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &GRAMMAR, &mut errors);
    let runtime = Runtime::new(args.get("crate"), &mut errors);
    let topic =
        args.get("topic").map(|arg| arg.checked(|topic| topic::check(topic, Use::Handler), &mut errors));
    let group = args
        .get("group")
        .map(|arg| arg.checked(|name| topic::check_name(name, "a group's name"), &mut errors));
    let policy = PolicyDef::read(&args, &mut errors);
    let Ok(Function { attrs, vis, sig }) = syn::parse2(item.clone()) else {
        errors.at(first_line(&item), "`#[handler]` goes on an `async fn`");
        let errors = errors.into_tokens();
        return quote!(#item #errors);
    };
    if let Some(FnArg::Receiver(receiver)) = sig.inputs.first() {
        // In an `impl` there is no place for the marker.
        errors.at(receiver, "a handler is a free function, without `self`; take what it needs as `State<_>`");
        let errors = errors.into_tokens();
        return quote!(#item #errors);
    }
    check_signature(&sig, &mut errors);
    let mut types = sig.inputs.iter().filter_map(|arg| match arg {
        FnArg::Typed(arg) => Some((*arg.ty).clone()),
        FnArg::Receiver(_) => None,
    });
    let facts = types.next().filter(|_| errors.is_empty()).map(|input| Facts {
        topic: topic.flatten(),
        group: group.flatten(),
        policy,
        batch: args.get("batch").map(|arg| arg.key.span()),
        input,
        extractors: types.collect(),
        output: match &sig.output {
            // What a function without a return type gives is wrong, if it is, at its name.
            ReturnType::Default => syn::parse_quote_spanned!(place(sig.ident.span())=> ()),
            ReturnType::Type(_, output) => (**output).clone(),
        },
    });
    let docs = docs::documented(&attrs);
    let marker = HandlerDef { runtime, vis, ident: sig.ident, docs, facts }.expand();
    let errors = errors.into_tokens();
    // The allowance is not the function's own, but a handler is `async` whether or not it waits.
    quote!(#[allow(clippy::unused_async)] #item #marker #errors)
}

/// The tokens of an item that is no function, up to its body.
fn first_line(item: &TokenStream) -> TokenStream {
    let body = |token: &TokenTree| matches!(token, TokenTree::Group(group) if group.delimiter() == proc_macro2::Delimiter::Brace);
    item.clone().into_iter().take_while(|token| !body(token)).collect()
}

fn check_signature(sig: &Signature, errors: &mut Errors) {
    let name = &sig.ident;
    if sig.asyncness.is_none() {
        errors.at(sig.fn_token, format!("a handler is `async`; write `async fn {name}`"));
    }
    if let Safety::Unsafe(token) = &sig.safety {
        errors.at(token, "a handler cannot be `unsafe`: the runtime calls it");
    }
    if !plain(name).is_ascii() {
        errors.at(name, "a handler's name stands in headers and configuration, so it is made of ASCII letters, digits and `_`");
    }
    if !sig.generics.params.is_empty() {
        errors.at(
            &sig.generics,
            "a handler cannot be generic: a service lists it by name, and the compiler must know its events",
        );
    }
    if sig.inputs.is_empty() {
        errors.at_span(
            sig.paren_token.span.join(),
            format!("`{name}` takes nothing; the first argument of a handler is what arrives, as in `order: OrderPlaced`"),
        );
    }
    for arg in &sig.inputs {
        if let FnArg::Typed(arg) = arg {
            check_argument(&arg.attrs, &arg.ty, errors);
        }
    }
    if let ReturnType::Type(_, output) = &sig.output
        && let Some(span) = find(output.to_token_stream(), "impl")
    {
        errors.at_span(
            span,
            "name the type that the handler returns: the compiler must know which events it publishes",
        );
    }
}

fn check_argument(attrs: &[Attribute], ty: &Type, errors: &mut Errors) {
    if let Some(attr) =
        attrs.iter().find(|attr| attr.path().is_ident("cfg") || attr.path().is_ident("cfg_attr"))
    {
        errors.at(attr, "an argument of a handler cannot depend on `cfg`; write two handlers");
    }
    let tokens = ty.to_token_stream();
    if let Some(span) = find(tokens.clone(), "impl") {
        errors.at_span(span, "a handler cannot be generic: name the type instead of `impl ..`");
    } else if borrows(tokens) {
        errors.at(ty, "a handler owns its arguments, since it may outlive the delivery's bytes; take the value itself, without `&`");
    }
}

/// The place of a word among the tokens, at any depth.
fn find(tokens: TokenStream, word: &str) -> Option<Span> {
    tokens.into_iter().find_map(|token| match token {
        TokenTree::Ident(ident) if ident == word => Some(ident.span()),
        TokenTree::Group(group) => find(group.stream(), word),
        TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => None,
    })
}

/// Whether a type borrows for anything but `'static`. What a function pointer or closure borrows is left to rustc.
fn borrows(tokens: TokenStream) -> bool {
    let functions = ["fn", "Fn", "FnMut", "FnOnce", "for"];
    !functions.iter().any(|word| find(tokens.clone(), word).is_some()) && has_lifetime(tokens)
}

fn has_lifetime(tokens: TokenStream) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    let mut found = false;
    while let (false, Some(token)) = (found, tokens.next()) {
        found = match &token {
            TokenTree::Group(group) => has_lifetime(group.stream()),
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                // A lifetime that follows is looked at next.
                !matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'')
            }
            TokenTree::Punct(punct) if punct.as_char() == '\'' => {
                !matches!(tokens.peek(), Some(TokenTree::Ident(name)) if name == "static")
            }
            TokenTree::Punct(_) | TokenTree::Ident(_) | TokenTree::Literal(_) => false,
        };
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_borrows_is_told_from_what_owns() {
        let all = |types: &[&str], expected: bool| {
            for text in types {
                let tokens: TokenStream = text.parse().unwrap_or_default();
                assert!(!tokens.is_empty(), "{text}");
                assert_eq!(borrows(tokens), expected, "{text}");
            }
        };
        all(
            &["&Order", "&mut Order", "&'a Order", "Option<&str>", "(u8, &str)", "Cow<'_, str>", "[&u8; 2]"],
            true,
        );
        all(
            &[
                "Order",
                "&'static str",
                "Cow<'static, str>",
                "State<fn(&str)>",
                "State<Box<dyn Fn(&str) -> &str>>",
            ],
            false,
        );
    }
}
