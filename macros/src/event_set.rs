//! `#[derive(EventSet)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::{Data, DeriveInput, Fields, Ident, Type};

use crate::{
    attr::{Args, Grammar},
    errors::Errors,
    event::carried,
    runtime::{Runtime, last_ident, place, plain},
};

const GRAMMAR: Grammar = Grammar { known: &[("crate", "crate = path::to::typebus")], later: &[] };

/// A variant and its event.
struct Part {
    variant: Ident,
    event: Type,
}

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let args = Args::of(&input.attrs, "event", &GRAMMAR, &mut errors);
    let runtime = Runtime::new(args.get("crate"), &mut errors);
    for param in &input.generics.params {
        errors.at(param, "a set of events cannot be generic: its events are known by name");
    }
    let parts = parts(&input, &mut errors);
    let generic = !input.generics.params.is_empty();
    let set = (!generic).then(|| expand(&runtime, &input.ident, &parts, errors.is_empty()));
    let errors = errors.into_tokens();
    quote!(#set #errors)
}

fn parts(input: &DeriveInput, errors: &mut Errors) -> Vec<Part> {
    let ident = &input.ident;
    let Data::Enum(data) = &input.data else {
        errors.at(
            ident,
            "a set of events is an enum with one event in each variant, as in `Placed(OrderPlaced)`",
        );
        return Vec::new();
    };
    if data.variants.is_empty() {
        errors.at(
            ident,
            format!("`{ident}` has no events; add a variant for each, as in `Placed(OrderPlaced)`"),
        );
    }
    let mut parts: Vec<Part> = Vec::new();
    for variant in &data.variants {
        let event = match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => &fields.unnamed[0].ty,
            Fields::Unnamed(_) | Fields::Named(_) | Fields::Unit => {
                let name = &variant.ident;
                errors.at(
                    variant,
                    format!("`{ident}::{name}` must hold one event, as in `{name}(OrderPlaced)`"),
                );
                continue;
            }
        };
        let text = event.to_token_stream().to_string();
        if let Some(same) = parts.iter().find(|part| part.event.to_token_stream().to_string() == text) {
            errors.at(
                event,
                format!(
                    "`{ident}::{}` holds this event already; one event belongs to one variant",
                    same.variant
                ),
            );
            continue;
        }
        parts.push(Part { variant: variant.ident.clone(), event: event.clone() });
    }
    parts
}

/// The impls; those of a set with mistakes know no events, and decode none.
fn expand(runtime: &Runtime, ident: &Ident, parts: &[Part], valid: bool) -> TokenStream {
    let p = runtime.private();
    let name = plain(ident);
    let parts = if valid { parts } else { &[] };
    let events = parts.iter().map(|Part { event, .. }| {
        let span = last_ident(event);
        let p = runtime.private_at(span);
        quote_spanned!(place(span)=> #p::Events::One(&<#event as #p::Event>::DESCRIPTOR))
    });
    let decode = parts.iter().map(|Part { variant, event }| {
        let span = last_ident(event);
        let p = runtime.private_at(span);
        quote_spanned! {place(span)=>
            if incoming.is::<#event>() {
                return <#event as #p::EventSet>::decode(incoming).map(Self::#variant);
            }
        }
    });
    let encode = parts.iter().map(|Part { variant, event }| {
        let span = last_ident(event);
        let p = runtime.private_at(span);
        quote_spanned!(place(span)=> Self::#variant(event) => <#event as #p::EventSet>::encode(event, into),)
    });
    let encode = match valid {
        true => quote!(match self { #(#encode)* }),
        false => quote!({
            let _ = into;
            ::core::unreachable!()
        }),
    };
    quote! {
        #[automatically_derived]
        impl #p::EventSet for #ident {
            const EVENTS: #p::Events = #p::Events::Many(&[#(#events),*]);

            fn decode(incoming: &#p::Incoming<'_>) -> ::core::result::Result<Self, #p::DecodeError> {
                #(#decode)*
                #p::not_in_set(#name, incoming)
            }

            fn encode(
                &self,
                into: &mut #p::Encoded,
            ) -> ::core::result::Result<&'static #p::EventDescriptor, #p::EncodeError> {
                #encode
            }
        }
    }
    .into_iter()
    .chain(carried(ident, &p))
    .collect()
}
