"""A small shop by Flask."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Flask, Response, redirect, request, session, stream_with_context, url_for


def make_app() -> Flask:
    """The shop."""
    shop = Flask(__name__)
    shop.secret_key = "a secret of plays"

    @shop.get("/")
    def front() -> str:
        session["visits"] = session.get("visits", 0) + 1
        return f"visit {session['visits']} of {request.remote_addr}: {url_for('basket', _external=True)}"

    @shop.get("/basket")
    def basket() -> Any:
        return redirect(url_for("front"))

    @shop.post("/upload")
    def upload() -> dict[str, Any]:
        file = request.files["file"]
        return {"name": file.filename, "size": len(file.read()), "by": request.form["by"]}

    @shop.get("/count")
    def count() -> Response:
        def pieces() -> Iterator[str]:
            for number in range(3):
                yield f"{number} {request.path}\n"

        return Response(stream_with_context(pieces()), mimetype="text/plain")

    @shop.get("/fails")
    def fails() -> str:
        raise ValueError("a secret of the shop")

    return shop
