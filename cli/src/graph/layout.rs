//! Where everything stands: boxes with rows, in columns from who publishes over the topics to who handles.

use super::{Graph, Handled};

/// Pixels of a letter; the font is monospaced, and the widest of those that may be there counts.
const LETTER: f64 = 7.9;
pub(super) const ROW: f64 = 22.0;
pub(super) const HEAD: f64 = 26.0;
const PADDING: f64 = 14.0;
const BETWEEN_BOXES: f64 = 18.0;
const BETWEEN_COLUMNS: f64 = 130.0;
pub(super) const MARGIN: f64 = 24.0;
/// Below the names of the columns.
pub(super) const TOP: f64 = 56.0;

/// The whole picture.
#[derive(Debug)]
pub(super) struct Layout<'a> {
    pub(super) columns: Vec<Column<'a>>,
    pub(super) edges: Vec<Edge>,
    pub(super) width: f64,
    pub(super) height: f64,
}

#[derive(Debug)]
pub(super) struct Column<'a> {
    pub(super) title: &'static str,
    pub(super) x: f64,
    pub(super) width: f64,
    pub(super) boxes: Vec<Block<'a>>,
}

#[derive(Debug)]
pub(super) struct Block<'a> {
    pub(super) title: &'a str,
    /// Which service's colour it has.
    pub(super) service: Option<usize>,
    pub(super) rows: Vec<Row<'a>>,
    pub(super) y: f64,
    /// Its place before it was moved: what edges name it by.
    nth: usize,
}

#[derive(Debug)]
pub(super) struct Row<'a> {
    pub(super) text: &'a str,
    /// What stands beside it, less loudly.
    pub(super) beside: String,
}

/// A row of a box of a column; without a row, its head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) column: usize,
    nth: usize,
    row: Option<usize>,
}

#[derive(Debug)]
pub(super) struct Edge {
    pub(super) from: Place,
    pub(super) to: Place,
    pub(super) service: usize,
    pub(super) is_dead_letter: bool,
}

impl<'a> Layout<'a> {
    pub(super) fn of(graph: &Graph<'a>) -> Self {
        let mut layout = Self { columns: columns(graph), edges: edges(graph), width: 0.0, height: 0.0 };
        layout.place();
        // A box goes to the middle of what it is joined with, so that fewer lines cross: forth, and back.
        for _ in 0..4 {
            for column in [1, 2, 3, 0] {
                layout.order(column);
            }
        }
        layout
    }

    /// Where an edge touches a box: the middle of a row.
    pub(super) fn y(&self, place: Place) -> f64 {
        let block = self.columns[place.column].boxes.iter().find(|block| block.nth == place.nth);
        block.map_or(0.0, |block| {
            #[expect(clippy::cast_precision_loss, reason = "nobody has that many rows")]
            let row = place.row.map_or(HEAD / 2.0, |row| HEAD + ROW * (row as f64 + 0.5));
            block.y + row
        })
    }

    fn order(&mut self, column: usize) {
        if column >= self.columns.len() {
            return;
        }
        let middle = |block: &Block<'_>| {
            let is_it = |place: Place| place.column == column && place.nth == block.nth;
            let (mut sum, mut count) = (0.0, 0.0);
            for edge in &self.edges {
                for (own, other) in [(edge.from, edge.to), (edge.to, edge.from)] {
                    if is_it(own) {
                        sum += self.y(other);
                        count += 1.0;
                    }
                }
            }
            // What is joined with nothing goes to the end.
            if count > 0.0 { sum / count } else { f64::INFINITY }
        };
        let mut order: Vec<_> =
            self.columns[column].boxes.iter().map(|block| (middle(block), block.nth)).collect();
        order.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
        let place = |block: &Block<'_>| order.iter().position(|(_, nth)| *nth == block.nth);
        self.columns[column].boxes.sort_by_key(place);
        self.place();
    }

    /// Gives everything its place, each column in the middle of the height.
    fn place(&mut self) {
        let tallest = self.columns.iter().map(Column::height).fold(0.0, f64::max);
        let mut x = MARGIN;
        for column in &mut self.columns {
            column.x = x;
            x += column.width + BETWEEN_COLUMNS;
            let mut y = TOP + (tallest - column.height()) / 2.0;
            for block in &mut column.boxes {
                block.y = y;
                y += block.height() + BETWEEN_BOXES;
            }
        }
        self.width = x - BETWEEN_COLUMNS + MARGIN;
        self.height = TOP + tallest + MARGIN;
    }
}

impl<'a> Column<'a> {
    fn new(title: &'static str, boxes: Vec<Block<'a>>) -> Self {
        let widest =
            boxes.iter().map(Block::letters).chain([title.chars().count()]).max().unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "no name is that long")]
        let width = widest as f64 * LETTER + 2.0 * PADDING;
        Self { title, x: 0.0, width: width.ceil(), boxes }
    }

    fn height(&self) -> f64 {
        let between = self.boxes.iter().skip(1).map(|_| BETWEEN_BOXES);
        self.boxes.iter().map(Block::height).chain(between).sum()
    }
}

impl<'a> Block<'a> {
    fn new(nth: usize, title: &'a str, service: Option<usize>, rows: Vec<Row<'a>>) -> Self {
        Self { title, service, rows, y: 0.0, nth }
    }

    pub(super) fn height(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "nobody has that many rows")]
        let rows = self.rows.len() as f64;
        HEAD + ROW * rows
    }

    fn letters(&self) -> usize {
        let row = |row: &Row<'_>| row.text.chars().count() + row.beside.chars().count() + 2;
        self.rows.iter().map(row).chain([self.title.chars().count()]).max().unwrap_or_default()
    }
}

