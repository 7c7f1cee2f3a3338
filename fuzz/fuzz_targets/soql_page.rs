#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| postrider::source::salesforce::fuzz::page(data));
