//! Any bytes as a manifest.
#![no_main]

#[path = "../input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| input::manifest(bytes));
