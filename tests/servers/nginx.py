"""nginx: files, ranges, gzip, chunked pages, uploads by WebDAV, redirects, and TLS."""

import os
import random
import shutil

import certificates
import program
from program import ask

CONFIG = """
daemon off;
master_process off;
pid nginx.pid;
error_log error.log;
events {{ worker_connections 200; }}
http {{
    access_log off;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    default_type text/plain;
    client_max_body_size 20m;
    add_header X-Connection "$connection $connection_requests" always;
    root files;
    gzip_types text/plain;
    gzip_min_length 10;
    server {{
        listen 127.0.0.1:{port};
        location /gzip/ {{ alias files/; gzip on; }}
        location /ssi/ {{ ssi on; ssi_types *; alias files/; }}
        location /closes/ {{ ssi on; ssi_types *; chunked_transfer_encoding off; alias files/; }}
        location /put/ {{ dav_methods PUT DELETE; create_full_put_path on; }}
        location /small/ {{ client_max_body_size 1k; dav_methods PUT; }}
        location /204 {{ return 204; }}
        location /301 {{ return 301 /get; }}
        location /303 {{ return 303 /get; }}
        location /307 {{ return 307 /put/from-307; }}
        location /308 {{ return 308 http://127.0.0.1:{other}/get; }}
        location /loop {{ return 302 /loop; }}
        location /to-ftp {{ return 302 ftp://localhost/; }}
        location /get {{ return 200 "$request_method $http_host $http_authorization\\n"; }}
        location /444 {{ return 444; }}
    }}
    server {{
        listen 127.0.0.1:{other};
        keepalive_requests 2;
        keepalive_timeout 1s;
        location /get {{ return 200 "$request_method $http_host $http_authorization\\n"; }}
        location /444 {{ return 444; }}
        location /to-tls {{ return 301 https://localhost:{good}/hello.txt; }}
    }}
{tls}
}}
"""

TLS = """
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {cert};
        ssl_certificate_key {key};
        ssl_protocols {protocols};
        {more}
        location /to-plain {{ return 302 http://127.0.0.1:{plain}/hello.txt; }}
    }}
"""

HELLO = b"Hello, World!\n"
BIG = random.Random(1).randbytes(5 << 20)


def missing():
    return next((it for it in ["nginx", "openssl"] if not shutil.which(it)), None)


def main():
    ports = {
        name: program.free_port()
        for name in [*certificates.CHAINS, "plain", "other", "tls12", "asks"]
    }
    for name, content in [("hello.txt", HELLO), ("big", BIG), ("empty", b"")]:
        program.write(f"files/{name}", content)
    os.makedirs(f"{program.FOLDER}/files/put")
    tls = [(name, "TLSv1.2 TLSv1.3", "") for name in certificates.CHAINS]
    tls += [
        ("tls12", "TLSv1.2", ""),
        (
            "asks",
            "TLSv1.3",
            "ssl_verify_client on; " f"ssl_client_certificate {certificates.authority()};",
        ),
    ]
    servers = ""
    for name, protocols, more in tls:
        cert, key = certificates.chain(name if name in certificates.CHAINS else "good")
        servers += TLS.format(
            port=ports[name],
            cert=cert,
            key=key,
            protocols=protocols,
            more=more,
            plain=ports["plain"],
        )
    config = CONFIG.format(
        port=ports["plain"], other=ports["other"], good=ports["good"], tls=servers
    )
    program.write("nginx.conf", config)
    command = ["nginx", "-p", program.FOLDER, "-c", "nginx.conf", "-e", "error.log"]
    program.await_port(program.start(command), ports["plain"])
    plain, other = (f"http://127.0.0.1:{ports[name]}" for name in ["plain", "other"])
    bodies(plain)
    connections(plain, other)
    uploads(plain)
    redirects(plain, other, ports)
    secure(ports)


