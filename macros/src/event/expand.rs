//! An event's impls.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::Ident;

use super::{EventDef, Facts};
use crate::{
    field::FieldPath,
    runtime::{Runtime, place, plain},
};

impl EventDef {
    pub(super) fn expand(&self) -> TokenStream {
        let Self { runtime, ident, facts } = self;
        let p = runtime.private();
        let ty = plain(ident);
        let descriptor = match facts {
            Some(Facts { topic, name, version, .. }) => {
                let kind = format!("{name}.v{version}");
                quote!(#p::EventDescriptor::new(#ty, #name, #kind, #version, #topic))
            }
            None => quote!(#p::EventDescriptor::broken(#ty)),
        };
        let key = facts.iter().flat_map(|facts| &facts.key).map(|field| write(runtime, "write_key", field));
        let id = facts.iter().flat_map(|facts| &facts.id).map(|field| write(runtime, "write_id", field));
        let carried = carried(ident, &p);
        quote! {
            const _: () = {
                // Both traits name this constant: were it taken from the other trait, what that one lacks would be
                // reported twice.
                const EVENT: #p::EventDescriptor = #descriptor;

                #[automatically_derived]
                impl #p::Event for #ident {
                    const DESCRIPTOR: #p::EventDescriptor = EVENT;
                    #(#key)*
                    #(#id)*
                }

                #[automatically_derived]
                impl #p::EventSet for #ident {
                    const EVENTS: #p::Events = #p::Events::One(&EVENT);

                    fn decode(incoming: &#p::Incoming<'_>) -> ::core::result::Result<Self, #p::DecodeError> {
                        #p::decode(incoming)
                    }

                    fn encode(
                        &self,
                        into: &mut #p::Encoded,
                    ) -> ::core::result::Result<&'static #p::EventDescriptor, #p::EncodeError> {
                        #p::encode(self, into)
                    }
                }

                #carried
            };
        }
    }
}

/// `fn write_key`, whose mistakes are those of the tokens that name the field.
fn write(runtime: &Runtime, method: &str, field: &FieldPath) -> TokenStream {
    let p = runtime.private();
    let span = field.span();
    let at_field = runtime.private_at(span);
    let method = format_ident!("{method}");
    let value = format_ident!("value", span = place(span));
    let write = quote_spanned!(place(span)=> #at_field::Key::write(#value, into));
    quote! {
        fn #method(&self, into: &mut #p::KeyText<'_>) {
            let #value = &self.#field;
            #write;
        }
    }
}

/// How an event or a set arrives at a handler, and how it leaves it.
pub(crate) fn carried(ident: &Ident, p: &TokenStream) -> TokenStream {
    quote! {
        #[automatically_derived]
        impl #p::Member for #ident {
            const ACCEPTS: #p::Events = <Self as #p::EventSet>::EVENTS;

            fn from_incoming(incoming: &#p::Incoming<'_>) -> ::core::result::Result<Self, #p::DecodeError> {
                <Self as #p::EventSet>::decode(incoming)
            }
        }

        #[automatically_derived]
        impl #p::Input for #ident {
            const ACCEPTS: #p::Events = <Self as #p::EventSet>::EVENTS;

            fn from_arrival(arrival: &#p::Arrival<'_>) -> ::core::result::Result<Self, #p::Rejection> {
                #p::single(arrival)
            }
        }

        #[automatically_derived]
        impl #p::Outputs for #ident {
            const PUBLISHES: #p::Events = <Self as #p::EventSet>::EVENTS;

            fn collect(self, outbox: &mut #p::Outbox<'_>) -> ::core::result::Result<(), #p::Rejection> {
                #p::push(&self, outbox)
            }
        }
    }
}
