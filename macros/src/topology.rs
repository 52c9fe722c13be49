//! `topology!`.

mod expand;

use proc_macro2::TokenStream;
use quote::quote;
use syn::{
    Attribute, Ident, Path, Token, Visibility,
    ext::IdentExt,
    parse::{ParseStream, Parser},
};

use crate::{
    entries::{Entry, drop_repeated, parse_entries, skip},
    errors::Errors,
    nearest::suggest,
    runtime::{Runtime, plain},
};

const FORM: &str = "a topology is written `pub Shop = [Storefront, Billing]; from_outside: [PaymentSettled]; to_outside: [InvoiceSent]; may_repeat: [PaymentRetried]`";

const LISTS: [(&str, &str); 4] = [
    ("from_outside", "from_outside: [PaymentSettled]"),
    ("to_outside", "to_outside: [InvoiceSent]"),
    ("may_repeat", "may_repeat: [PaymentRetried]"),
    ("crate", "crate: path::to::typebus"),
];

/// A topology, as far as it is valid.
struct TopologyDef {
    runtime: Runtime,
    attrs: Vec<Attribute>,
    vis: Visibility,
    ident: Ident,
    lists: Lists,
    /// Whether a mistake was found.
    broken: bool,
}

#[derive(Default)]
struct Lists {
    services: Vec<Entry>,
    from_outside: Vec<Entry>,
    to_outside: Vec<Entry>,
    may_repeat: Vec<Entry>,
}

pub(crate) fn function(input: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let topology = (|input: ParseStream<'_>| Ok(parse(input, &mut errors))).parse2(input);
    let topology = match topology {
        Ok(topology) => {
            topology.map(|topology| TopologyDef { broken: !errors.is_empty(), ..topology }.expand())
        }
        Err(error) => {
            errors.push(error);
            None
        }
    };
    let errors = errors.into_tokens();
    quote!(#topology #errors)
}

/// Reads a topology; what follows a mistake is read as far as that is possible. `None` if not even its name is there.
fn parse(input: ParseStream<'_>, errors: &mut Errors) -> Option<TopologyDef> {
    let head = || Ok((input.call(Attribute::parse_outer)?, input.parse()?, input.parse()?));
    let (attrs, vis, ident) = match head() {
        Ok(head) => head,
        Err(error) => {
            let error: syn::Error = error;
            errors.at_span(error.span(), FORM);
            skip(input, |_| false);
            return None;
        }
    };
    let mut lists = Lists::default();
    let mut runtime = None;
    let services = input.parse::<Token![=]>().and_then(|_| brackets(input));
    match services {
        Ok(content) => lists.services = parse_entries(&content, "`Billing` or `billing::Billing`", errors),
        Err(error) => {
            errors.at_span(error.span(), FORM);
            skip(input, |input| input.peek(Token![;]));
        }
    }
    end(input, errors);
    parse_lists(input, &mut lists, &mut runtime, errors);
    drop_repeated(&mut lists.services, "a service is listed once", errors);
    for list in [&mut lists.from_outside, &mut lists.to_outside, &mut lists.may_repeat] {
        drop_repeated(list, "an event is listed once", errors);
    }
    Some(TopologyDef { runtime: Runtime::at(runtime), attrs, vis, ident, lists, broken: false })
}

fn parse_lists(input: ParseStream<'_>, lists: &mut Lists, runtime: &mut Option<Path>, errors: &mut Errors) {
    let mut seen: Vec<String> = Vec::new();
    while !input.is_empty() {
        let Ok(key) = input.call(Ident::parse_any) else {
            errors.at_span(input.span(), "expected a list, as in `to_outside: [InvoiceSent]`");
            skip_list(input);
            continue;
        };
        let name = plain(&key);
        let Some((_, written)) = LISTS.iter().find(|(known, _)| *known == name) else {
            let known = suggest(&name, "list", LISTS.iter().map(|(known, _)| *known));
            errors.at(&key, format!("unknown list `{name}`; {known}"));
            skip_list(input);
            continue;
        };
        if seen.contains(&name) {
            errors.at(&key, format!("`{name}` is given twice; put everything into one list"));
        }
        let read = input.parse::<Token![:]>().and_then(|_| match name.as_str() {
            "crate" => input.call(Path::parse_mod_style).map(|path| *runtime = Some(path)),
            _ => brackets(input).map(|content| {
                let example = "`InvoiceSent` or `events::InvoiceSent`";
                lists.named(&name).extend(parse_entries(&content, example, errors));
            }),
        });
        seen.push(name.clone());
        if let Err(error) = read {
            errors.at_span(error.span(), format!("`{name}` is written `{written}`"));
            skip_list(input);
            continue;
        }
        end(input, errors);
    }
}

impl Lists {
    fn named(&mut self, name: &str) -> &mut Vec<Entry> {
        match name {
            "from_outside" => &mut self.from_outside,
            "to_outside" => &mut self.to_outside,
            _ => &mut self.may_repeat,
        }
    }
}

fn brackets(input: ParseStream<'_>) -> syn::Result<syn::parse::ParseBuffer<'_>> {
    let content;
    syn::bracketed!(content in input);
    Ok(content)
}

/// `;` between two lists.
fn end(input: ParseStream<'_>, errors: &mut Errors) {
    if !input.is_empty() && input.parse::<Token![;]>().is_err() {
        errors.at_span(input.span(), "expected `;`");
        // Somebody who wrote another sign meant this one.
        if input.parse::<Token![,]>().is_err() && !input.peek(Ident::peek_any) {
            skip_list(input);
        }
    }
}

/// Passes over everything up to and with the next `;`.
fn skip_list(input: ParseStream<'_>) {
    skip(input, |input| input.peek(Token![;]));
    // At the end there is none.
    let _ = input.parse::<Token![;]>();
}
