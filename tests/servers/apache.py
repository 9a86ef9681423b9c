"""Apache: files, ranges, deflate, CGI (chunks, 100 Continue), answers as HTTP/1.0, and TLS."""

import grp
import os
import pwd
import random
import shutil

import certificates
import program
from program import ask

MODULES = "/usr/lib/apache2/modules"
NEEDED = [
    "mpm_event",
    "authz_core",
    "dir",
    "mime",
    "alias",
    "env",
    "setenvif",
    "headers",
    "deflate",
    "filter",
    "cgid",
    "ssl",
    "socache_shmcb",
]

CONFIG = """
ServerRoot {folder}
ServerName localhost
PidFile apache.pid
Mutex pthread
DefaultRuntimeDir {folder}
ScriptSock {folder}/cgid
ErrorLog apache.log
User {user}
Group {group}
StartServers 1
ServerLimit 1
ThreadsPerChild 20
MaxRequestWorkers 20
KeepAlive On
MaxKeepAliveRequests 3
KeepAliveTimeout 2
Listen 127.0.0.1:{port}
DocumentRoot {folder}/files
<Directory {folder}>
    Require all granted
    Options +ExecCGI
</Directory>
AddHandler cgi-script .cgi
AddOutputFilterByType DEFLATE text/plain
TypesConfig /dev/null
AddType text/plain .txt
SetEnvIf Request_URI "^/old/" downgrade-1.0 force-response-1.0 nokeepalive
Alias /old/ {folder}/files/
Redirect 301 /moved http://127.0.0.1:{port}/hello.txt
<Location /denied.txt>
    Require all denied
</Location>
<Location /small.cgi>
    LimitRequestBody 1000
</Location>
{tls}
"""

TLS = """
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
    ServerName localhost
    SSLEngine on
    SSLCertificateFile {cert}
    SSLCertificateKeyFile {key}
</VirtualHost>
"""

HELLO = b"Hello, World!\n"
BIG = random.Random(2).randbytes(3 << 20)
LONG = BIG.hex().encode()

# Sends back what it was given, without a length: all at the end, since Apache reads nothing before.
ECHO = """#!/bin/sh
body=$(mktemp) && cat >"$body"
printf 'Content-Type: application/octet-stream\\r\\nX-Length: %s\\r\\n\\r\\n' "$CONTENT_LENGTH"
cat "$body"; rm "$body"
"""
SENDS = """#!/bin/sh
printf 'Content-Type: application/octet-stream\\r\\n\\r\\n'
exec cat big
"""


def missing():
    if not shutil.which("apache2"):
        return "apache2"
    return next((it for it in NEEDED if not os.path.exists(f"{MODULES}/mod_{it}.so")), None)


def main():
    files = [
        ("hello.txt", HELLO),
        ("long.txt", LONG),
        ("big", BIG),
        ("empty", b""),
        ("echo.cgi", ECHO),
        ("small.cgi", ECHO),
        ("big.cgi", SENDS),
    ]
    for name, content in files:
        os.chmod(program.write(f"files/{name}", content), 0o755)
    port = program.free_port()
    ports = {name: program.free_port() for name in certificates.CHAINS}
    tls = ""
    for name, tls_port in ports.items():
        cert, key = certificates.chain(name)
        tls += TLS.format(port=tls_port, cert=cert, key=key)

    # Apache refuses to serve as root.
    user, group = "www-data", "www-data"
    if os.geteuid() != 0:
        user, group = pwd.getpwuid(os.geteuid()).pw_name, grp.getgrgid(os.getegid()).gr_name
    os.chmod(program.FOLDER, 0o777)
    text = "".join(f"LoadModule {it}_module {MODULES}/mod_{it}.so\n" for it in NEEDED)
    text += CONFIG.format(folder=program.FOLDER, port=port, tls=tls, user=user, group=group)
    config = program.write("apache.conf", text)
    apache = program.start(["apache2", "-X", "-f", config])
    program.await_port(apache, port)
    url = f"http://127.0.0.1:{port}"
    bodies(url)
    uploads(url)
    secure(ports)


