//! JSON Schemas of events, draft 2020-12: what a change of one means to those who write and those who read.
