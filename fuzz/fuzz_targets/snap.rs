//! Any bytes as a snap, and as the assertions of one.
#![no_main]

#[path = "../input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| input::snap(bytes));
