"""Installs each member alone, from what it declares, and imports every module of it.

A member that leans on what another one happens to bring fails here. Versions are
those of the lock file, built as wheels, so files left out of a wheel are found too.
"""

import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).parents[2]
UV = Path(sys.executable).with_name("uv")
PARALLEL = 2
# The wheel cache looks at pyproject.toml only; our own code is always built again.
REFRESH = ("--refresh-package", "lethe-common", "--refresh-package")

IMPORT_ALL = """
import importlib, pathlib, sys
package = importlib.import_module(sys.argv[1])
assert "site-packages" in package.__file__, package.__file__
root = pathlib.Path(package.__file__).parent
names = sorted(".".join((sys.argv[1], *file.relative_to(root).with_suffix("").parts)) for file in root.rglob("*.py"))
names = [name.removesuffix(".__init__") for name in names]
for name in names:
    importlib.import_module(name)
    alien = {n.partition(".")[0] for n in sys.modules} & set(sys.argv[2:])
    assert not alien, f"{name} imports {alien}"
print(len(names), "modules of", sys.argv[1])
"""


def uv(*words: str | Path) -> None:
    subprocess.run([UV, *words], cwd=ROOT, check=True, capture_output=True, text=True)


def members() -> dict[str, Path]:
    """Package name to folder, for each member of the workspace."""
    folders = [file.parent for place in ("libs", "services") for file in (ROOT / place).glob("*/pyproject.toml")]
    return {tomllib.loads((folder / "pyproject.toml").read_text())["project"]["name"]: folder for folder in folders}


def install_and_import(name: str, folder: Path, constraints: Path, scratch: Path) -> str:
    """What the import of all modules said, or how it failed."""
    environment, module = scratch / name, name.replace("-", "_")
    python = environment / "bin" / "python"
    others = {other.replace("-", "_") for other in members()} - {module, "lethe_common"}
    try:
        uv("venv", "--quiet", "--python", sys.executable, environment)
        uv("pip", "install", "--quiet", "--python", python, "--constraints", constraints, *REFRESH, name, folder)
        words = [str(python), "-c", IMPORT_ALL, module, *sorted(others)]
        done = subprocess.run(words, cwd=scratch, check=True, capture_output=True, text=True)
    except subprocess.CalledProcessError as failure:
        return f"FAILED {name}:\n{failure.stderr}"
    return done.stdout.strip()


def main() -> int:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(PARALLEL) as pool:
        scratch = Path(folder)
        constraints = scratch / "constraints.txt"
        uv("export", "--quiet", "--frozen", "--all-packages", "--no-emit-workspace", "--no-hashes", "-o", constraints)
        said = list(
            pool.map(lambda member: install_and_import(member[0], member[1], constraints, scratch), members().items())
        )
    sys.stdout.write("\n".join(said) + "\n")
    return 1 if any(line.startswith("FAILED") for line in said) else 0


if __name__ == "__main__":
    sys.exit(main())