fn columns<'a>(graph: &Graph<'a>) -> Vec<Column<'a>> {
    let row = |text: &'a str, beside: String| Row { text, beside };
    let publishers = graph.services.iter().enumerate().filter_map(|(nth, service)| {
        let rows: Vec<_> = publishing(graph, nth)
            .map(|handler| match handler {
                None => row("(the program)", String::new()),
                Some(handler) => row(service.handlers[handler].name, String::new()),
            })
            .collect();
        (!rows.is_empty()).then(|| Block::new(nth, service.name, Some(nth), rows))
    });
    let topics = graph.topics.iter().enumerate().map(|(nth, topic)| {
        let rows = topic.kinds.iter().map(|kind| row(kind, String::new())).collect();
        Block::new(nth, topic.name, None, rows)
    });
    let handlers = graph.services.iter().enumerate().filter(|(_, service)| !service.handlers.is_empty()).map(
        |(nth, service)| {
            let beside =
                |group: &str| if group == service.name { String::new() } else { format!("group {group}") };
            let rows =
                service.handlers.iter().map(|handler| row(handler.name, beside(handler.group))).collect();
            Block::new(nth, service.name, Some(nth), rows)
        },
    );
    let dead_letters =
        graph.dead_letters.iter().enumerate().map(|(nth, topic)| Block::new(nth, topic, None, Vec::new()));
    let mut columns = vec![
        Column::new("published by", publishers.collect()),
        Column::new("topics", topics.collect()),
        Column::new("handled by", handlers.collect()),
    ];
    if !graph.dead_letters.is_empty() {
        columns.push(Column::new("dead letters", dead_letters.collect()));
    }
    columns
}

/// The rows of a publisher: the program where it publishes, and every handler that does.
fn publishing(graph: &Graph<'_>, service: usize) -> impl Iterator<Item = Option<usize>> {
    let service = &graph.services[service];
    let program = (!service.publishes.is_empty()).then_some(None);
    let handlers = service.handlers.iter().enumerate().filter(|(_, handler)| !handler.publishes.is_empty());
    program.into_iter().chain(handlers.map(|(nth, _)| Some(nth)).collect::<Vec<_>>())
}

fn edges(graph: &Graph<'_>) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (nth, service) in graph.services.iter().enumerate() {
        let place = |column: usize, nth: usize, row: Option<usize>| Place { column, nth, row };
        let edge = |from: Place, to: Place| Edge { from, to, service: nth, is_dead_letter: false };
        for (row, handler) in publishing(graph, nth).enumerate() {
            let events = handler.map_or(&service.publishes, |handler| &service.handlers[handler].publishes);
            edges.extend(
                events
                    .iter()
                    .map(|event| edge(place(0, nth, Some(row)), place(1, event.topic, Some(event.kind)))),
            );
        }
        for (row, handler) in service.handlers.iter().enumerate() {
            let own = place(2, nth, Some(row));
            edges.extend(handler.handles.iter().map(|handled| match handled {
                Handled::Event(event) => edge(place(1, event.topic, Some(event.kind)), own),
                Handled::All(topic) => edge(place(1, *topic, None), own),
            }));
            edges.extend(
                handler
                    .dead_letter
                    .map(|topic| Edge { is_dead_letter: true, ..edge(own, place(3, topic, None)) }),
            );
        }
    }
    edges
}

#[cfg(test)]
mod tests {
    use typebus::manifest::Manifest;

    use super::*;

    fn samples() -> Vec<Manifest> {
        [
            include_str!("../../tests/manifests/billing.json"),
            include_str!("../../tests/manifests/shipping.json"),
            include_str!("../../tests/manifests/storefront.json"),
        ]
        .map(|text| text.parse().unwrap())
        .into()
    }

    #[test]
    fn nothing_overlaps_and_everything_fits() {
        let manifests = samples();
        let graph = Graph::of(&manifests, true);
        let layout = Layout::of(&graph);
        assert_eq!(layout.columns.len(), 4);
        for pair in layout.columns.windows(2) {
            assert!(pair[0].x + pair[0].width + 100.0 <= pair[1].x);
        }
        for column in &layout.columns {
            assert!(column.x + column.width + MARGIN <= layout.width);
            for pair in column.boxes.windows(2) {
                assert!(pair[0].y + pair[0].height() + 10.0 <= pair[1].y);
            }
            for block in &column.boxes {
                assert!(block.y >= TOP && block.y + block.height() + MARGIN <= layout.height);
                #[expect(clippy::cast_precision_loss, reason = "names are short")]
                let widest = block.letters() as f64 * LETTER;
                assert!(widest < column.width, "{}", block.title);
            }
        }
    }

    #[test]
    fn edges_touch_what_they_join() {
        let manifests = samples();
        let graph = Graph::of(&manifests, true);
        let layout = Layout::of(&graph);
        // billing's `charge` publishes both payments, and takes the order.
        let names = |place: Place| {
            let block =
                layout.columns[place.column].boxes.iter().find(|block| block.nth == place.nth).unwrap();
            (block.title, place.row.map_or("", |row| block.rows[row].text))
        };
        let edges: Vec<_> = layout.edges.iter().map(|edge| (names(edge.from), names(edge.to))).collect();
        for edge in [
            (("billing", "charge"), ("shop.payments", "payment.captured.v1")),
            (("shop.orders", "order.placed.v2"), ("billing", "charge")),
            (("storefront", "(the program)"), ("shop.orders", "order.placed.v2")),
            (("shipping.labels", ""), ("shipping", "archive")),
            (("shipping", "archive"), ("dead.archive", "")),
        ] {
            assert!(edges.contains(&edge), "{edge:?} is not in {edges:#?}");
        }
    }
}