def bodies(url):
    ask("a file", f"{url}/hello.txt", out=HELLO)
    ask("3 MiB", f"{url}/big", out=BIG)
    ask("an empty file", f"{url}/empty", out=b"")
    ask("3 MiB, their head", "-I", f"{url}/big", fields={"content-length": str(len(BIG))}, body=b"")
    ask(
        "a range",
        "-i",
        "-H",
        "Range: bytes=5-9",
        f"{url}/big",
        line="HTTP/1.1 206 Partial Content",
        body=BIG[5:10],
    )
    many = ask(
        "two ranges",
        "-i",
        "-H",
        "Range: bytes=0-1,7-8",
        f"{url}/hello.txt",
        line="HTTP/1.1 206 Partial Content",
        fields={"content-type": "multipart/byteranges"},
    )
    program.check("two ranges: both parts", b"\r\n\r\nHe\r\n" in many.body, many.body)
    ask(
        "a range behind the end",
        "-i",
        "-H",
        "Range: bytes=99-",
        f"{url}/hello.txt",
        code=22,
        line="HTTP/1.1 416 Requested Range Not Satisfiable",
    )
    packed = ask(
        "gzip stays, in chunks",
        "-i",
        "-H",
        "Accept-Encoding: gzip",
        f"{url}/long.txt",
        fields={"content-encoding": "gzip", "transfer-encoding": "chunked"},
    )
    program.check("gzip stays", packed.body[:2] == b"\x1f\x8b", packed.body)
    answer = ask("a date", "-I", f"{url}/hello.txt")
    for name, field in [("If-Modified-Since", "last-modified"), ("If-None-Match", "etag")]:
        ask(
            f"304 by {name}",
            "-i",
            "-H",
            f"{name}: {answer.fields[field]}",
            f"{url}/hello.txt",
            line="HTTP/1.1 304 Not Modified",
            body=b"",
        )
    # Such an answer has no body, whatever its fields say: the next one is not a part of it.
    again = ask(
        "304, and on",
        "-i",
        "-H",
        f"If-None-Match: {answer.fields['etag']}",
        f"{url}/hello.txt",
        f"{url}/big",
        body=None,
    )
    program.check("304, and on", again.out.endswith(BIG), len(again.out))
    ask("HTTP/1.0", "-i", f"{url}/old/big", line="HTTP/1.0 200 OK", body=BIG)
    ask("chunks", "-i", f"{url}/big.cgi", fields={"transfer-encoding": "chunked"}, body=BIG)
    ask(
        "until the connection closes",
        "-i",
        f"{url}/old/big.cgi",
        line="HTTP/1.0 200 OK",
        fields={"content-length": None, "transfer-encoding": None},
        body=BIG,
    )
    ask("a redirect", "-L", f"{url}/moved", out=HELLO)
    ask("404", f"{url}/none", code=22)
    kept = ask("three requests to a connection", "-i", *[f"{url}/hello.txt"] * 7)
    closes = [b"Connection: close" in part for part in kept.out.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    program.check("some close", len(closes) == 7 and 1 <= sum(closes) <= 2, closes)
    slow = f"http://{program.serve('httpbin')}/delay/2.5"
    ask("closed while idle", f"{url}/hello.txt", slow, f"{url}/hello.txt")


def uploads(url):
    for size in [0, 1, 1000, 100_000, len(BIG)]:
        path = program.write("upload", BIG[:size])
        for how in [["-T", path], ["-X", "PUT", "-d", f"@{path}"], ["-d", f"@{path}"]]:
            for expects in [[], ["--expect"]]:
                ask(
                    f"{size} bytes by {how[0]}, {expects}",
                    "-i",
                    *how,
                    *expects,
                    f"{url}/echo.cgi",
                    body=BIG[:size],
                )
    path = program.write("upload", BIG)
    for how in [["-T", path], ["-d", f"@{path}"]]:
        ask(
            "refused instead of 100 Continue",
            "-i",
            *how,
            "--expect",
            f"{url}/small.cgi",
            code=22,
            line="HTTP/1.1 413 Request Entity Too Large",
        )
    for expects in [[], ["--expect"]]:
        ask(
            "not allowed",
            "-i",
            "-T",
            path,
            *expects,
            f"{url}/denied.txt",
            code=22,
            line="HTTP/1.1 403 Forbidden",
        )


def secure(ports):
    authority = ["--cacert", certificates.authority()]
    for host in ["localhost", "127.0.0.1"]:
        ask("over TLS", *authority, f"https://{host}:{ports['good']}/big", out=BIG)
    path = program.write("upload", BIG)
    ask(
        "back over TLS",
        *authority,
        "--expect",
        "-T",
        path,
        f"https://localhost:{ports['good']}/echo.cgi",
        out=BIG,
    )
    for name, cause in certificates.CAUSES.items():
        ask(
            f"a certificate that is {name}",
            *authority,
            f"https://localhost:{ports[name]}/big",
            code=1,
            out=b"",
            err=cause,
        )
