//! What was released is run: the binary of an architecture, which the image on the mirror and the archive share, here or by QEMU
//! where it is for another machine.

use std::{env::consts::ARCH, fs, process::Command};

use cbw_testkit::{
    program::run,
    scene::{ACCESS_KEY, CLUSTER, PROJECT, REGION, SECRET_KEY},
    setup::new_cloud,
    trial::skip,
};

use super::{
    images,
    released::{Release, VERSION},
};

/// The binary for an architecture tells its version and the definition of the release, and polls a cloud.
pub async fn works(release: &Release, architecture: &str) {
    if images().is_empty() || !release.folder.join("context").join(architecture).is_dir() {
        skip(&format!("CBW_IMAGES names no image for {architecture}"));
    }
    let script = r#"
    unpack image docker://$MIRROR/$IMAGE:$VERSION --src-tls-verify=false --override-os linux --override-arch ARCHITECTURE
    mkdir archive
    tar --extract --file ../dist/cce-backup-watch-$VERSION-linux-ARCHITECTURE.tar.gz --directory archive
    cmp archive/cce-backup-watch image/cce-backup-watch
    cmp archive/LICENSE "$ROOT"/LICENSE"#;
    release
        .runs(&format!(
            "rm -rf {architecture}; mkdir {architecture}; cd {architecture}{}",
            script.replace("ARCHITECTURE", architecture)
        ))
        .ended(0, "");
    let binary = release.folder.join(architecture).join("archive/cce-backup-watch").display().to_string();
    let program = [runner(architecture), vec![binary]].concat();
    let runs = |arguments: &[&str], secret_key: &str| {
        let mut command = Command::new(&program[0]);
        command.args(&program[1..]).args(arguments);
        run(command.env("HUAWEICLOUD_SDK_AK", ACCESS_KEY).env("HUAWEICLOUD_SDK_SK", secret_key))
    };
    assert_eq!(runs(&["--version"], "").stdout, format!("cce-backup-watch {VERSION}\n"));
    let definition = fs::read_to_string(release.folder.join("dist/clusterbackupwatches.yaml")).unwrap();
    assert!(runs(&["crd"], "").stdout == definition, "the release has another definition");

    let cloud = new_cloud().await;
    let endpoint = format!("{REGION}={}", cloud.url());
    let place = ["--region", REGION, "--region-endpoint", &endpoint, "--project-id", PROJECT];
    let tasks = [&["tasks"], &place[..], &["--cluster-id", CLUSTER]].concat();
    runs(&tasks, SECRET_KEY).ended(0, "");
    // A wrong key is known as one.
    runs(&tasks, "WRONG").ended(3, "");
}

/// What runs a binary of an architecture on this machine.
fn runner(architecture: &str) -> Vec<String> {
    let machine = if architecture == "arm64" { "aarch64" } else { "x86_64" };
    if machine == ARCH {
        return vec![];
    }
    let mut programs = [format!("qemu-{machine}"), format!("qemu-{machine}-static")].into_iter();
    let found = programs.find(|program| Command::new(program).arg("--version").output().is_ok());
    vec![found.unwrap_or_else(|| skip(&format!("this machine is {ARCH} and has no qemu-user")))]
}
