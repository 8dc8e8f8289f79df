//! The image: what is in it, and whether its binary works as a kubelet runs it, with a read-only root and as the image's user, on
//! a control plane and a cloud behind TLS.
//!
//! `hack/image.sh` makes it, with the binary that `CBW_PROFILE` names.

mod dns;

use std::{env, fs, io::ErrorKind, path::Path, process::Command, sync::LazyLock};

use cbw_testkit::{
    chart,
    image::Image,
    operator::Operator,
    program::{self, ROOT, folder},
    scene::{ACCOUNT, REGION, Scene},
    tls::Tls,
    trial::{Test, each, skip},
};
use serde_json::json;

/// A host name that only the hosts file or the DNS server of a case resolves.
const CLOUD: &str = "cce.image.test";
/// Where that server listens: an address of loopback at which no system has a resolver of its own.
const RESOLVER: &str = "127.0.0.153";
/// The hosts file of a container that names nothing else.
const HOSTS: &str = "127.0.0.1 localhost\n";
/// The user of the image, and the group that the image's /etc/passwd gives it.
const NOBODY: &str = "65532";
/// What an archive has at most, in bytes.
const LIMIT: u64 = 25 * 1024 * 1024;

/// The cases of this part.
pub fn tests() -> Vec<Test> {
    type Shows = fn(&Image);
    let of_the_image: [(&str, Shows); 5] = [
        ("it is below 25 MiB", is_small),
        ("it holds the binary, authorities, its user and the licence, and nothing else", holds_no_more),
        ("it starts the operator as no root, by number", starts_as_no_root),
        ("an import has the name that the chart asks for", has_the_name_of_the_chart),
        ("the binary tells what it is made of", tells_what_it_is_made_of),
    ];
    let of_the_image =
        of_the_image.map(|(name, shows)| Test::without_scene(name.to_owned(), async move || shows(image())));
    let running = each![
        it_runs,
        it_follows_a_backup_over_tls_with_the_name_from_etc_hosts,
        it_follows_a_backup_over_tls_with_the_name_by_dns,
    ];
    let packed = Test::without_scene(
        "a binary is packed for its own machine".to_owned(),
        is_packed_for_its_own_machine,
    );
    of_the_image.into_iter().chain(running).chain([packed]).collect()
}

/// The image, which the first case makes that asks for it.
fn image() -> &'static Image {
    static IMAGE: LazyLock<Option<Image>> = LazyLock::new(|| {
        let made = program::run(&mut image_sh());
        if made.code == Some(3) {
            return None;
        }
        made.ended(0, "");
        Some(Image::open(Path::new(ROOT).join(made.stdout.trim()), &folder().join("image")))
    });
    IMAGE.as_ref().unwrap_or_else(|| {
        skip("this machine can make no image: it gives no user namespace to buildah and runs no Docker")
    })
}

/// The script that makes it, without what cargo tells a test: ring would be compiled anew for another package.
fn image_sh() -> Command {
    let mut script = Command::new(Path::new(ROOT).join("hack/image.sh"));
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            script.env_remove(&name);
        }
    }
    script
}

fn is_small(image: &Image) {
    let size = image.archive.metadata().unwrap().len();
    assert!(size < LIMIT, "{size} bytes");
}

fn holds_no_more(image: &Image) {
    let files = ["LICENSE", "cce-backup-watch", "etc/passwd", "etc/ssl/certs/ca-certificates.crt"];
    assert_eq!(image.files, files);
}

fn starts_as_no_root(image: &Image) {
    let config = &image.config["config"];
    assert_eq!(config["User"], format!("{NOBODY}:{NOBODY}"));
    assert_eq!(config["Entrypoint"], json!(["/cce-backup-watch"]));
    // A kubelet may pass the user alone. The runtime then takes the group of the image's /etc/passwd, or else root.
    let users = fs::read_to_string(image.root.join("etc/passwd")).unwrap();
    let user = users.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|user| user[2] == NOBODY);
    assert_eq!(user.unwrap()[3], NOBODY);
}

fn has_the_name_of_the_chart(image: &Image) {
    let asked = chart::image();
    // containerd takes the name of an imported image from one annotation, podman and skopeo from the other.
    let annotations = &image.index["manifests"][0]["annotations"];
    let names =
        ["org.opencontainers.image.ref.name", "io.containerd.image.name"].map(|name| &annotations[name]);
    assert!(names.iter().any(|name| **name == *asked), "{asked} is none of {names:?}");
}

fn tells_what_it_is_made_of(image: &Image) {
    // cargo-auditable leaves the list of dependencies in a section of its own.
    let binary = image.root.join("cce-backup-watch");
    program::run(Command::new("readelf").args(["--sections", "--wide"]).arg(binary)).ended(0, ".dep-v0");
}

