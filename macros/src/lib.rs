//! The macros of typebus. Use them through the crate `typebus`, where they are documented.

mod attr;
mod docs;
mod duration;
mod entries;
mod errors;
mod event;
mod event_set;
#[cfg(test)]
mod expansion;
mod field;
mod handler;
mod handler_error;
mod hash;
mod key;
mod nearest;
mod runtime;
mod service;
mod topic;
mod topology;

use proc_macro::TokenStream;

/// A type with a topic.
#[proc_macro_derive(Event, attributes(event))]
pub fn event(input: TokenStream) -> TokenStream {
    event::derive(input.into()).into()
}

/// Several events as one type.
#[proc_macro_derive(EventSet, attributes(event))]
pub fn event_set(input: TokenStream) -> TokenStream {
    event_set::derive(input.into()).into()
}

/// An error that says what becomes of the delivery.
#[proc_macro_derive(HandlerError, attributes(outcome))]
pub fn handler_error(input: TokenStream) -> TokenStream {
    handler_error::derive(input.into()).into()
}

/// A newtype that can be an event's key or id.
#[proc_macro_derive(Key, attributes(key))]
pub fn key(input: TokenStream) -> TokenStream {
    key::derive(input.into()).into()
}

/// A function that handles events.
#[proc_macro_attribute]
pub fn handler(args: TokenStream, item: TokenStream) -> TokenStream {
    handler::attribute(args.into(), item.into()).into()
}

/// The list of what a program handles and publishes.
#[proc_macro]
pub fn service(input: TokenStream) -> TokenStream {
    service::function(input.into()).into()
}

/// A system of services, checked as a whole.
#[proc_macro]
pub fn topology(input: TokenStream) -> TokenStream {
    topology::function(input.into()).into()
}
