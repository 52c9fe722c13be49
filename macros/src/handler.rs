//! `#[handler]`.

mod expand;
mod policy;

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::{
    Attribute, FnArg, Ident, LitStr, ReturnType, Safety, Signature, Type, Visibility,
    parse::{Parse, ParseStream},
    spanned::Spanned,
};

use self::policy::PolicyDef;
use crate::{
    attr::{Args, Grammar},
    errors::Errors,
    runtime::{Runtime, plain},
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
    later: &[],
};

/// A function as far as it is read: never its body.
struct Function {
    attrs: Vec<Attribute>,
    vis: Visibility,
    sig: Signature,
}

impl Parse for Function {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let function =
            Self { attrs: input.call(Attribute::parse_outer)?, vis: input.parse()?, sig: input.parse()? };
        input.parse::<TokenStream>()?;
        Ok(function)
    }
}

/// A handler, as far as it is valid.
struct HandlerDef {
    runtime: Runtime,
    /// Those of the function.
    cfgs: Vec<Attribute>,
    vis: Visibility,
    ident: Ident,
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
    /// What it returns; `None` is `()`.
    output: Option<Type>,
}

pub(crate) fn attribute(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = Args::parse(args, &GRAMMAR, &mut errors);
    let runtime = Runtime::new(args.get("crate"), &mut errors);
    let topic =
        args.get("topic").map(|arg| arg.checked(|topic| topic::check(topic, Use::Handler), &mut errors));
    let group =
        args.get("group").map(|arg| arg.checked(|name| topic::check_name(name, "a group"), &mut errors));
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
            ReturnType::Default => None,
            ReturnType::Type(_, output) => Some((**output).clone()),
        },
    });
    let cfgs = attrs.into_iter().filter(|attr| attr.path().is_ident("cfg")).collect();
    let marker = HandlerDef { runtime, cfgs, vis, ident: sig.ident, facts }.expand();
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
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, "a handler has a fixed number of arguments");
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

/// Whether a type borrows for anything but `'static`.
fn borrows(tokens: TokenStream) -> bool {
    let mut tokens = tokens.into_iter().peekable();
    let mut lifetime = false;
    while let Some(token) = tokens.next() {
        match token {
            TokenTree::Group(group) if borrows(group.stream()) => return true,
            TokenTree::Punct(punct) if punct.as_char() == '&' => {
                if !matches!(tokens.peek(), Some(TokenTree::Punct(next)) if next.as_char() == '\'') {
                    return true;
                }
            }
            TokenTree::Punct(punct) => {
                lifetime = punct.as_char() == '\'';
                continue;
            }
            TokenTree::Ident(ident) if lifetime && ident != "static" => return true,
            _ => {}
        }
        lifetime = false;
    }
    false
}

impl Facts {
    /// Where a mistake about the first argument is shown.
    fn input_span(&self) -> Span {
        self.input.span()
    }
}
