//! A panic as a line of the log. The standard library would print several lines, with whatever text of others the message has, and
//! with a path of the machine that built the program.

use std::io::Write;
use std::panic::{PanicHookInfo, set_hook};

use super::stderr::Lines;

/// From now on each panic is one line: an event of the log, or one on standard error where no log was started.
pub fn are_lines() {
    set_hook(Box::new(|panic| {
        let (place, what) = told(panic);
        if tracing::dispatcher::has_been_set() {
            tracing::error!(place, "panicked: {what}");
        } else {
            let _ = write!(Lines, "panicked at {place}: {what}");
        }
    }));
}

fn told<'a>(panic: &'a PanicHookInfo<'_>) -> (String, &'a str) {
    let place = panic.location().map(|at| format!("{}:{}", within_crate(at.file()), at.line()));
    (place.unwrap_or_default(), panic.payload_as_str().unwrap_or("without a message"))
}

/// The path of a source file without what lies above its crate.
fn within_crate(path: &str) -> &str {
    let after = |marker: &str| {
        let (_, below) = path.split_once(marker)?;
        // The name of a registry's index, a checkout or a commit.
        Some(below.split_once('/')?.1)
    };
    after("/registry/src/").or_else(|| after("/git/checkouts/")).or_else(|| after("/rustc/")).unwrap_or_else(
        || {
            if path.starts_with('/') { path.rsplit('/').next().unwrap_or_default() } else { path }
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_no_path_of_the_machine_that_built_it() {
        for (path, shown) in [
            (
                "/home/me/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/kube-1.0.0/src/x.rs",
                "kube-1.0.0/src/x.rs",
            ),
            ("/home/me/.cargo/git/checkouts/kube-1a2b/3c4d/src/x.rs", "3c4d/src/x.rs"),
            (
                "/rustc/59807616e1fa2540724bfbac14d7976d7e4a3860/library/core/src/option.rs",
                "library/core/src/option.rs",
            ),
            ("/home/me/other/src/x.rs", "x.rs"),
            ("src/poll/driver.rs", "src/poll/driver.rs"),
        ] {
            assert_eq!(within_crate(path), shown);
        }
    }
}
