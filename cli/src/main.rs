//! The command `typebus`: schemas, documents, diagrams and checks of the contracts that services keep in
//! `typebus/<service>.json`.

fn main() {}
