"""Python's http.server: its own handler, as HTTP/1.0 and as HTTP/1.1, and one that says what few do."""

import http.server
import os
import subprocess
import sys
import threading

import program
from program import ask

HELLO = b"Hello, World!\n"
BIG = bytes(range(256)) * 8192


def missing():
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        getattr(self, self.path.strip("/").replace("-", "_"))()

    def do_POST(self):
        # http.server says 100 Continue by itself.
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.whole(body)

    def whole(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def raw(self, *pieces):
        for piece in pieces:
            self.wfile.write(piece)
            self.wfile.flush()
        self.close_connection = True

    def early_hints(self):
        self.raw(
            b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n",
            b"HTTP/1.1 102 Processing\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
        )

    def trailers(self):
        self.raw(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n",
            b"5;a=b\r\nhello\r\n",
            b"0\r\nX-Sum: 1\r\n\r\n",
        )

    def no_reason(self):
        self.raw(b"HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok")

    def cut_length(self):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello")

    def cut_chunks(self):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello")

    def cut_before_the_last_chunk(self):
        self.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")

    def cut_head(self):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Le")

    def no_head(self):
        self.raw(b"hello\r\n\r\n")

    def surplus(self):
        self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello and more")

    def surplus_of_204(self):
        self.raw(b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nbad")

    def both_lengths(self):
        self.raw(
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        )

    def close(self):
        self.send_response(200)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(BIG)


def main():
    program.write("files/hello.txt", HELLO)
    program.write("files/big", BIG)
    program.write("files/folder/index.html", HELLO)
    files = os.path.join(program.FOLDER, "files")
    for version in ["1.0", "1.1"]:
        port = program.free_port()
        command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "-d", files]
        if version == "1.1":
            command += ["--protocol", "HTTP/1.1"]
            told = subprocess.run([*command[:3], "--help"], capture_output=True, text=True)
            if "--protocol" not in told.stdout:
                print("python: skipped HTTP/1.1 of http.server, which needs Python 3.11")
                continue
        server = program.start(
            [*command, str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        program.await_port(server, port)
        of_files(f"http://127.0.0.1:{port}", version)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    of_our_handler(f"http://127.0.0.1:{server.server_address[1]}")


def of_files(url, version):
    ask("a file", "-i", f"{url}/hello.txt", line=f"HTTP/{version} 200 OK", body=HELLO)
    ask("2 MiB, again and again", *[f"{url}/big"] * 3, out=BIG * 3)
    ask("a head", "-I", f"{url}/big", f"{url}/hello.txt", fields={"content-length": str(len(BIG))})
    dated = ask("a date", "-I", f"{url}/hello.txt").fields["last-modified"]
    ask(
        "304",
        "-i",
        "-H",
        f"If-Modified-Since: {dated}",
        f"{url}/hello.txt",
        line=f"HTTP/{version} 304 Not Modified",
        body=b"",
    )
    ask("404", f"{url}/none", code=22)
    # It answers, and closes or reads on, while the body comes.
    ask("no POST", "-d", "x" * 1000, f"{url}/hello.txt", code=22)
    path = program.write("upload", BIG)
    # Without `--expect`, its reset may destroy the answer.
    ask(
        "no PUT",
        "-i",
        "--expect",
        "-T",
        path,
        f"{url}/hello.txt",
        code=22,
        line=f"HTTP/{version} 501 Unsupported method ('PUT')",
    )
    ask("a folder without its slash", "-L", f"{url}/folder", out=HELLO)


def of_our_handler(url):
    path = program.write("upload", BIG)
    for how in [["-d", f"@{path}"], ["-X", "POST", "-T", path]]:
        for expects in [[], ["--expect"]]:
            ask(f"echoed, {how[0]} {expects}", *how, *expects, f"{url}/", out=BIG)
    ask("interim responses", "-i", f"{url}/early-hints", line="HTTP/1.1 200 OK", body=b"hello")
    ask("trailers", f"{url}/trailers", out=b"hello")
    ask("no reason", "-i", f"{url}/no-reason", line="HTTP/1.1 200 ", body=b"ok")
    ask("until it closes", f"{url}/close", out=BIG)
    cut = "the end of the stream within a body"
    for page in ["cut-length", "cut-chunks", "cut-before-the-last-chunk"]:
        ask(page, f"{url}/{page}", code=1, out=b"hello", err=cut)
    ask(
        "cut within the head",
        f"{url}/cut-head",
        code=1,
        out=b"",
        err="the end of the stream within a head",
    )
    ask("no head", f"{url}/no-head", code=1, out=b"", err="HTTP")
    ask("surplus bytes", f"{url}/surplus", f"{url}/trailers", out=b"hellohello")
    ask("surplus bytes of a 204", f"{url}/surplus-of-204", f"{url}/trailers", out=b"hello")
    ask("both kinds of length", f"{url}/both-lengths", code=1, err="Content-Length")
