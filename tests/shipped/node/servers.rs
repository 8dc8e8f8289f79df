//! A node: containerd, a kubelet, a scheduler and kube-proxy, on the control plane that the tests share, with the images and the
//! namespaces that `hack/test-node.sh` made. What their files need to know is in its variables `NODE_…`.

use std::{env, fs, path::Path, process::Command};

use cbw_testkit::{
    chart,
    cluster::Cluster,
    program::{Ran, Server, folder, run},
    wait::{LIMIT, holds},
};

const NETWORK: &str = r#"{"cniVersion": "1.0.0", "name": "node", "plugins": [{"type": "ptp", "ipam": {
  "type": "host-local", "ranges": [[{"subnet": "NODE_NETWORK"}]], "routes": [{"dst": "0.0.0.0/0"}]}}]}"#;
/// The conntrack flags of kube-proxy are 0, so that it leaves the machine's limits of connection tracking alone.
const PROXY: &str = "--hostname-override=node --proxy-mode=iptables --cluster-cidr=NODE_NETWORK --conntrack-max-per-core=0 \
    --conntrack-min=0 --conntrack-tcp-timeout-established=0 --conntrack-tcp-timeout-close-wait=0 --kubeconfig=KUBECONFIG";
const DNS: &str = "--keep-in-foreground --log-facility=- --conf-file=/dev/null --user=root --pid-file= --no-resolv --no-hosts \
    --bind-interfaces --listen-address=NODE_ADDRESS --local=/local/ --local=/svc/";

/// Starts the programs of a node, and waits until it is ready and has the image by the name that the chart asks for.
pub async fn start(cluster: &Cluster) -> Vec<Server> {
    let node = Path::new("/run/node");
    for (file, text) in [
        ("containerd.toml", include_str!("containerd.toml")),
        ("cni/node.conflist", NETWORK),
        ("kubelet.yaml", include_str!("kubelet.yaml")),
    ] {
        fs::write(node.join(file), filled(text)).unwrap();
    }

    let mut servers = vec![serve("containerd", "--config=/run/node/containerd.toml")];
    holds("containerd answers", LIMIT, async || ctr(&["version"]).code == Some(0)).await;
    for archive in ["NODE_IMAGE_ARCHIVE", "NODE_PAUSE_ARCHIVE"] {
        ctr(&["images", "import", &variable(archive)]).ended(0, "");
    }
    let images = ctr(&["images", "list", "--quiet"]).stdout;
    for image in [chart::image(), variable("NODE_PAUSE")] {
        assert!(images.lines().any(|name| name == image), "{image} is not one of the images:\n{images}");
    }

    // The kubelet uses the admin's kubeconfig, because the chart's pod is tested here and not the permissions of nodes.
    servers.push(serve(
        "kubelet",
        "--root-dir=/run/node/kubelet --config=/run/node/kubelet.yaml --kubeconfig=KUBECONFIG --hostname-override=node --node-ip=NODE_ADDRESS",
    ));
    servers.push(serve("kube-scheduler", "--kubeconfig=KUBECONFIG --leader-elect=false --secure-port=0"));
    servers.push(serve("kube-proxy", PROXY));
    for condition in ["create", "condition=Ready"] {
        let condition = format!("--for={condition}");
        cluster.kubectl("", &["wait", "node/node", &condition, "--timeout=2m"], "").unwrap();
    }
    servers
}

/// Starts a DNS server that knows only this name.
pub fn dns(name: &str, address: &str) -> Server {
    serve("dnsmasq", &format!("{DNS} --host-record={name},{address}"))
}

/// Starts a program of the node with these flags.
fn serve(name: &str, flags: &str) -> Server {
    let mut command = Command::new(name);
    command.args(flags.split_whitespace().map(filled));
    Server::start(command, folder().join(format!("{name}.log")))
}

fn ctr(arguments: &[&str]) -> Ran {
    run(Command::new("ctr").args(["--namespace", "k8s.io"]).args(arguments))
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("hack/test-node.sh sets {name}"))
}

/// The text with the values of the variables in it.
fn filled(text: &str) -> String {
    ["KUBECONFIG", "NODE_ADDRESS", "NODE_BIN", "NODE_CGROUP", "NODE_NETWORK", "NODE_PAUSE"]
        .iter()
        .fold(text.to_owned(), |text, name| text.replace(name, &variable(name)))
}
