//! Any bytes as a disk that QEMU stores.
#![no_main]

#[path = "../input.rs"]
mod input;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| input::qcow2(bytes));
