//! An event's impls.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{LitStr, Type};

use super::{EventDef, Facts, Format};
use crate::{
    field::FieldPath,
    hash,
    runtime::{Runtime, last_ident, place, plain},
    topic::{self, Part},
};

impl EventDef {
    pub(super) fn expand(&self) -> TokenStream {
        let Self { runtime, ident, facts, .. } = self;
        let p = runtime.private();
        let body = match facts {
            Some(facts) => self.valid(facts),
            None => {
                let ty = plain(ident);
                quote! {
                    const DESCRIPTOR: #p::EventDescriptor = #p::EventDescriptor::broken(#ty);
                    const FORMAT: #p::Format<Self> = #p::Format::broken();
                }
            }
        };
        let upcasts = facts.iter().flat_map(|facts| &facts.upcasts);
        let checks = upcasts.enumerate().map(|(nth, older)| self.check_upcast(nth, older));
        let carried = self.carried();
        quote! {
            #[automatically_derived]
            impl #p::Event for #ident {
                #body
            }

            #carried
            #(#checks)*
        }
    }

    fn valid(&self, facts: &Facts) -> TokenStream {
        let Self { runtime, ident, docs, reply, .. } = self;
        let Facts { topic, fields, name, version, key, id, format, upcasts } = facts;
        let p = runtime.private();
        let ty = plain(ident);
        let kind = format!("{name}.v{version}");
        let hash = hash::hash(&kind);
        let identity = hash::hash(&format!("{ty} {}", topic.value()));
        let hashed = hash::topic(&topic.value(), &p);
        let is_json = matches!(format, Format::Json);
        let written = (!is_json).then(|| quote!(.written_as(Self::FORMAT.content_type())));
        let nths = 0..upcasts.len();
        let older = (!upcasts.is_empty()).then(
            || quote!(const OLDER: &[#p::Events] = &[#(<#ident as #p::Event>::OLDER[#nths].event()),*];),
        );
        let upcasting = older.as_ref().map(|_| quote!(.upcasting(#p::Events::Many(OLDER))));
        let answered = reply.as_ref().map(|reply| {
            let p = runtime.private_at(last_ident(reply));
            let name = quote!(#reply).to_string().replace(' ', "");
            quote!(.answered_by(#name, <#reply as #p::Reply>::CAN_BE))
        });
        let format = self.format(format);
        let decoders = (!upcasts.is_empty()).then(|| {
            let each = upcasts.iter().map(|older| {
                let span = last_ident(older);
                let p = runtime.private_at(span);
                quote_spanned!(place(span)=> #p::Older::of::<#older>())
            });
            quote!(const OLDER: &'static [#p::Older<Self>] = &[#(#each),*];)
        });
        let [key_name, id_name] = [key, id].map(|field| field.as_ref().map(FieldPath::name));
        let known_by = (key.is_some() || id.is_some()).then(|| {
            let [key, id] = [key_name, id_name].map(|name| match name {
                Some(name) => quote!(::core::option::Option::Some(#name)),
                None => quote!(::core::option::Option::None),
            });
            quote!(.known_by(#key, #id))
        });
        let key = key.as_ref().map(|field| write(runtime, "write_key", field));
        let id = id.as_ref().map(|field| write(runtime, "write_id", field));
        let topic = (!fields.is_empty()).then(|| write_topic(runtime, topic, fields));
        quote! {
            const DESCRIPTOR: #p::EventDescriptor = {
                #older
                #p::EventDescriptor::new(#ty, #name, #kind, #hash, #identity, #version, #hashed)
                    #written
                    .shaped(Self::FORMAT.schema())
                    #docs
                    #known_by
                    #upcasting
                    #answered
            };
            const FORMAT: #p::Format<Self> = #format;
            #decoders
            #key
            #id
            #topic
        }
    }

    /// What its type owes to the codec is said at the codec's name, or at the type's for JSON. Whether the runtime was
    /// built with a format the macro cannot see, so that it asks for a function that says so.
    fn format(&self, format: &Format) -> TokenStream {
        match format {
            Format::Codec(codec) => {
                let span = last_ident(codec);
                let p = self.runtime.private_at(span);
                quote_spanned!(place(span)=> #p::Format::<Self>::of::<#codec>())
            }
            Format::Featured(literal) => {
                let span = literal.span();
                let p = self.runtime.private_at(span);
                let format = format_ident!("{}", literal.value(), span = place(span));
                quote_spanned!(place(span)=> #p::Format::<Self>::#format())
            }
            Format::Json => {
                let span = self.ident.span();
                let p = self.runtime.private_at(span);
                quote_spanned!(place(span)=> #p::Format::<Self>::of::<#p::Json>())
            }
        }
    }

    /// How it arrives and leaves.
    fn carried(&self) -> TokenStream {
        let Self { runtime, ident, reply, .. } = self;
        let p = runtime.private();
        let (asks, request) = match reply {
            Some(reply) => {
                let p = runtime.private_at(last_ident(reply));
                let request = quote! {
                    #[automatically_derived]
                    impl #p::Request<#reply> for #ident {}
                };
                (quote!(#p::Exactly<#reply>), Some(request))
            }
            None => (quote!(#p::NoReply), None),
        };
        quote! {
            #[automatically_derived]
            impl #p::Input<#asks> for #ident {}

            #[automatically_derived]
            impl #p::Outputs for #ident {}

            #request
        }
    }

    /// Rule 10, shown at the older version.
    fn check_upcast(&self, nth: usize, older: &Type) -> TokenStream {
        let ident = &self.ident;
        let span = last_ident(older);
        let p = self.runtime.private_at(span);
        quote_spanned! {place(span)=>
            const _: () = #p::refuse(#p::upcast_mismatch(<#ident as #p::Event>::DESCRIPTOR, #nth));
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

/// `fn write_topic`, whose mistakes are those of the topic's literal.
fn write_topic(runtime: &Runtime, topic: &LitStr, fields: &[FieldPath]) -> TokenStream {
    let p = runtime.private();
    let span: Span = place(topic.span());
    let mut fields = fields.iter();
    let parts = topic::template(&topic.value()).unwrap_or_default().into_iter().map(|part| match part {
        Part::Text(text) => quote!(into.literal(#text);),
        Part::Field(name) => {
            let field = fields.next();
            quote_spanned!(span=> into.field(#name, &self.#field);)
        }
    });
    quote! {
        fn write_topic(&self, into: &mut #p::TopicText<'_>) {
            #(#parts)*
        }
    }
}
