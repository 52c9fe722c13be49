//! The target `json` for libFuzzer; what it tries stands in `typebus_fuzz::targets::json`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| typebus_fuzz::targets::json(input));
