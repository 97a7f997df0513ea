"""
A small site on Flask, as gunicorn serves it: it believes to be at the root of its server, links to itself in every way, remembers
who has logged in by a cookie, and takes files.

Under the name fixed.localhost it is told where it is (Werkzeug's ProxyFix); under any other it knows nothing of a proxy.
"""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Flask, Response, redirect, request, session, url_for
from werkzeug.middleware.proxy_fix import ProxyFix

PAGE = """<!doctype html>
<html><head><title>{title}</title><link rel="stylesheet" href="{style}"></head>
<body><h1>{title}</h1>{content}</body></html>
"""
FORM = """<form id="{id}" method="post" action="{action}" enctype="multipart/form-data">{inputs}<button>send</button></form>"""


def made() -> Flask:
    """The site."""
    site = Flask(__name__, static_folder=None)
    site.secret_key = "a secret of tests"

    def page(title: str, content: str) -> str:
        return PAGE.format(title=title, content=content, style=url_for("style"))

    @site.get("/")
    def home() -> str:
        links = f'<a id="absolute" href="{url_for("login", _external=True)}">log in</a> <a id="rooted" href="/login">here</a>'
        if "user" not in session:
            return page("Who are you?", links)
        upload = FORM.format(id="upload", action=url_for("upload"), inputs='<input type="file" name="file">')
        return page(f"Hello {session['user']}", links + upload)

    @site.get("/login")
    def login() -> str:
        form = FORM.format(id="login", action="/login", inputs='<input name="user">')
        return page("Log in", form)

    @site.post("/login")
    def log_in() -> Any:
        session["user"] = request.form["user"]
        # Such as Flask before 2.1, and many others: an absolute URL by the name that the server believes to have.
        return redirect(url_for("home", _external=True))

    @site.post("/upload")
    def upload() -> Any:
        if "user" not in session:
            return "who are you?", 403
        file = request.files["file"]
        digest = hashlib.sha256(file.read()).hexdigest()
        return redirect(url_for("uploaded", name=file.filename, digest=digest), 303)

    @site.get("/files/<name>/")
    def uploaded(name: str) -> str:
        return page(f"Thanks for {name}", f"<code>{request.args.get('digest', '')}</code>")

    @site.get("/style.css")
    def style() -> Response:
        return Response("h1 { color: rgb(1, 2, 3) }", mimetype="text/css")

    return site


PLAIN = made()
FIXED = ProxyFix(made(), x_for=1, x_proto=1, x_host=1, x_port=1, x_prefix=1)


def site(environ: dict[str, Any], start_response: Any) -> Any:
    """What gunicorn calls."""
    host = environ.get("HTTP_HOST", "").partition(":")[0]
    return (FIXED if host == "fixed.localhost" else PLAIN)(environ, start_response)
