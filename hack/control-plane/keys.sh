# shellcheck shell=bash
#
# Of run.sh: the keys and certificates of a control plane, in the state directory $state, and the kubeconfigs with them.
#
# What run.sh has set looks unassigned to shellcheck.
# shellcheck disable=SC2154

readonly pki=$state/pki

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$pki/$1.key"; } # NAME

certificates=0
certify() { # NAME SUBJECT EXTENSIONS
  new_key "$1"
  certificates=$((certificates + 1))
  openssl req -new -key "$pki/$1.key" -subj "$2" -config "$pki/openssl.cnf" -out "$pki/$1.csr"
  openssl x509 -req -in "$pki/$1.csr" -CA "$pki/ca.crt" -CAkey "$pki/ca.key" -set_serial "$certificates" \
    -days 30 -sha256 -extfile "$pki/openssl.cnf" -extensions "$3" -out "$pki/$1.crt" 2>/dev/null
}

make_pki() {
  mkdir "$pki"
  # A complete configuration, because the extensions that openssl.cnf adds differ between systems.
  cat >"$pki/openssl.cnf" <<'EOF'
[req]
distinguished_name = nothing
[nothing]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign, digitalSignature
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
authorityKeyIdentifier = keyid
subjectAltName = IP:127.0.0.1, DNS:localhost, DNS:kubernetes, DNS:kubernetes.default, DNS:kubernetes.default.svc, IP:10.0.0.1
[client]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
authorityKeyIdentifier = keyid
EOF
  new_key ca
  openssl req -x509 -new -key "$pki/ca.key" -subj '/CN=cce-backup-watch test control plane' -days 30 -sha256 \
    -config "$pki/openssl.cnf" -extensions authority -out "$pki/ca.crt"
  certify apiserver /CN=kube-apiserver server
  certify admin /O=system:masters/CN=admin client
  certify kube-controller-manager /CN=system:kube-controller-manager client
  new_key service-accounts
  openssl pkey -in "$pki/service-accounts.key" -pubout -out "$pki/service-accounts.pub"
}

# All data is inline, so that the file works from anywhere and may be copied.
write_kubeconfig() { # FILE CERTIFICATE-NAME
  cat >"$1" <<EOF
apiVersion: v1
kind: Config
current-context: control-plane
contexts:
  - name: control-plane
    context: {cluster: control-plane, user: $2}
clusters:
  - name: control-plane
    cluster:
      server: $url
      certificate-authority-data: $(openssl base64 -A -in "$pki/ca.crt")
users:
  - name: $2
    user:
      client-certificate-data: $(openssl base64 -A -in "$pki/$2.crt")
      client-key-data: $(openssl base64 -A -in "$pki/$2.key")
EOF
}
