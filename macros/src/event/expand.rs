//! An event's impls.

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

use super::{EventDef, Facts};
use crate::{
    field::FieldPath,
    runtime::{place, plain},
};

impl EventDef {
    pub(super) fn expand(&self) -> TokenStream {
        let Self { ident, facts, .. } = self;
        let p = self.runtime.private();
        let ty = plain(ident);
        let descriptor = match facts {
            Some(Facts { topic, name, version, .. }) => {
                let kind = format!("{name}.v{version}");
                quote!(#p::EventDescriptor::new(#ty, #name, #kind, #version, #topic))
            }
            None => quote!(#p::EventDescriptor::broken(#ty)),
        };
        let key = facts.as_ref().and_then(|facts| facts.key.as_ref());
        let key = key.map(|field| self.writes("write_key", field));
        let id = facts.as_ref().and_then(|facts| facts.id.as_ref());
        let id = id.map(|field| self.writes("write_id", field));
        quote! {
            #[automatically_derived]
            impl #p::Event for #ident {
                const DESCRIPTOR: #p::EventDescriptor = #descriptor;
                #key
                #id
            }

            #[automatically_derived]
            impl #p::EventSet for #ident {
                const EVENTS: #p::Events = #p::Events::One(&<Self as #p::Event>::DESCRIPTOR);

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
        }
        .into_iter()
        .chain(carried(ident, &p))
        .collect()
    }

    /// `fn write_key`, whose mistakes are those of the tokens that name the field.
    fn writes(&self, method: &str, field: &FieldPath) -> TokenStream {
        let span = place(field.span());
        let p = self.runtime.private();
        let at_field = self.runtime.private_at(field.span());
        let method = syn::Ident::new(method, Span::call_site());
        let value = field.borrow();
        let write = quote_spanned!(span=> #at_field::Key::write(#value, into));
        quote! {
            fn #method(&self, into: &mut #p::KeyText<'_>) {
                #write;
            }
        }
    }
}

/// How an event or a set arrives at a handler, and how it leaves it.
pub(crate) fn carried(ident: &syn::Ident, p: &TokenStream) -> TokenStream {
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
