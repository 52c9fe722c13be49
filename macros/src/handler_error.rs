//! `#[derive(HandlerError)]`.

use std::time::Duration;

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Attribute, Data, DeriveInput, Field, Fields, Ident, Member, parse_quote};

use crate::{
    attr::{Arg, Args, Grammar},
    duration,
    errors::Errors,
    runtime::{Runtime, last_ident, place},
};

/// What may stand in `#[outcome(..)]`.
const GRAMMAR: Grammar = Grammar {
    known: &[
        ("retry", "retry(after = \"5s\")"),
        ("dead_letter", "dead_letter"),
        ("discard", "discard"),
        ("inherit", "inherit"),
        ("crate", "crate = path::to::typebus"),
    ],
};

const RETRY: Grammar = Grammar { known: &[("after", "after = \"5s\"")] };

/// The longest delay that an error may ask for.
const MAX_AFTER: Duration = Duration::from_secs(5 * 60);

/// What becomes of the delivery.
enum Decision {
    Retry(Option<Duration>),
    DeadLetter,
    Discard,
    /// What the wrapped error decides.
    Inherit(Member, Box<Field>),
}

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let args = Args::of(&input.attrs, "outcome", &GRAMMAR, &mut errors);
    let runtime = Runtime::new(args.get("crate"), &mut errors);
    let ident = &input.ident;
    let arms = match &input.data {
        Data::Struct(data) => {
            let decision = decide(&args, ident, &ident.to_string(), &data.fields, &mut errors);
            vec![(quote!(Self), decision)]
        }
        Data::Enum(data) => {
            for arg in args.iter().filter(|arg| arg.key != "crate") {
                errors.at(
                    &arg.key,
                    format!("each variant says for itself, so put `#[outcome({})]` on them", arg.key),
                );
            }
            let one = |variant: &syn::Variant| {
                let (attrs, name) = (&variant.attrs, &variant.ident);
                let args = variant_args(attrs, &mut errors);
                let decision = decide(&args, name, &format!("{ident}::{name}"), &variant.fields, &mut errors);
                (quote!(Self::#name), decision)
            };
            data.variants.iter().map(one).collect()
        }
        Data::Union(data) => {
            errors.at(data.union_token, "an error with outcomes is a struct or an enum");
            Vec::new()
        }
    };
    let error = expand(&runtime, &input, &arms, errors.is_empty());
    let errors = errors.into_tokens();
    quote!(#error #errors)
}

/// A variant's arguments.
fn variant_args(attrs: &[Attribute], errors: &mut Errors) -> Args {
    let args = Args::of(attrs, "outcome", &GRAMMAR, errors);
    if let Some(arg) = args.get("crate") {
        errors.at(&arg.key, "`crate` is said once, on the type");
    }
    args
}

/// What one variant, or the struct, decides.
fn decide(args: &Args, place: &Ident, name: &str, fields: &Fields, errors: &mut Errors) -> Option<Decision> {
    let mut said = args.iter().filter(|arg| arg.key != "crate");
    let Some(arg) = said.next() else {
        if !args.complete() {
            return None;
        }
        errors.at(
            place,
            format!(
                "`{name}` does not say what becomes of the delivery; add `#[outcome(retry)]`, `#[outcome(dead_letter)]` or \
                 `#[outcome(discard)]`, or `#[outcome(inherit)]` for a wrapped error that says"
            ),
        );
        return None;
    };
    for other in said {
        let message = format!("`{name}` says `{}` already; a delivery has one outcome", arg.key);
        errors.at(&other.key, message);
    }
    if arg.key == "retry" {
        return Some(Decision::Retry(if arg.is_bare() { None } else { Some(after(arg, errors)?) }));
    }
    arg.bare(errors)?;
    if arg.key == "dead_letter" {
        Some(Decision::DeadLetter)
    } else if arg.key == "discard" {
        Some(Decision::Discard)
    } else {
        inherit(arg, name, fields, errors)
    }
}

/// `retry(after = "5s")`
fn after(retry: &Arg, errors: &mut Errors) -> Option<Duration> {
    let args = retry.list(&RETRY, errors)?;
    let Some(arg) = args.get("after") else {
        if args.complete() {
            errors.at(
                &retry.key,
                "`retry` alone retries by the handler's policy; a delay is written `retry(after = \"5s\")`",
            );
        }
        return None;
    };
    let after = arg.positive_duration(errors)?;
    if after > MAX_AFTER {
        errors.at(
            arg.value_tokens(),
            "an error can ask for a delay of at most `5m`, because the delivery and its key wait in process",
        );
        return None;
    }
    Some(after)
}

/// `inherit`
fn inherit(arg: &Arg, name: &str, fields: &Fields, errors: &mut Errors) -> Option<Decision> {
    let (member, field) = fields.members().next().zip(fields.iter().next()).filter(|_| fields.len() == 1).or_else(|| {
        errors.at(
            &arg.key,
            format!("`inherit` takes the outcome of the one error that is wrapped, and `{name}` has {} fields", fields.len()),
        );
        None
    })?;
    Some(Decision::Inherit(member, Box::new(field.clone())))
}

/// The impl; that of a type with mistakes means retry.
fn expand(
    runtime: &Runtime,
    input: &DeriveInput,
    arms: &[(TokenStream, Option<Decision>)],
    valid: bool,
) -> TokenStream {
    let ident = &input.ident;
    let p = runtime.private();
    let arms = arms.iter().filter_map(|(pattern, decision)| Some(arm(runtime, pattern, decision.as_ref()?)));
    let body = match valid {
        true => quote!(match *self { #(#arms)* }),
        false => quote!(#p::Outcome::Retry { after: ::core::option::Option::None }),
    };
    let mut generics = input.generics.clone();
    if !generics.params.is_empty() {
        let bounds = parse_quote!(Self: ::core::fmt::Display + ::core::marker::Send + 'static);
        generics.make_where_clause().predicates.push(bounds);
    }
    let (parameters, arguments, bounds) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #parameters #p::HandlerError for #ident #arguments #bounds {
            fn outcome(&self) -> #p::Outcome {
                #body
            }
        }
    }
}

fn arm(runtime: &Runtime, pattern: &TokenStream, decision: &Decision) -> TokenStream {
    let p = runtime.private();
    match decision {
        Decision::Retry(after) => {
            let after = match after {
                Some(after) => {
                    let after = duration::expand(*after, &p);
                    quote!(::core::option::Option::Some(#after))
                }
                None => quote!(::core::option::Option::None),
            };
            quote!(#pattern { .. } => #p::Outcome::Retry { after: #after },)
        }
        Decision::DeadLetter => quote!(#pattern { .. } => #p::Outcome::DeadLetter,),
        Decision::Discard => quote!(#pattern { .. } => #p::Outcome::Discard,),
        Decision::Inherit(member, field) => {
            let ty = &field.ty;
            let span = last_ident(&ty.to_token_stream());
            let p = runtime.private_at(span);
            let outcome = quote_spanned!(place(span)=> <#ty as #p::HandlerError>::outcome(inner));
            quote!(#pattern { #member: ref inner } => #outcome,)
        }
    }
}
