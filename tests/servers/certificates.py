"""Keys and certificates for TLS: one authority that the client is told of, one that it is not.

It knows nothing of servers.
"""

import functools
import subprocess

import program

# Each is a chain for a server: the names in it, who signed it, and for how many days it is valid.
CHAINS = {
    "good": ("DNS:localhost,IP:127.0.0.1", "authority", 30),
    "wrong-name": ("DNS:other.example", "authority", 30),
    "expired": ("DNS:localhost,IP:127.0.0.1", "authority", -1),
    "unknown": ("DNS:localhost,IP:127.0.0.1", "stranger", 30),
}
UNTRUSTED = "the peer's certificate is not issued by a trusted authority"
# What the client says of each but the first.
CAUSES = {
    "wrong-name": "the peer's certificate is for another name",
    "expired": "the peer's certificate has expired",
    "unknown": UNTRUSTED,
}


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)


def authority(name="authority"):
    """Makes an authority; the path of its certificate."""
    return made(name)


@functools.cache
def made(name):
    key, cert = f"{program.FOLDER}/{name}.key", f"{program.FOLDER}/{name}.pem"
    openssl(
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        key,
        "-out",
        cert,
        "-days",
        "30",
        "-subj",
        f"/CN={name}",
        "-addext",
        "keyUsage=critical,keyCertSign,cRLSign",
    )
    return cert


@functools.cache
def chain(name):
    """Makes the certificate and the key of a server; their paths."""
    names, by, days = CHAINS[name]
    signer = authority(by)
    key, cert = f"{program.FOLDER}/{name}.key", f"{program.FOLDER}/{name}.pem"
    request = f"{program.FOLDER}/{name}.csr"
    openssl(
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-keyout",
        key,
        "-out",
        request,
        "-subj",
        f"/CN={name}",
    )
    more = program.write(
        f"{name}.ext", f"subjectAltName={names}\nbasicConstraints=critical,CA:FALSE\n"
    )
    openssl(
        "x509",
        "-req",
        "-in",
        request,
        "-CA",
        signer,
        "-CAkey",
        signer[:-3] + "key",
        "-CAcreateserial",
        "-days",
        str(days),
        "-extfile",
        more,
        "-out",
        cert,
    )
    return cert, key
