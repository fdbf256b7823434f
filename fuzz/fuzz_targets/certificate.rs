//! Any bytes as a certificate, a secret, or something packed.
#![no_main]

#[path = "../input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| input::certificate(bytes));
