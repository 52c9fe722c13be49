//! The target `topic` for libFuzzer; what it tries stands in `typebus_fuzz::targets::topic`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| typebus_fuzz::targets::topic(input));
