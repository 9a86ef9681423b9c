#!/usr/bin/env bash
# Makes the certificates and keys of the tests anew. They protect nothing. They are committed, so
# that no test depends on openssl or on a crate that makes certificates; and their dates are fixed,
# so that a test can set its clock before, within and after them.
set -euo pipefail
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

authority() { # NAME: makes an authority, whose key is not kept
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/$1.key"
    : >"$work/$1.index"
    openssl req -new -key "$work/$1.key" -subj "/CN=$1 of the tests" -out "$work/$1.csr"
    signed "$1" "$1" 20000101000000Z 21000101000000Z -selfsign \
        "basicConstraints=critical,CA:TRUE" "keyUsage=critical,keyCertSign,cRLSign"
}

signed() { # NAME AUTHORITY FROM TO [-selfsign] EXTENSION..
    local name=$1 authority=$2 from=$3 to=$4 issuer
    shift 4
    if [ "$1" = -selfsign ]; then
        issuer=(-selfsign)
        shift
    else
        issuer=(-cert "$authority.pem")
    fi
    printf '%s\n' "$@" >"$work/extensions"
    cat >"$work/ca.conf" <<END
[ca]
default_ca = it
[it]
new_certs_dir = $work
database = $work/$authority.index
default_md = sha256
policy = any
rand_serial = yes
unique_subject = no
[any]
commonName = supplied
END
    openssl ca -batch -notext -config "$work/ca.conf" -keyfile "$work/$authority.key" \
        "${issuer[@]}" -startdate "$from" -enddate "$to" -extfile "$work/extensions" \
        -in "$work/$name.csr" -out "$name.pem" 2>"$work/log" || { cat "$work/log"; exit 1; }
}

certificate() { # NAME FROM TO EXTENSION..
    local name=$1 from=$2 to=$3
    shift 3
    openssl ecparam -name prime256v1 -genkey -noout |
        openssl pkcs8 -topk8 -nocrypt -out "$name.key"
    openssl req -new -key "$name.key" -subj "/CN=$name" -out "$work/$name.csr"
    signed "$name" authority "$from" "$to" "basicConstraints=critical,CA:FALSE" "$@"
}

authority authority
authority stranger
certificate server 20000101000000Z 21000101000000Z \
    "subjectAltName=DNS:localhost,DNS:a.example,IP:127.0.0.1" "extendedKeyUsage=serverAuth"
certificate other 20000101000000Z 21000101000000Z \
    "subjectAltName=DNS:*.b.example" "extendedKeyUsage=serverAuth"
certificate brief 20240101000000Z 20240201000000Z \
    "subjectAltName=DNS:a.example" "extendedKeyUsage=serverAuth"
certificate client 20000101000000Z 21000101000000Z "extendedKeyUsage=clientAuth"
certificate member 20240101000000Z 20240201000000Z "extendedKeyUsage=clientAuth"
# What `openssl req -x509` makes: an authority.
openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out self.key
cp self.key "$work"
: >"$work/self.index"
openssl req -new -key self.key -subj "/CN=localhost" -out "$work/self.csr"
signed self self 20000101000000Z 21000101000000Z -selfsign \
    "basicConstraints=critical,CA:TRUE" "subjectAltName=DNS:localhost"
# Keys that cannot be used: one with a passphrase, and one of a curve that ring does not have.
openssl pkcs8 -topk8 -passout pass:secret -in server.key -out encrypted.key
openssl ecparam -name secp521r1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out p521.key
