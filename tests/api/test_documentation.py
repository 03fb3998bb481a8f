"""What the documentation tells partners to do is what works."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from app.api.v1.acks import _ERRORS
from integrations.installer.acks import parse_ack
from integrations.installer.signature import sign

OPENSSL = """#!PYTHON
import hashlib, hmac, sys
name, *options, secret, r = sys.argv[1:]
assert (name, options, r) == ("dgst", ["-sha256", "-hmac"], "-r")
print(hmac.new(secret.encode(), sys.stdin.buffer.read(), hashlib.sha256).hexdigest(), "*stdin")
"""
PAGE = Path(__file__).parents[2] / "docs" / "interfaces" / "acks.md"


def test_the_example_is_a_valid_acknowledgement() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert parse_ack(example.encode()).type == "COMPLETED"
    assert json.loads(example)["orderId"] == "WO-1001"


def test_the_shell_example_makes_our_signature(tmp_path: Path) -> None:
    (shell,) = re.findall(r"SIGNATURE=(\$\(.*?cut -d' ' -f1 \))", PAGE.read_text(), re.DOTALL)
    body = '{"notes": "käyttöpaikka"}\n'.encode()
    (tmp_path / "ack.json").write_bytes(body)
    # Stands in for the real one, which not every machine has, and takes just these arguments.
    openssl = tmp_path / "openssl"
    openssl.write_text(OPENSSL.replace("PYTHON", sys.executable))
    openssl.chmod(0o700)
    script = f"PATH=.:$PATH SECRET=secret TIMESTAMP=1764000000; printf '%s' \"{shell}\""
    done = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert f"v1={done.stdout}" == sign("secret", 1764000000, body)


def test_every_status_that_can_be_answered_is_explained() -> None:
    rows = re.findall(r"^\| ([0-9, ]+) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    explained = {int(status) for row in rows for status in row.split(",")}
    assert explained >= {202, 404, 405, *_ERRORS}
