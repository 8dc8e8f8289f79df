# shellcheck shell=bash
#
# Of hack/test-release.sh: the authority that Sigstore is for a release, made up in $scratch, and what is signed with its certificates.

# Gives the certificate that Fulcio would give the release workflow: its address as the subject, and who vouches for it.
authority_certifies() { # SUBJECT ISSUER NAME
  cat >"$scratch/$3.cnf" <<END
[leaf]
keyUsage = critical, digitalSignature
extendedKeyUsage = codeSigning
subjectAltName = critical, URI:$1
1.3.6.1.4.1.57264.1.8 = ASN1:UTF8String:$2
END
  openssl ecparam -name prime256v1 -genkey -noout -out "$scratch/$3.ec" &&
    openssl req -new -key "$scratch/$3.ec" -subj / -out "$scratch/$3.csr" &&
    openssl x509 -req -in "$scratch/$3.csr" -CA "$scratch/ca.crt" -CAkey "$scratch/ca.key" -days 1 -out "$scratch/$3.crt" \
      -extfile "$scratch/$3.cnf" -extensions leaf &&
    openssl pkcs8 -topk8 -nocrypt -in "$scratch/$3.ec" -out "$scratch/$3.pem" &&
    cosign import-key-pair --key "$scratch/$3.pem" --output-key-prefix "$scratch/$3" --yes
}
authority_is_made() {
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj '/O=made up/CN=authority' -keyout "$scratch/ca.key" \
    -out "$scratch/ca.crt" -addext 'keyUsage = critical, keyCertSign' -addext 'basicConstraints = critical, CA:TRUE' &&
    cosign trusted-root create --fulcio "url=https://authority.invalid,certificate-chain=$scratch/ca.crt" --out "$scratch/trusted-root.json" &&
    cosign signing-config create --out "$scratch/signing-config.json"
}
signing() { # NAME COMMAND...
  "${@:2}" --yes --key "$scratch/$1.key" --certificate "$scratch/$1.crt" --signing-config "$scratch/signing-config.json" \
    --trusted-root "$scratch/trusted-root.json"
}
signs() { # NAME REPOSITORY:TAG
  signing "$1" cosign sign --allow-http-registry "$origin/${2%:*}@$(digest "$2")"
}
signs_file() { # NAME
  (cd "$scratch/dist" && signing "$1" cosign sign-blob --bundle checksums.txt.sigstore.json checksums.txt)
}
