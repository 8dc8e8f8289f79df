//! The files of a crate import one way, because files that import in a circle can be read, tested and moved only as a whole.
//!
//! The paths that begin with `crate::` or `super::` are read as text, tests aside. A path leads to the file of the
//! longest module that it names: what a folder exports anew belongs to its `mod.rs`. A file and the `mod.rs` above it are one
//! house, so arrows between these do not count.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

type Names = Vec<String>;

/// The sources below a folder without their tests, by module path.
fn sources(folder: &Path, module: &Names, found: &mut Vec<(Names, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let (path, mut module) = (entry.unwrap().path(), module.clone());
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let is_source = path.extension().is_some_and(|extension| extension == "rs") && name != "tests";
        if !["mod", "lib", "main"].contains(&name.as_str()) {
            module.push(name);
        }
        if path.is_dir() {
            sources(&path, &module, found);
        } else if is_source {
            let text = fs::read_to_string(path).unwrap();
            let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
            found.push((module, code.collect::<String>()));
        }
    }
}

/// The paths of a text that follows `from`, such as `a::{b, c::d}`: each with its names after those of `from`.
fn paths(mut text: &str, from: &Names, found: &mut Vec<Names>) -> usize {
    let (length, mut path) = (text.len(), from.clone());
    loop {
        text = text.trim_start();
        let word = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
        match (&text[..word], text.strip_prefix('{')) {
            ("", Some(mut group)) => {
                while !group.starts_with('}') {
                    group = &group[paths(group, &path, found)..];
                    group = group.trim_start().trim_start_matches(',').trim_start();
                }
                return length - group.len() + 1;
            }
            ("super", _) => drop(path.pop()),
            ("self" | "", _) => {}
            (name, _) => path.push(name.to_owned()),
        }
        text = text[word..].strip_prefix('*').unwrap_or(&text[word..]);
        let Some(rest) = text.strip_prefix("::") else { break };
        text = rest;
    }
    found.push(path);
    let alias = text.strip_prefix(" as ").map_or(text, |text| text.trim_start_matches(char::is_alphanumeric));
    length - alias.len()
}

#[test]
fn no_files_import_in_a_circle() {
    let mut circles = Vec::new();
    for root in ["src", "simulator/src", "bench/src", "histories/src", "testkit/src"] {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(root), &Names::new(), &mut files);
        let modules: BTreeSet<Names> =
            files.iter().map(|(module, _)| module.clone()).filter(|module| !module.is_empty()).collect();
        let mut arrows = BTreeMap::<Names, BTreeSet<Names>>::new();
        for (module, code) in &files {
            let mut used = Vec::new();
            for (start, first) in [("crate::", &Names::new()), ("super::", module)] {
                for (at, _) in code.match_indices(start).filter(|(at, _)| !code[..*at].ends_with("::")) {
                    let rest = if start == "crate::" { at + start.len() } else { at };
                    paths(&code[rest..], first, &mut used);
                }
            }
            for path in used {
                let found = (1..=path.len()).rev().find_map(|n| modules.get(&path[..n]));
                if let Some(found) = found.filter(|f| !module.starts_with(f) && !f.starts_with(module)) {
                    arrows.entry(module.clone()).or_default().insert(found.clone());
                }
            }
        }
        // A module that uses none of the rest is in no circle; what is left once all of these are gone is.
        while let Some(free) = modules.iter().find(|&module| {
            arrows.contains_key(module) && arrows[module].iter().all(|used| !arrows.contains_key(used))
        }) {
            arrows.remove(free);
        }
        let arrows = arrows.iter().flat_map(|(from, to)| to.iter().map(move |to| (from, to)));
        circles.extend(arrows.map(|(from, to)| format!("{root}: {} -> {}", from.join("::"), to.join("::"))));
    }
    assert!(
        circles.is_empty(),
        "these modules import in a circle, or use ones that do:\n{}",
        circles.join("\n")
    );
}
