"""Writes what the lock holds as a CycloneDX 1.6 bill of materials.

    python .ci/sbom.py > sbom.json

It is the same for the same lock: no date and no serial number.
"""

import json
import pathlib
import re
import sys
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parents[1]
_PINNED = re.compile(r"([\w.-]+)(?:\[[\w,.-]+\])?==([^\s;\\]+)")
_HASH = re.compile(r"--hash=(\w+):([0-9a-f]+)")


def components(lock: str) -> list[dict[str, Any]]:
    """Every package of a lock: one for each line that pins a version."""
    found = []
    for block in re.split(r"\n(?=\S)", lock):
        pinned = _PINNED.match(block)
        if pinned is None:  # a comment
            continue
        name, version = re.sub(r"[-_.]+", "-", pinned[1]).lower(), pinned[2]
        purl = f"pkg:pypi/{name}@{version}"
        # CycloneDX keeps hashes of one file here, and the lock has several: each is
        # a file that the package may be installed from.
        files = [
            {
                "type": "distribution",
                "url": f"https://pypi.org/project/{name}/{version}/",
                "hashes": [{"alg": alg.upper().replace("SHA", "SHA-"), "content": x}],
            }
            for alg, x in _HASH.findall(block)
        ]
        found.append(
            {
                "type": "library",
                "bom-ref": purl,
                "name": name,
                "version": version,
                "purl": purl,
                "externalReferences": files,
            }
        )
    return found


def bill(lock: str, version: str) -> dict[str, Any]:
    """The whole document."""
    about = {"type": "library", "name": "h2o_jax", "version": version}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": {**about, "bom-ref": f"pkg:pypi/h2o-jax@{version}"}},
        "components": components(lock),
    }


if __name__ == "__main__":
    about = (ROOT / "h2o_jax" / "_version.py").read_text()
    (version,) = re.findall(r'__version__ = "([^"]+)"', about)
    json.dump(
        bill((ROOT / "requirements.txt").read_text(), version), sys.stdout, indent=1
    )
    print()
