//! `#[derive(EventSet)]`.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::{Data, DeriveInput, Fields, Ident, Type};

use crate::{
    attr::{Args, Grammar},
    errors::Errors,
    runtime::{Runtime, last_ident, plain},
};

const GRAMMAR: Grammar = Grammar { known: &[("crate", "crate = path::to::typebus")] };

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
    let events = parts.iter().map(|part| {
        let descriptor = part.descriptor(runtime);
        quote!(#p::Events::One(&#descriptor))
    });
    let decode = parts.iter().map(|part| part.decode(runtime));
    let encode = parts.iter().map(|part| part.encode(runtime));
    let encode = if valid { quote!(match self { #(#encode)* }) } else { quote!(::core::unreachable!()) };
    let into = if valid { quote!(into) } else { quote!(_) };
    quote! {
        const _: () = {
            #[automatically_derived]
            impl #p::EventSet for #ident {
                const EVENTS: #p::Events = #p::Events::Many(&[#(#events),*]);

                fn decode(incoming: &#p::Incoming<'_>) -> ::core::result::Result<Self, #p::DecodeError> {
                    #(#decode)*
                    #p::not_in_set(#name, incoming)
                }

                fn encode(
                    &self,
                    #into: &mut #p::Encoded,
                ) -> ::core::result::Result<&'static #p::EventDescriptor, #p::EncodeError> {
                    #encode
                }
            }

            #[automatically_derived]
            impl #p::Input<#p::NoReply> for #ident {}

            #[automatically_derived]
            impl #p::Outputs for #ident {}
        };
    }
}

/// In each function it is first of all the descriptor that says what the type owes: of equal errors rustc shows one.
impl Part {
    fn descriptor(&self, runtime: &Runtime) -> TokenStream {
        let event = &self.event;
        let p = runtime.private_at(last_ident(event));
        quote!(<#event as #p::Event>::DESCRIPTOR)
    }

    fn decode(&self, runtime: &Runtime) -> TokenStream {
        let Self { variant, event } = self;
        let p = runtime.private_at(last_ident(event));
        let descriptor = self.descriptor(runtime);
        quote! {
            let _ = &#descriptor;
            if incoming.is::<#event>() {
                return #p::decode::<#event>(incoming).map(Self::#variant);
            }
        }
    }

    fn encode(&self, runtime: &Runtime) -> TokenStream {
        let Self { variant, event } = self;
        let p = runtime.private_at(last_ident(event));
        let descriptor = self.descriptor(runtime);
        quote! {
            Self::#variant(event) => {
                let _ = &#descriptor;
                #p::encode::<#event>(event, into)
            }
        }
    }
}
