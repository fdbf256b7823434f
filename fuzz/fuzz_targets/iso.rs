//! Any bytes as an installer's image, or a medium made of it.
#![no_main]

#[path = "../input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| input::iso(bytes));
