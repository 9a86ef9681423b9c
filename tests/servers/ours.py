"""The examples `httpbin` and `http`, over TCP and over TLS."""

import json
import os
import re

import certificates
import program
from program import ask


def missing():
    return None


def main():
    cert, key = certificates.chain("good")
    tls = ["--tls-cert", cert, "--tls-key", key]
    authority = ["--cacert", certificates.authority()]
    for scheme, how, trusts in [("http", [], []), ("https", tls, authority)]:
        httpbin = f"{scheme}://{on_localhost(program.serve('httpbin', *how))}"
        pages(httpbin, trusts)
        http = f"{scheme}://{on_localhost(program.serve('http', *how))}"
        ask("http", *trusts, *[f"{http}/"] * 3, out=b"Hello, World!" * 3)
        path = program.write("upload", os.urandom(50_000))
        with open(path, "rb") as file:
            ask(
                "http: /echo",
                *trusts,
                "-d",
                f"@{path}",
                "--expect",
                f"{http}/echo",
                out=file.read(),
            )
    for name, cause in certificates.CAUSES.items():
        cert, key = certificates.chain(name)
        url = (
            f"https://{on_localhost(program.serve('http', '--tls-cert', cert, '--tls-key', key))}/"
        )
        ask(f"a certificate that is {name}", *authority, url, code=1, out=b"", err=cause)


def on_localhost(address):
    return "localhost:" + address.split(":")[-1]


def pages(url, trusts):
    told = ask("httpbin: /peer", *trusts, *[f"{url}/peer"] * 3).out.decode()
    peers = set(re.findall(r'"peer": *"([^"]*)"', told))
    program.check("three requests over one connection", len(peers) == 1, told)
    for size in [0, 1, 100_000, 5 << 20]:
        body = os.urandom(size)
        path = program.write("upload", body)
        for how in [["-d", f"@{path}"], ["-X", "POST", "-T", path]]:
            for expects in [[], ["--expect"]]:
                ask(
                    f"httpbin: /echo, {size} bytes, {how[0]} {expects}",
                    *trusts,
                    *how,
                    *expects,
                    f"{url}/echo",
                    out=body,
                )
        some = ask(f"httpbin: /bytes/{size}", *trusts, f"{url}/bytes/{size}").out
        program.check(f"{size} bytes", len(some) == size, len(some))
        ask(f"httpbin: /chunked/{size}", *trusts, f"{url}/chunked/{size}", out=some)
    lines = ask("httpbin: /stream", *trusts, f"{url}/stream/100").out.splitlines()
    program.check(
        "a hundred lines", [json.loads(line)["id"] for line in lines] == list(range(100)), lines
    )
    for status in [200, 204, 206, 301, 304, 401, 404, 405, 416, 418, 426, 500, 503]:
        answer = ask(
            f"httpbin: /status/{status}",
            "-i",
            *trusts,
            f"{url}/status/{status}",
            code=22 if status >= 400 else 0,
        )
        program.check(f"status {status}", f" {status} " in answer.line + " ", answer.line)
    ask(
        "httpbin: a time limit",
        *trusts,
        "--max-time",
        "0.3",
        f"{url}/delay/5",
        code=1,
        err="timed out after 300ms (ClientTimeouts::total)",
    )
