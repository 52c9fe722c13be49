//! What a program sees of the bus, through the public API.

mod smoke;
