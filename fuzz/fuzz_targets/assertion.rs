//! Any bytes as the assertions of a snap.
#![no_main]

#[path = "../input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| input::assertion(bytes));
