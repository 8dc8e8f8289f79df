//! Runs an OCI registry on loopback, without TLS.

use std::{path::PathBuf, process::Command};

use crate::{
    program::{Server, tool},
    wait::{LIMIT, until},
};

/// Starts a registry that logs to this file: its port, and itself.
pub async fn start(log: PathBuf) -> (String, Server) {
    let mut command = Command::new(tool("registry"));
    command.args(["-port", "0"]);
    let server = Server::start(command, log);
    let port = until("the registry serves", LIMIT, async || {
        server.text().split_once("serving on port ")?.1.split_once('\n').map(|(port, _)| port.to_owned())
    });
    (port.await, server)
}
