//! The target `kind` for libFuzzer; what it tries stands in `typebus_fuzz::targets::kind`.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| typebus_fuzz::targets::kind(input));
