//! What is checked in and generated is current; `make generate` writes it.

mod crd;
mod metrics;
mod reference;

/// A file is what the code makes of it now. `make generate` sets UPDATE, and the file is written first.
fn is_current(file: &str, made: &str) {
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(file, made).unwrap();
    }
    let checked_in = std::fs::read_to_string(file).unwrap();
    assert!(checked_in == made, "{file} is out of date: run `make generate`");
}
