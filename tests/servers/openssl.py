"""`openssl s_server`: pages that end with the connection, whole answers from a file, client certificates."""

import os
import shutil
import subprocess

import certificates
import program
from program import ask

HELLO = b"Hello, World!\n"
BIG = bytes(range(256)) * 8192


def missing():
    return None if shutil.which("openssl") else "openssl"


def main():
    files = os.path.join(program.FOLDER, "files")
    program.write("files/hello.txt", HELLO)
    program.write("files/big", BIG)
    answers = {
        "whole": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        "error": b"HTTP/1.1 503 Service Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\n\r\n",
        "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello",
        "closed": b"HTTP/1.1 200 OK\r\n\r\nhello",
    }
    for name, answer in answers.items():
        program.write(f"files/{name}", answer)
    authority = ["--cacert", certificates.authority()]
    for version in ["-tls1_2", "-tls1_3"]:
        # -www: a page about the connection.
        url = serve("good", "-www", version)
        page = ask(f"-www {version}", "-i", *authority, f"{url}/", line="HTTP/1.0 200 ok")
        program.check("it tells the cipher", b"Ciphers supported" in page.body, page.out)
        ask(f"-www {version}, again", *authority, f"{url}/", f"{url}/")
        # -WWW: files, until it closes.
        url = serve("good", "-WWW", version, cwd=files)
        ask(f"-WWW {version}", *authority, f"{url}/hello.txt", out=HELLO)
        ask(f"-WWW {version}, 2 MiB", *authority, f"{url}/big", out=BIG)
        ask(f"-WWW {version}, none", "-i", *authority, f"{url}/none", body=None)
        # -HTTP: files with their heads.
        url = serve("good", "-HTTP", version, cwd=files)
        ask(f"-HTTP {version}", *authority, f"{url}/whole", out=b"hello")
        ask(f"-HTTP {version}, 503", *authority, f"{url}/error", code=22, out=b"no")
        ask(
            f"-HTTP {version}, cut",
            *authority,
            f"{url}/cut",
            code=1,
            out=b"hello",
            err="the end of the stream within a body",
        )
        ask(f"-HTTP {version}, closed", *authority, f"{url}/closed", out=b"hello")
        url = serve("good", "-www", version, "-Verify", "1", "-verify_return_error")
        ask(
            f"no certificate of the client, {version}",
            *authority,
            f"{url}/",
            code=1,
            err="the peer sent the alert",
        )
    for name, cause in certificates.CAUSES.items():
        ask(
            f"a certificate that is {name}",
            *authority,
            f"{serve(name, '-www')}/",
            code=1,
            out=b"",
            err=cause,
        )
    ask(
        "a cipher that no one has",
        *authority,
        f"{serve('good', '-www', '-tls1_2', '-cipher', 'AES128-SHA')}/",
        code=1,
        err="andshake",
    )


def serve(chain, *arguments, cwd=None):
    cert, key = certificates.chain(chain)
    port = program.free_port()
    command = [
        "openssl",
        "s_server",
        "-quiet",
        "-accept",
        f"127.0.0.1:{port}",
        "-cert",
        cert,
        "-key",
        key,
    ]
    server = program.start(
        [*command, *arguments], cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    program.await_port(server, port)
    return f"https://localhost:{port}"
