//! An image that is opened as a runtime opens it, from the archive that `hack/image.sh` makes.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::program;

/// An image.
pub struct Image {
    /// Its archive.
    pub archive: PathBuf,
    /// The index in the archive, which has one manifest.
    pub index: Value,
    /// What it says of itself.
    pub config: Value,
    /// The folder with its files.
    pub root: PathBuf,
    /// What is in that folder and is no folder itself, sorted.
    pub files: Vec<String>,
}

impl Image {
    /// Opens an OCI archive of one image in a folder of its own.
    pub fn open(archive: PathBuf, folder: &Path) -> Self {
        let (layout, root) = (folder.join("layout"), folder.join("root"));
        unpack(&archive, &layout);
        let read = |file: &Path| serde_json::from_slice::<Value>(&fs::read(file).unwrap()).unwrap();
        let blob = |descriptor: &Value| {
            let digest = descriptor["digest"].as_str().unwrap();
            layout.join("blobs").join(digest.replace(':', "/"))
        };
        let index = read(&layout.join("index.json"));
        let manifest = read(&blob(&index["manifests"][0]));
        for layer in manifest["layers"].as_array().unwrap() {
            unpack(&blob(layer), &root);
        }
        let found =
            program::run(Command::new("find").arg(&root).args(["!", "-type", "d", "-printf", "%P\n"]));
        let mut files: Vec<_> = found.stdout.lines().map(str::to_owned).collect();
        files.sort();
        Self { archive, config: read(&blob(&manifest["config"])), index, root, files }
    }
}

/// Unpacks a tar file, compressed or not.
fn unpack(archive: &Path, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let mut tar = Command::new("tar");
    tar.arg("--extract").arg("--file").arg(archive).arg("--directory").arg(folder);
    program::run(&mut tar).ended(0, "");
}
