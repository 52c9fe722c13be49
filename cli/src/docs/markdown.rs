//! Descriptions are documentation comments: Markdown, of which the harmless part is shown as such.

use maud::{Markup, PreEscaped};
use pulldown_cmark::{BrokenLink, Event, Options, Parser, Tag, TagEnd, html};

/// Paragraphs, lists, emphasis, code and links to the web or into the page. HTML is shown as it is written, a heading
/// is a strong line, and of an image its text stays.
pub(super) fn render(text: &str) -> Markup {
    let mut rendered = String::new();
    html::push_html(&mut rendered, harmless(text).into_iter());
    PreEscaped(rendered)
}

/// The first paragraph without its marks, for where there is a line.
pub(super) fn first_line(text: &str) -> String {
    let mut line = String::new();
    for event in harmless(text) {
        match event {
            Event::Text(text) | Event::Code(text) => line.push_str(&text),
            Event::SoftBreak | Event::HardBreak => line.push(' '),
            Event::End(TagEnd::Paragraph | TagEnd::Item | TagEnd::CodeBlock) if !line.is_empty() => break,
            _ => {}
        }
    }
    line
}

fn harmless(text: &str) -> Vec<Event<'_>> {
    // What rustdoc finds by its name, such as [`OrderPlaced`], has no address here: its text stays.
    let unknown = |_: BrokenLink<'_>| Some(("".into(), "".into()));
    let mut links = Vec::new();
    let mut kept = Vec::new();
    for event in Parser::new_with_broken_link_callback(text, Options::empty(), Some(unknown)) {
        let event = match event {
            Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
            Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
            Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
            Event::Start(Tag::Heading { .. }) => {
                kept.push(Event::Start(Tag::Paragraph));
                Event::Start(Tag::Strong)
            }
            Event::End(TagEnd::Heading(_)) => {
                kept.push(Event::End(TagEnd::Strong));
                Event::End(TagEnd::Paragraph)
            }
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => continue,
            Event::Start(Tag::Link { ref dest_url, .. }) => {
                let is_kept = is_harmless(dest_url);
                links.push(is_kept);
                if !is_kept {
                    continue;
                }
                event
            }
            Event::End(TagEnd::Link) => {
                if links.pop() != Some(true) {
                    continue;
                }
                event
            }
            other => other,
        };
        kept.push(event);
    }
    kept
}

/// Nothing that a browser would run, and nothing that depends on where the page lies.
fn is_harmless(address: &str) -> bool {
    let scheme = address.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    address.starts_with('#') || matches!(scheme.as_deref(), Some("http" | "https"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_common_in_comments_is_shown() {
        let text = "Takes *the* **money**, `cents`.\n\n- once\n- or [never](https://example.org/a?b=1&c)\n\n\
            ```json\n{\"a\": \"<b>\"}\n```";
        let shown = "<p>Takes <em>the</em> <strong>money</strong>, <code>cents</code>.</p>\n\
            <ul>\n<li>once</li>\n<li>or <a href=\"https://example.org/a?b=1&amp;c\">never</a></li>\n</ul>\n\
            <pre><code class=\"language-json\">{\"a\": \"&lt;b&gt;\"}\n</code></pre>\n";
        assert_eq!(render(text).into_string(), shown);
    }

    #[test]
    fn html_is_text() {
        for (text, shown) in [
            ("a <b onclick=x>c</b>", "<p>a &lt;b onclick=x&gt;c&lt;/b&gt;</p>\n"),
            ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
            ("<img src=x onerror=alert(1)>", "<p>&lt;img src=x onerror=alert(1)&gt;</p>\n"),
            ("![a](http://example.org/x.png)", "<p>a</p>\n"),
            ("# Heading\n## Another", "<p><strong>Heading</strong></p>\n<p><strong>Another</strong></p>\n"),
        ] {
            assert_eq!(render(text).into_string(), shown, "{text}");
        }
    }

    #[test]
    fn links_lead_to_the_web_or_into_the_page() {
        for (text, shown) in [
            ("[a](javascript:alert(1))", "<p>a</p>\n"),
            ("[a](JAVASCRIPT:alert(1))", "<p>a</p>\n"),
            ("[a](&#106;avascript:alert(1))", "<p>a</p>\n"),
            ("[a](data:text/html,x)", "<p>a</p>\n"),
            ("[a](//example.org)", "<p>a</p>\n"),
            ("[a](other.html)", "<p>a</p>\n"),
            ("<javascript:alert(1)>", "<p>javascript:alert(1)</p>\n"),
            ("[a](#order.placed.v2)", "<p><a href=\"#order.placed.v2\">a</a></p>\n"),
            ("[a](HTTPS://example.org)", "<p><a href=\"HTTPS://example.org\">a</a></p>\n"),
            ("[![a](x)](javascript:b)", "<p>a</p>\n"),
        ] {
            assert_eq!(render(text).into_string(), shown, "{text}");
        }
    }

    #[test]
    fn what_rustdoc_would_find_keeps_its_text() {
        assert_eq!(
            render("See [`Order`], [Order] and [it](crate::Order).").into_string(),
            "<p>See <code>Order</code>, Order and it.</p>\n"
        );
    }

    #[test]
    fn a_line_is_the_first_paragraph() {
        assert_eq!(first_line("Takes `the`\nmoney.\n\nEach once."), "Takes the money.");
        assert_eq!(first_line("- one\n- two"), "one");
        assert_eq!(first_line(""), "");
    }
}
