//! A handler's marker and its impls.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{LitStr, Type};

use super::{Facts, HandlerDef};
use crate::runtime::{last_ident, place, plain};

impl HandlerDef {
    pub(super) fn expand(&self) -> TokenStream {
        let Self { cfgs, vis, ident, facts, .. } = self;
        let p = self.runtime.private();
        let name = plain(ident);
        let module = quote!(::core::module_path!());
        let descriptor = match facts {
            Some(facts) => self.descriptor(facts, &name, &module),
            None => quote!(#p::HandlerDescriptor::broken(#name, #module)),
        };
        let asked = facts.iter().flat_map(|facts| &facts.extractors).map(|extractor| {
            let p = self.runtime.private_at(last_ident(extractor));
            quote!(#extractor: #p::AskedIn<S>,)
        });
        let checks = facts.as_ref().map(|facts| self.checks(facts));
        quote! {
            #(#cfgs)*
            #[doc(hidden)]
            #[allow(non_camel_case_types, missing_debug_implementations, unreachable_pub)]
            #vis enum #ident {}

            #(#cfgs)*
            #[automatically_derived]
            impl #p::Handler for #ident {
                const DESCRIPTOR: #p::HandlerDescriptor = #descriptor;
            }

            #(#cfgs)*
            #[automatically_derived]
            impl<S> #p::RunsIn<S> for #ident where #(#asked)* {}

            #checks
        }
    }

    fn descriptor(&self, facts: &Facts, name: &str, module: &TokenStream) -> TokenStream {
        let p = self.runtime.private();
        let Facts { topic, group, policy, input, extractors, output, .. } = facts;
        let attempts = self.attempts(facts);
        let at_input = self.runtime.private_at(last_ident(input));
        let output_span = output.as_ref().map_or_else(|| self.ident.span(), last_ident);
        let at_output = self.runtime.private_at(output_span);
        let unit: Type = syn::parse_quote!(());
        let output = output.as_ref().unwrap_or(&unit);
        let publishers = extractors.iter().map(|extractor| {
            let p = self.runtime.private_at(last_ident(extractor));
            quote!(<#extractor as #p::FromDelivery>::PUBLISHES)
        });
        let topic = topic.iter().map(|topic| quote!(.on_topic(#topic)));
        let group = group.iter().map(|group| quote!(.in_group(#group)));
        let policy = policy.expand(&p).map(|policy| quote!(.with_policy(#policy)));
        quote! {
            #p::HandlerDescriptor::new(#name, #module, #attempts)
                .accepting(
                    <#input as #at_input::Input>::ACCEPTS,
                    <#input as #at_input::Input>::ANY,
                    <#input as #at_input::Input>::BATCH,
                )
                .publishing(#p::Events::Many(&[
                    <#output as #at_output::Outputs>::PUBLISHES,
                    #(#publishers),*
                ]))
                #(#topic)*
                #(#group)*
                #policy
        }
    }

    /// Decodes, extracts, calls. The future is the function's own.
    fn attempts(&self, facts: &Facts) -> TokenStream {
        let ident = &self.ident;
        let p = self.runtime.private();
        let Facts { input, extractors, .. } = facts;
        let at_input = self.runtime.private_at(last_ident(input));
        let names: Vec<_> = (0..extractors.len()).map(|nth| format_ident!("extracted_{nth}")).collect();
        let extract = names.iter().zip(extractors).map(|(name, extractor)| {
            let p = self.runtime.private_at(last_ident(extractor));
            quote!(let #name = #p::extract::<#extractor>(arrival)?;)
        });
        let span = place(ident.span());
        let at_ident = self.runtime.private_at(ident.span());
        let call = quote_spanned!(span=> ::core::result::Result::Ok(#ident(input, #(#names),*)));
        let closure = quote! {
            |arrival| {
                let input = <#input as #at_input::Input>::from_arrival(arrival)?;
                #(#extract)*
                #call
            }
        };
        let attempts = quote_spanned!(span=> #at_ident::attempts(slots, #closure));
        let _ = p;
        quote!(|slots| #attempts)
    }

    /// The rules that concern the handler alone, each where its mistake would be.
    fn checks(&self, facts: &Facts) -> TokenStream {
        let topic = match &facts.topic {
            Some(topic) => self.check("topic_mismatch", LitStr::span(topic)),
            None => self.check("topic_missing", facts.input_span()),
        };
        let batch = facts.batch.map(|word| self.check("batch_mismatch", word));
        quote!(#topic #batch)
    }

    /// A check of the descriptor, whose message is shown at `span`.
    fn check(&self, rule: &str, span: Span) -> TokenStream {
        let Self { cfgs, ident, .. } = self;
        let p = self.runtime.private_at(span);
        let rule = format_ident!("{rule}");
        quote_spanned! {place(span)=>
            #(#cfgs)*
            const _: () = {
                if let ::core::option::Option::Some(text) = #p::#rule(&<#ident as #p::Handler>::DESCRIPTOR) {
                    ::core::panic!("{}", text.as_str());
                }
            };
        }
    }
}
