#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| typebus_fuzz::targets::kind(input));
