//! The socket of `--listen`.

use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;

/// Listens on an address. `[::]` takes IPv4 too, and is `0.0.0.0` on a node without IPv6: so a pod is reached by whichever
/// of its addresses kubelet and Prometheus choose.
pub fn listen(address: SocketAddr) -> Result<TcpListener> {
    bind(address).or_else(|error| match without_ipv6(address, &error) {
        Some(ipv4) => bind(ipv4),
        None => Err(error),
    })
}

fn bind(address: SocketAddr) -> Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    // A process that is started again must not wait for what is left of the connections of the one before.
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(socket.into())
}

/// What to listen on instead where a node has no IPv6, as the error tells.
fn without_ipv6(address: SocketAddr, error: &Error) -> Option<SocketAddr> {
    // EAFNOSUPPORT, which std gives no kind of its own, or no address of the family.
    let missing = error.raw_os_error() == Some(97) || error.kind() == ErrorKind::AddrNotAvailable;
    (missing && address.is_ipv6() && address.ip().is_unspecified())
        .then(|| SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port())))
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream;

    use super::*;

    fn address(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_default_is_reached_by_both_families() {
        let listener = listen(address("[::]:0")).unwrap();
        let bound = listener.local_addr().unwrap();
        TcpStream::connect(("127.0.0.1", bound.port())).unwrap();
        if bound.is_ipv6() && TcpListener::bind("[::1]:0").is_ok() {
            TcpStream::connect(("::1", bound.port())).unwrap();
        }
    }

    #[test]
    fn a_node_without_ipv6_is_served_by_ipv4() {
        let unsupported = Error::from_raw_os_error(97);
        let nowhere = Error::from(ErrorKind::AddrNotAvailable);
        for error in [&unsupported, &nowhere] {
            assert_eq!(without_ipv6(address("[::]:8080"), error), Some(address("0.0.0.0:8080")));
            // Somebody who names an address gets this one or an error.
            assert_eq!(without_ipv6(address("[::1]:8080"), error), None);
            assert_eq!(without_ipv6(address("0.0.0.0:8080"), error), None);
        }
        assert_eq!(without_ipv6(address("[::]:8080"), &Error::from(ErrorKind::AddrInUse)), None);
    }
}