def bodies(url):
    ask("a file", f"{url}/hello.txt", out=HELLO)
    ask("5 MiB", f"{url}/big", out=BIG)
    ask("an empty file", f"{url}/empty", out=b"")
    ask("5 MiB, their head", "-I", f"{url}/big", fields={"content-length": str(len(BIG))}, body=b"")
    for ranges, content in [("5-9", BIG[5:10]), ("-7", BIG[-7:]), (f"{len(BIG) - 3}-", BIG[-3:])]:
        ask(
            f"bytes {ranges}",
            "-i",
            "-H",
            f"Range: bytes={ranges}",
            f"{url}/big",
            line="HTTP/1.1 206 Partial Content",
            body=content,
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
        fields={"content-range": "bytes */14"},
    )
    ask(
        "chunks",
        "-i",
        f"{url}/ssi/big",
        body=BIG,
        fields={"transfer-encoding": "chunked", "content-length": None},
    )
    ask(
        "until the connection closes",
        "-i",
        f"{url}/closes/big",
        body=BIG,
        fields={"transfer-encoding": None, "content-length": None, "connection": "close"},
    )
    packed = ask(
        "gzip stays",
        "-i",
        "-H",
        "Accept-Encoding: gzip",
        f"{url}/gzip/hello.txt",
        fields={"content-encoding": "gzip"},
    )
    program.check("gzip stays", packed.body[:2] == b"\x1f\x8b", packed.body)
    ask(
        "no gzip unless asked",
        "-i",
        f"{url}/gzip/hello.txt",
        body=HELLO,
        fields={"content-encoding": None},
    )
    ask("204", "-i", f"{url}/204", line="HTTP/1.1 204 No Content", body=b"")
    dated = ask("a date", "-I", f"{url}/hello.txt").fields["last-modified"]
    ask(
        "304",
        "-i",
        "-H",
        f"If-Modified-Since: {dated}",
        f"{url}/hello.txt",
        line="HTTP/1.1 304 Not Modified",
        body=b"",
    )
    ask("404", f"{url}/none", code=22)
    ask("405", "-X", "PUT", f"{url}/hello.txt", code=22)
    ask("closed without an answer", f"{url}/444", code=1, err="waiting for the response: ")


def connections(url, other):
    """The field X-Connection has the number of the connection, and of the request on it."""
    paths = ["hello.txt", "204", "ssi/hello.txt", "none", "empty", "gzip/hello.txt", "big"]
    many = ask("all over one connection", "-i", *[f"{url}/{path}" for path in paths], code=22)
    check_counts("all over one connection", many, list(range(1, 1 + len(paths))))
    heads = ask("heads, too", "-I", *[f"{url}/{path}" for path in paths], code=22)
    check_counts("heads, too", heads, list(range(1, 1 + len(paths))))
    closed = ask("a body until the close, and on", "-i", f"{url}/closes/big", f"{url}/hello.txt")
    check_counts("a body until the close, and on", closed, [1, 1])
    few = ask("two requests to a connection", "-i", *[f"{other}/get"] * 5)
    check_counts("two requests to a connection", few, [1, 2, 1, 2, 1])
    # While the client asks another server, nginx closes the idle connection.
    slow = f"http://{program.serve('httpbin')}/delay/1.5"
    idle = ask("closed while idle", "-i", f"{other}/get", slow, f"{other}/get")
    check_counts("closed while idle", idle, [1, 1])
    # nginx closes the connection instead of answering its second request: once more, on a new one.
    ask(
        "closed twice instead of an answer",
        f"{other}/get",
        f"{other}/444",
        code=1,
        err="waiting for the response: ",
    )


def check_counts(what, answer, expected):
    fields = [
        line.split(b" ") for line in answer.out.split(b"\r\n") if line.startswith(b"X-Connection: ")
    ]
    counts = [int(field[2]) for field in fields]
    program.check(f"{what}: {expected}", counts == expected, f"{counts}\n{answer.out[:2000]}")