/// Runs the binary as a kubelet does: with a read-only root, no privileges, and the files that every container gets. The network is
/// this machine's, because the control plane listens on loopback. The files of the run are at their own place.
fn container(scene: &Scene, hosts: &str, resolv: &str) -> Command {
    let image = image();
    let namespaces =
        Command::new("bwrap").args(["--unshare-user", "--ro-bind", "/", "/", "--", "true"]).output();
    if !namespaces.unwrap().status.success() {
        // Some systems, GitHub's machines among them, give them to nobody but root.
        skip("this machine gives no user namespace");
    }
    let file = |name: &str, text: &str| {
        let file = folder().join(format!("{}-{name}", scene.test));
        fs::write(&file, text).unwrap();
        file
    };
    let (files, hosts, resolv) = (folder(), file("hosts", hosts), file("resolv.conf", resolv));
    let mut bwrap = Command::new("bwrap");
    bwrap.args(["--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--die-with-parent"]);
    bwrap.args(["--new-session", "--cap-drop", "ALL", "--uid", NOBODY, "--gid", NOBODY]);
    bwrap.arg("--bind").arg(&image.root).args(["/", "--proc", "/proc", "--dev", "/dev"]);
    for (ours, theirs) in
        [(&hosts, Path::new("/etc/hosts")), (&resolv, Path::new("/etc/resolv.conf")), (&files, &files)]
    {
        bwrap.arg("--ro-bind").args([ours, theirs]);
    }
    bwrap.args(["--remount-ro", "/", "--", "/cce-backup-watch"]).env_clear().env("HOSTNAME", "image-test");
    bwrap
}

async fn it_runs(scene: Scene) {
    program::run(container(&scene, HOSTS, "").arg("--version")).ended(0, "cce-backup-watch ");
}

async fn it_follows_a_backup_over_tls_with_the_name_from_etc_hosts(scene: Scene) {
    follows(&scene, container(&scene, &format!("{HOSTS}127.0.0.1 {CLOUD}\n"), "")).await;
}

async fn it_follows_a_backup_over_tls_with_the_name_by_dns(scene: Scene) {
    let container = container(&scene, HOSTS, &format!("nameserver {RESOLVER}\n"));
    let _dns = match dns::serve(RESOLVER, CLOUD).await {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            skip("this machine lets nobody but root listen on the port of DNS");
        }
        server => server.unwrap(),
    };
    follows(&scene, container).await;
}

/// Runs the controller in a container until it has seen the end of a backup.
async fn follows(scene: &Scene, mut container: Command) {
    let cloud = Tls::start(&scene.cloud, CLOUD).await;
    let authority = folder().join(format!("{}-ca.crt", scene.test));
    fs::copy(cloud.ca_file(), &authority).unwrap();
    container
        .args(["controller", "--watch-namespace", &scene.namespace, "--listen", "127.0.0.1:0"])
        .args(["--region-endpoint", &format!("{REGION}={}", cloud.url())])
        .arg("--ca-file")
        .arg(authority);
    scene.task("Running", 40);
    let _operator = Operator::run(container, None, scene, ACCOUNT).await;
    scene.watch("prod", json!({})).await;
    scene.shows("prod", "40 %", |status| status.progress == Some(40)).await;
    scene.task("Success", 100);
    scene.shows("prod", "Success", |status| status.phase.as_deref() == Some("Success")).await;
}

/// A binary for another machine is packed for that machine, and not for the one that packs it: nodes with Kunpeng processors are arm64.
async fn is_packed_for_its_own_machine() {
    for (machine, number) in [("amd64", 62), ("arm64", 183), ("riscv64", 243)] {
        let target = folder().join(machine);
        fs::create_dir_all(&target).unwrap();
        let binary = target.join("binary");
        // The header of an ELF file of 64 bits, and nothing else: what it is for is all that counts here.
        let mut header = [0; 64];
        header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        (header[16], header[18], header[20], header[52]) = (2, number, 1, 64);
        fs::write(&binary, header).unwrap();
        let mut script = image_sh();
        script.arg("--context").env("CBW_BINARY", &binary).env("CARGO_TARGET_DIR", &target);
        let packed = program::run(script.env_remove("CBW_PROFILE"));
        if machine == "riscv64" {
            packed.ended(1, "images are made for amd64 and arm64");
            continue;
        }
        packed.ended(0, "");
        let context = fs::read_dir(packed.stdout.trim()).unwrap().map(|entry| entry.unwrap().path());
        let folders: Vec<_> = context.filter(|path| path.is_dir()).collect();
        assert_eq!(folders, [target.join("image/context").join(machine)]);
        assert!(folders[0].join("cce-backup-watch").is_file());
    }
}
