//! A service: what it publishes, and its handlers.

use maud::{Markup, html};
use typebus::manifest::{HandlerContract, Manifest};

use super::{anchor, event_link, found_by, markdown, policy, system::System, topic_link};

pub(super) fn card(manifest: &Manifest, system: &System<'_>) -> Markup {
    let service = manifest.service.as_str();
    html! {
        article.card.service-card id=(anchor("service:", service)) data-what="service"
            data-find=(found_by([service, manifest.description.as_deref().unwrap_or_default()])) {
            h3 { (service) }
            @if let Some(text) = &manifest.description { div.prose { (markdown::render(text)) } }
            @if !manifest.publishes.is_empty() {
                h4 { "Publishes" }
                p.chips { @for kind in &manifest.publishes { (event_link(kind, system)) " " } }
            }
            @if !manifest.handlers.is_empty() {
                h4 { "Handlers" }
                @for (name, contract) in &manifest.handlers { (handler(service, name, contract, system)) }
            }
            @if manifest.publishes.is_empty() && manifest.handlers.is_empty() {
                p.dim { "It publishes nothing and handles nothing." }
            }
        }
        "\n"
    }
}

fn handler(service: &str, name: &str, contract: &HandlerContract, system: &System<'_>) -> Markup {
    let id = anchor("handler:", &format!("{service}/{name}"));
    html! {
        section.handler id=(id) data-what="handler" data-find=(words(service, name, contract)) {
            details {
                summary {
                    h5 { (name) }
                    @if let Some(text) = &contract.description { p.lead { (markdown::first_line(text)) } }
                    div.takes {
                        @if contract.takes_any() {
                            "whatever comes on " @for topic in &contract.topics { code { (topic) } " " }
                        }
                        @for kind in &contract.events { (event_link(kind, system)) " " }
                        @if !contract.publishes.is_empty() {
                            span.arrow role="img" aria-label="publishes" { "→" }
                            @for kind in &contract.publishes { (event_link(kind, system)) " " }
                        }
                    }
                }
                div.body {
                    @if let Some(text) = &contract.description { div.prose { (markdown::render(text)) } }
                    dl.facts {
                        div { dt { "Group" } dd { (contract.group) } }
                        div {
                            dt { "Listens to" }
                            dd { @for topic in &contract.topics { (topic_link(topic, system)) " " } }
                        }
                        @for (fact, words) in policy::facts(contract, system) {
                            div { dt { (fact) } dd { (words) } }
                        }
                    }
                }
            }
        }
        "\n"
    }
}

fn words(service: &str, name: &str, contract: &HandlerContract) -> String {
    let one = [service, name, &contract.group];
    let texts = [contract.description.as_deref(), contract.dead_letter.as_deref()].into_iter().flatten();
    let lists = [&contract.topics, &contract.events, &contract.publishes];
    found_by(one.into_iter().chain(texts).chain(lists.into_iter().flatten().map(String::as_str)))
}
