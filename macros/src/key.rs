//! `#[derive(Key)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{Data, DeriveInput, Field, Fields, Member, parse_quote};

use crate::{
    attr::{Args, Grammar},
    errors::Errors,
    runtime::{Runtime, last_ident, place},
};

const GRAMMAR: Grammar = Grammar { known: &[("crate", "crate = path::to::typebus")] };

pub(crate) fn derive(input: TokenStream) -> TokenStream {
    let input: DeriveInput = match syn::parse2(input) {
        Ok(input) => input,
        Err(error) => return error.into_compile_error(),
    };
    let mut errors = Errors::default();
    let args = Args::of(&input.attrs, "key", &GRAMMAR, &mut errors);
    let runtime = Runtime::new(args.get("crate"), &mut errors);
    let field = only_field(&input, &mut errors);
    let key = expand(&runtime, &input, field.filter(|_| errors.is_empty()));
    let errors = errors.into_tokens();
    quote!(#key #errors)
}

/// The field of a newtype.
fn only_field<'a>(input: &'a DeriveInput, errors: &mut Errors) -> Option<(Member, &'a Field)> {
    let ident = &input.ident;
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(_) | Data::Union(_) => {
            errors.at(ident, "a key is derived for a newtype, a struct of one field; for another type write `impl Key` by hand");
            return None;
        }
    };
    let one = fields.members().next().zip(fields.iter().next()).filter(|_| fields.len() == 1);
    if one.is_none() {
        let shape = match fields {
            Fields::Unit => "no field".to_owned(),
            Fields::Named(_) | Fields::Unnamed(_) => format!("{} fields", fields.len()),
        };
        errors.at(
            ident,
            format!("a key is derived for a newtype, a struct of one field, and `{ident}` has {shape}; write `impl Key` by hand"),
        );
    }
    one
}

/// The impl; that of a type with mistakes writes nothing.
fn expand(runtime: &Runtime, input: &DeriveInput, field: Option<(Member, &Field)>) -> TokenStream {
    let ident = &input.ident;
    let p = runtime.private();
    let mut generics = input.generics.clone();
    let write = field.map_or_else(
        || quote!(let _ = into;),
        |(member, field)| {
            let ty = &field.ty;
            let span = last_ident(ty);
            let p = runtime.private_at(span);
            if !generics.params.is_empty() {
                generics.make_where_clause().predicates.push(parse_quote!(#ty: #p::Key));
            }
            quote_spanned!(place(span)=> <#ty as #p::Key>::write(&self.#member, into);)
        },
    );
    let (parameters, arguments, bounds) = generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #parameters #p::Key for #ident #arguments #bounds {
            fn write(&self, into: &mut #p::KeyText<'_>) {
                #write
            }
        }
    }
}
