//! Whether nothing that is written as one shape could be read as another.

use super::Reading;
use crate::schema::shape::{Array, Kind, Object, Part, Shape};

/// Tags lie on top: what differs only deeper counts as alike.
const DEEPEST: usize = 4;

impl<'w, 'r> Reading<'_, 'w, 'r> {
    /// Whether the two have no message in common; `false` too where that is not known.
    pub(super) fn is_apart(&mut self, writes: &Shape<'w>, reads: &Shape<'r>, depth: usize) -> bool {
        match (&writes.kind, &reads.kind) {
            (Kind::Value(value), _) => reads.refuses(self.reads.document, value),
            (_, Kind::Value(value)) => writes.refuses(self.writes.document, value),
            (Kind::Number(writes), Kind::Number(reads)) => writes.range.is_apart(reads.range),
            (Kind::Text(writes), Kind::Text(reads)) => {
                is_shorter(writes.max, reads.min) || is_shorter(reads.max, writes.min)
            }
            (Kind::Array(writes), Kind::Array(reads)) => self.are_arrays_apart(writes, reads, depth),
            (Kind::Object(writes), Kind::Object(reads)) => self.are_objects_apart(writes, reads, depth),
            (one, other) => std::mem::discriminant(one) != std::mem::discriminant(other),
        }
    }

    fn are_arrays_apart(&mut self, writes: &Array<'w>, reads: &Array<'r>, depth: usize) -> bool {
        is_shorter(writes.max, reads.min)
            || is_shorter(reads.max, writes.min)
            || (0..writes.first.len().min(writes.min))
                .any(|index| self.are_parts_apart(writes.item(index), reads.item(index), depth))
    }

    fn are_objects_apart(&mut self, writes: &Object<'w>, reads: &Object<'r>, depth: usize) -> bool {
        let needed = reads.fields.iter().filter(|(_, field)| field.is_required);
        for (name, _) in needed {
            if writes.written(name).is_none_or(|part| self.writes.is_never(&part)) {
                return true;
            }
        }
        let written = writes.fields.iter().filter(|(_, field)| field.is_required || field.is_always_written);
        for (name, field) in written {
            if let Some(part) = reads.field(name)
                && self.are_parts_apart(&field.part, &part, depth)
            {
                return true;
            }
        }
        false
    }

    fn are_parts_apart(&mut self, writes: &Part<'w>, reads: &Part<'r>, depth: usize) -> bool {
        if depth == DEEPEST {
            return false;
        }
        let (writes, reads) = (self.writes.of(writes), self.reads.of(reads));
        !writes.is_cut
            && !reads.is_cut
            && writes
                .shapes
                .iter()
                .all(|one| reads.shapes.iter().all(|other| self.is_apart(one, other, depth + 1)))
    }
}

fn is_shorter(max: Option<usize>, min: usize) -> bool {
    max.is_some_and(|max| max < min)
}
