//! Topics and names as integers. The rules of a topology compare hundreds of them with each other, and the compiler
//! interprets the functions that do; so they are hashed here, where it costs nothing.

use proc_macro2::TokenStream;
use quote::quote;

/// FNV-1a.
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME))
}

const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

const STAR: u64 = 1;
const TAIL: u64 = 2;

/// The runtime's `Hashed` of a topic, pattern or template that the grammar accepts.
pub(crate) fn topic(text: &str, p: &TokenStream) -> TokenStream {
    let is_field = |token: &str| token.starts_with('{');
    let tokens: Vec<u64> = text
        .split('.')
        .map(|token| match token {
            "*" => STAR,
            ">" => TAIL,
            field if is_field(field) => STAR,
            // Never one of the wildcards.
            token => hash(token) | 1 << 63,
        })
        .collect();
    let wild = tokens.iter().any(|token| *token <= TAIL);
    let exact = if wild { 0 } else { hash(text) | 1 };
    let kafka = hash(&text.replace('_', "."));
    if text.contains('{') {
        let filter: Vec<_> = text.split('.').map(|token| if is_field(token) { "*" } else { token }).collect();
        let filter = filter.join(".");
        return quote!(#p::Hashed::template(#text, #filter, &[#(#tokens),*], #kafka));
    }
    quote!(#p::Hashed::new(#text, &[#(#tokens),*], #exact, #kafka))
}
