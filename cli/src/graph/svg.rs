//! As a picture that needs nothing else: no font, no script, no other file.

use std::fmt::Write as _;

use super::{
    Graph,
    layout::{Block, Column, Edge, HEAD, Layout, MARGIN, ROW},
};

/// Colours of services, in light and in dark; they come again where there are more.
const COLOURS: [(&str, &str); 8] = [
    ("#1f6feb", "#58a6ff"),
    ("#1a7f37", "#3fb950"),
    ("#9a6700", "#d29922"),
    ("#8250df", "#bc8cff"),
    ("#bf3989", "#f778ba"),
    ("#bc4c00", "#ff9b52"),
    ("#0b7285", "#39c5cf"),
    ("#57606a", "#8b949e"),
];

pub(super) fn write(graph: &Graph<'_>) -> String {
    draw(graph, &style())
}

/// Without the style that is its own, for a page whose style has it too.
pub(super) fn write_inline(graph: &Graph<'_>) -> String {
    draw(graph, "")
}

fn draw(graph: &Graph<'_>, style: &str) -> String {
    let layout = Layout::of(graph);
    let services = graph.services.iter().map(|service| service.name).collect::<Vec<_>>().join(", ");
    let mut text = head(&layout, &services, style);
    // Lines lie under the boxes.
    for edge in &layout.edges {
        line(edge, &layout, &mut text);
    }
    for (nth, column) in layout.columns.iter().enumerate() {
        let _ = writeln!(
            text,
            r#"<text class="column" x="{}" y="{MARGIN_TEXT}">{}</text>"#,
            column.x,
            escaped(column.title),
            MARGIN_TEXT = MARGIN + 10.0
        );
        for block in &column.boxes {
            boxed(block, column, nth, &mut text);
        }
    }
    text.push_str("</svg>\n");
    text
}

fn head(layout: &Layout<'_>, services: &str, style: &str) -> String {
    let Layout { width, height, .. } = layout;
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">
<title>{title}</title>
{style}<rect class="page" width="{width}" height="{height}" rx="8"/>
"#,
        title = escaped(&format!("Who publishes and who handles what: {services}")),
    )
}

fn style() -> String {
    let colours = |dark: bool| {
        let all = COLOURS
            .iter()
            .enumerate()
            .map(|(nth, (light, night))| format!("--c{nth}:{};", if dark { night } else { light }));
        all.collect::<String>()
    };
    let classes: String = (0..COLOURS.len())
        .map(|nth| format!(".s{nth}{{stroke:var(--c{nth})}}.f{nth}{{fill:var(--c{nth})}}"))
        .collect();
    format!(
        r#"<style>
svg{{--page:#ffffff;--box:#f6f8fa;--line:#afb8c1;--text:#1f2328;--quiet:#59636e;{light}}}
@media(prefers-color-scheme:dark){{svg{{--page:#0d1117;--box:#161b22;--line:#3d444d;--text:#f0f6fc;--quiet:#9198a1;{dark}}}}}
text{{font:13px ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;fill:var(--text)}}
.column,.beside{{fill:var(--quiet)}}.head{{font-weight:600}}
.page{{fill:var(--page)}}.box{{fill:var(--box);stroke:var(--line)}}.rule{{stroke:var(--line)}}
.edge{{fill:none;stroke-width:1.6;opacity:.75}}.dead{{stroke-dasharray:4 4;opacity:.55}}
{classes}
</style>
"#,
        light = colours(false),
        dark = colours(true),
    )
}

fn line(edge: &Edge, layout: &Layout<'_>, text: &mut String) {
    let from = &layout.columns[edge.from.column];
    let (x1, y1) = (from.x + from.width, layout.y(edge.from));
    let (x2, y2) = (layout.columns[edge.to.column].x, layout.y(edge.to));
    let bend = (x2 - x1) / 2.0;
    let colour = edge.service % COLOURS.len();
    let dead = if edge.is_dead_letter { " dead" } else { "" };
    // The tip ends where the box begins.
    let tip = x2 - 6.0;
    let _ = writeln!(
        text,
        r#"<path class="edge s{colour}{dead}" d="M{x1} {y1}C{} {y1} {} {y2} {tip} {y2}"/><path class="f{colour}" d="M{x2} {y2}l-8 -4v8z"/>"#,
        x1 + bend,
        x2 - bend,
    );
}

fn boxed(block: &Block<'_>, column: &Column<'_>, nth: usize, text: &mut String) {
    let (x, y, width, height) = (column.x, block.y, column.width, block.height());
    let _ = writeln!(text, r#"<rect class="box" x="{x}" y="{y}" width="{width}" height="{height}" rx="5"/>"#);
    if let Some(service) = block.service {
        // On the side where its lines are.
        let side = if nth == 0 { x + width - 4.0 } else { x };
        let colour = service % COLOURS.len();
        let _ = writeln!(
            text,
            r#"<rect class="f{colour}" x="{side}" y="{y}" width="4" height="{height}" rx="2"/>"#
        );
    }
    let left = x + 12.0;
    let _ = writeln!(
        text,
        r#"<text class="head" x="{left}" y="{}">{}</text>"#,
        y + HEAD - 8.0,
        escaped(block.title)
    );
    if !block.rows.is_empty() {
        let below = y + HEAD;
        let _ = writeln!(text, r#"<path class="rule" d="M{x} {below}h{width}"/>"#);
    }
    let mut base = y + HEAD + ROW - 7.0;
    for row in &block.rows {
        let _ = writeln!(text, r#"<text x="{left}" y="{base}">{}</text>"#, escaped(row.text));
        if !row.beside.is_empty() {
            let right = x + width - 12.0;
            let beside = escaped(&row.beside);
            let _ = writeln!(
                text,
                r#"<text class="beside" x="{right}" y="{base}" text-anchor="end">{beside}</text>"#
            );
        }
        base += ROW;
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