def uploads(url):
    for size in [0, 1, 1000, 5 << 20]:
        path = program.write("upload", BIG[:size])
        for how in [["-T", path], ["-X", "PUT", "-d", f"@{path}"]]:
            for expects in [[], ["--expect"]]:
                name = f"{size} bytes by {how[0]}, {expects}"
                ask(name, *how, *expects, f"{url}/put/file", out=b"")
                ask(name, f"{url}/put/file", out=BIG[:size])
    ask("DELETE", "-X", "DELETE", f"{url}/put/file")
    ask("it is gone", f"{url}/put/file", code=22)
    path = program.write("upload", BIG)
    for how in [["-T", path], ["-X", "PUT", "-d", f"@{path}"]]:
        for expects in [[], ["--expect"]]:
            # Sent without asking, the rest may meet a reset, which may destroy the answer: nginx
            # reads on for a while to prevent that.
            answer = ask(
                f"too large by {how[0]}, {expects}",
                "-i",
                *how,
                *expects,
                f"{url}/small/file",
                f"{url}/get",
                code=22,
                line="HTTP/1.1 413 Request Entity Too Large",
            )
            program.check(
                "the next one is answered", b"\r\n\r\nPUT 127.0.0.1" in answer.out, answer.out
            )


def redirects(url, other, ports):
    ask("not followed", "-i", f"{url}/301", line="HTTP/1.1 301 Moved Permanently")
    ask("301", "-L", f"{url}/301", out=f"GET 127.0.0.1:{ports['plain']} \n".encode())
    for status in ["301", "303"]:
        ask(
            f"{status} of POST",
            "-L",
            "-d",
            "x",
            f"{url}/{status}",
            out=f"GET 127.0.0.1:{ports['plain']} \n".encode(),
        )
    path = program.write("upload", HELLO)
    ask("307 of PUT", "-L", "-X", "PUT", "-d", f"@{path}", f"{url}/307")
    ask("307 of PUT", f"{url}/put/from-307", out=HELLO)
    ask("307 of a stream", "-L", "-T", path, f"{url}/307", code=1, err="asks for the body again")
    there = url.replace("//", "//user:word@")
    ask(
        "credentials",
        f"{there}/get",
        out=f"GET 127.0.0.1:{ports['plain']} Basic dXNlcjp3b3Jk\n".encode(),
    )
    ask(
        "none of them elsewhere",
        "-L",
        f"{there}/308",
        out=f"GET 127.0.0.1:{ports['other']} \n".encode(),
    )
    ask("a loop", "-L", f"{url}/loop", code=1, err="more redirects than the limit of 10")
    ask("to another scheme", "-L", f"{url}/to-ftp", code=1, err="Location")
    authority = ["--cacert", certificates.authority()]
    ask("to https", "-L", *authority, f"{other}/to-tls", out=HELLO)
    ask(
        "back to http",
        "-L",
        *authority,
        f"https://localhost:{ports['good']}/to-plain",
        code=1,
        err="a redirect from https to http",
    )


def secure(ports):
    authority = ["--cacert", certificates.authority()]
    for host in ["localhost", "127.0.0.1"]:
        good = f"https://{host}:{ports['good']}"
        ask("over TLS", *authority, f"{good}/big", out=BIG)
        kept = ask("over one connection", "-i", *authority, *[f"{good}/hello.txt"] * 3)
        check_counts("over one connection", kept, [1, 2, 3])
    ask("TLS 1.2", *authority, f"https://localhost:{ports['tls12']}/big", out=BIG)
    for name, cause in certificates.CAUSES.items():
        ask(
            f"a certificate that is {name}",
            *authority,
            f"https://localhost:{ports[name]}/big",
            code=1,
            out=b"",
            err=cause,
        )
    ask(
        "an authority of the system",
        f"https://localhost:{ports['good']}/",
        code=1,
        err=certificates.UNTRUSTED,
    )
    stranger = certificates.authority("stranger")
    ask(
        "the other authority",
        "--cacert",
        stranger,
        f"https://localhost:{ports['unknown']}/big",
        out=BIG,
    )
    # A complete answer, over a connection that is complete.
    ask(
        "no certificate of the client",
        "-i",
        *authority,
        f"https://localhost:{ports['asks']}/",
        code=22,
        line="HTTP/1.1 400 Bad Request",
    )
    ask(
        "no TLS there",
        *authority,
        f"https://localhost:{ports['plain']}/",
        code=1,
        err="making the connection secure",
    )
    ask(
        "TLS there",
        "-i",
        f"http://localhost:{ports['good']}/",
        code=22,
        line="HTTP/1.1 400 Bad Request",
    )
