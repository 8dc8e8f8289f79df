//! Whatever the cloud answers: decoding it takes, with the answer itself, at most four times its size, or 256 KiB for a
//! small one.
//!
//! The first byte chooses the call; the second one how often the rest is repeated, because what costs much is many.
#![no_main]

use cce_backup_watch::{
    api::ClusterType,
    cloud::{clusters, upgrades, wire},
};
use libfuzzer_sys::fuzz_target;
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// What a small answer may take.
const LEAST: usize = 256 * 1024;

fuzz_target!(|bytes: &[u8]| {
    let [call, times, rest @ ..] = bytes else { return };
    let before = ALLOCATED.current_usage();
    let mut body = Vec::with_capacity(rest.len() * usize::from(*times) * 64 + 32);
    match call % 3 {
        0 => body.extend_from_slice(rest),
        1 => {
            body.extend_from_slice(b"{\"items\":[0");
            for _ in 0..usize::from(*times) * 64 {
                body.push(b',');
                body.extend_from_slice(rest);
            }
            body.extend_from_slice(b"]}");
        }
        _ => {
            for _ in 0..usize::from(*times) * 64 {
                body.extend_from_slice(rest);
            }
        }
    }
    let most = before + LEAST.max(4 * body.capacity());
    ALLOCATED.reset_peak_usage();
    match call / 3 % 3 {
        0 => drop(wire::decode(&mut body)),
        1 => drop(upgrades::decode(&mut body)),
        _ => drop(clusters::decode(&mut body, ClusterType::Standard)),
    }
    assert!(ALLOCATED.peak_usage() <= most, "{} of {most}", ALLOCATED.peak_usage());
});
