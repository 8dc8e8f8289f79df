# shellcheck shell=bash

# A TCP port of loopback on which nothing listens. It is below the range from which the kernel takes the ports of outgoing connections.
free_port() {
  local port
  # A refused connection means that the port is free.
  while port=$((20000 + (RANDOM << 15 | RANDOM) % 10000)); do
    (exec 9<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { printf '%s' "$port"; return; }
  done
}
