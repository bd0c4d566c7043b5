"""The commands of the project. ``nox -l`` lists them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv"
nox.options.reuse_venv = "yes"
nox.options.sessions = ["docs(numpy)"]

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "docs" / "_ext"))
from mithril_docs.backends import BACKENDS  # noqa: E402

GROUPS = [*BACKENDS, "site", "gate", "tests", "lint", "serve", "lab", "bench"]


def install(session: nox.Session, group: str) -> None:
    """Give the session what a dependency group of pyproject.toml names, at the pins of its constraints file."""
    session.install("--group", group, "--constraints", f"constraints/{group}.txt")
    # Byte code is kept: importing PyTorch takes 2 s with it and 10 s without.
    session.env.update(PYTHONPATH=str(ROOT / "docs" / "_ext"), PYTHONDONTWRITEBYTECODE="")
    if group in ("site", "gate", "serve"):  # these render
        session.run("python", "-m", "mithril_docs", "npm", silent=True)


def build(session: nox.Session, backends: list[str], out: str, *options: str) -> None:
    """Render what the store holds for some backends. Sphinx executes nothing, and every warning fails the build."""
    places = ["--out", f"build/{out}", "--doctrees", f"build/doctrees/{out}"]
    session.run("python", "-m", "mithril_docs", "render", *backends, *places, *options)


@nox.session
@nox.parametrize("backend", list(BACKENDS), ids=list(BACKENDS))
def execute(session: nox.Session, backend: str) -> None:
    """Execute every page on one backend that the store lacks (-- --force: all; -- --only PAGE: one)."""
    install(session, backend)
    if BACKENDS[backend].compiler and not shutil.which("c++"):
        system_package(session, "g++", "a C++ compiler")
    # Sessions that require this one have arguments of their own, and nox hands all of them to all.
    given = {word.partition("=")[0] for word in session.posargs}
    words = session.posargs if given & {"--force", "--only", "--jobs"} else []
    # 1: a page failed. That is in the store; rendering reports it, with the rest of the site written.
    session.run("python", "-m", "mithril_docs", "execute", backend, *words, success_codes=[0, 1])
    for name in (backend, "c") if backend == "numpy" else (backend,):  # C has no environment of its own
        session.run("python", "-m", "mithril_docs", "models", name, *words, success_codes=[0, 1])


for name in BACKENDS:  # not parametrized, for nox resolves no parameter in `requires`

    @nox.session(name=f"docs({name})", requires=[f"execute({name})"])
    def docs(session: nox.Session, backend: str = name) -> None:
        """Execute every page on one backend and build the site for it alone, into build/html/<backend>."""
        install(session, "site")
        conform(session, [backend])
        build(session, [backend], f"html/{backend}")


@nox.session(requires=[f"execute({name})" for name in BACKENDS])
def site(session: nox.Session) -> None:
    """Execute what the store lacks on every backend and build the merged site into build/site."""
    install(session, "site")
    conform(session, list(BACKENDS))
    build(session, list(BACKENDS), "site")


def conform(session: nox.Session, names: list[str], *options: str) -> None:
    """Run every model over its domain on some backends, whose environments are made, and compare with references."""
    words = [f"{name}={ROOT / '.nox' / f'execute-{name}' / 'bin' / 'python'}" for name in names]
    # 1: a cause that no page shows. That is in the store; rendering reports it, with the rest of the site written.
    session.run("python", "-m", "mithril_docs", "conformance", *words, *options, success_codes=[0, 1])


@nox.session
def conformance(session: nox.Session) -> None:
    """Compare every model with its reference, on all backends or those named (-- jax --model Prod --more 20)."""
    names, options = split(session)
    environments(session)
    install(session, "site")
    for name in names or BACKENDS:
        python = ROOT / ".nox" / f"execute-{name}" / "bin" / "python"
        session.run(str(python), "-m", "mithril_docs", "execute", name, "--look", external=True, success_codes=[0, 1])
    conform(session, names or list(BACKENDS), *options)


@nox.session
def render(session: nox.Session) -> None:
    """Build the merged site from the store as it is, executing nothing."""
    install(session, "site")
    build(session, list(BACKENDS), "site", *session.posargs)


def environments(session: nox.Session) -> dict[str, str]:
    """Make the environments of the backends that were named (all where none was), and say where their Pythons are."""
    names, _ = split(session)
    names = names or list(BACKENDS)
    if unknown := set(names) - set(BACKENDS):
        session.error(f"no backend {', '.join(sorted(unknown))}: name some of {', '.join(BACKENDS)}")
    make_environments(session, names)
    return {name: str(ROOT / ".nox" / f"execute-{name}" / "bin" / "python") for name in names}


def make_environments(session: nox.Session, names: list[str]) -> None:
    """Make the environments of backends, where they are not made yet."""
    sessions = [f"execute({name})" for name in names]
    session.run(sys.executable, "-m", "nox", "--install-only", "-s", *sessions, external=True, silent=True)


def split(session: nox.Session) -> tuple[list[str], list[str]]:
    """The backends that were named, and the options behind them: ``-- jax torch --port 8001``."""
    words = list(session.posargs)
    first = next((place for place, word in enumerate(words) if word.startswith("-")), len(words))
    return words[:first], words[first:]


@nox.session
def serve(session: nox.Session) -> None:
    """Live preview with reload; executes what changed on NumPy, or on the backends named: -- jax torch."""
    names, options = split(session)
    session.posargs[:] = [*(names or ["numpy"]), *options]
    pythons = environments(session)
    install(session, "serve")
    words = [f"{name}={python}" for name, python in pythons.items()]
    session.run("python", "-m", "mithril_docs", "serve", *words, *options)


@nox.session
def lab(session: nox.Session) -> None:
    """JupyterLab on the pages themselves, a folder and a kernel for each backend (some of them: -- numpy jax)."""
    pythons = environments(session)
    install(session, "lab")
    words = [f"{name}={python}" for name, python in pythons.items()]
    session.run("python", "-m", "mithril_docs", "lab", *words, *split(session)[1])


def prove_site(session: nox.Session, *options: str) -> None:
    """Run the test suite on the built site, a worker a core."""
    install(session, "tests")
    if not browser():
        system_package(session, "chromium", "Chromium")
    if not browser():
        session.warn("Chromium is missing, so no page is tested in a browser: install it with your package manager")
    workers = ["-n", str(os.cpu_count()), "--dist", "loadgroup", "--no-loadscope-reorder"]
    session.run("pytest", *(session.posargs or [*workers, *options, "tests"]))


@nox.session(requires=["site"])
def tests(session: nox.Session) -> None:
    """Build the site on every backend, then prove it and its machinery. The one command that proves a checkout."""
    prove_site(session)


@nox.session(requires=["site"])
def prove(session: nox.Session) -> None:
    """Prove in full what ``tests`` samples: pages at home on every backend, axe on all, fuzzed pages, more cases."""
    session.env["MITHRIL_DOCS_PROVE"] = "1"
    install(session, "tests")
    conform(session, list(BACKENDS), "--more", "60")
    build(session, list(BACKENDS), "site")
    prove_site(session)


@nox.session
@nox.parametrize("backend", list(BACKENDS), ids=list(BACKENDS))
def examples(session: nox.Session, backend: str) -> None:
    """Run the tests of ``examples/`` on one backend, in its environment; ``tests`` runs them on all."""
    make_environments(session, [backend])
    install(session, "tests")
    session.env["MITHRIL_DOCS_PROVE"] = "1"
    others = [name for name in BACKENDS if name != backend]
    session.run("pytest", "-k", " and ".join(f"not {name}" for name in others), *session.posargs, "tests/examples")


def system_package(session: nox.Session, package: str, what: str) -> None:
    """Install what is no Python package, where Debian's installer is at hand."""
    if shutil.which("apt-get"):
        session.log(f"{what} is missing; installing Debian's")
        apt = ["apt-get", "--quiet", "--yes", "--no-install-recommends"]
        for words in (["update"], ["install", package]):
            session.run(*apt, *words, external=True, success_codes=range(256), silent=True)


def browser() -> str | None:
    """Where Chromium is."""
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff, types, spelling, and the contracts of pages."""
    install(session, "lint")
    code = ["conf.py", "noxfile.py", "docs/_ext", "docs/_gpu", "examples", "tests"]
    session.run("ruff", "check", *code)
    session.run("ruff", "format", "--check", *code)
    session.run("mypy", "docs/_ext/mithril_docs", "examples/benchmark", "noxfile.py", "conf.py")
    session.run("codespell", "docs", "examples", "tests", "README.md", "noxfile.py", "conf.py")
    session.run("pytest", "-q", "tests/unit")


def documented(session: nox.Session) -> None:
    """Execute what the store lacks of the documented version, on the backends that are named, or on all."""
    named = [word for word in session.posargs if word in BACKENDS]
    sessions = [f"execute({name})" for name in named or BACKENDS]
    session.run(sys.executable, "-m", "nox", "-s", *sessions, external=True)
    conform(session, named or list(BACKENDS))


@nox.session
def gate(session: nox.Session) -> None:
    """Whether a build of Mithril keeps what the documentation promises: -- 0.1.3, -- dist/mithril-….whl, -- PATH."""
    install(session, "gate")
    documented(session)
    if session.run("python", "-c", "", silent=True) is None:  # nox only installs
        return
    command = [str(Path(session.bin) / "python"), "-m", "mithril_docs", "gate", *session.posargs]
    given = {name: value for name, value in session.env.items() if value is not None}
    if status := subprocess.run(command, env={**os.environ, **given}).returncode:
        sys.exit(status)  # each says something else, and nox knows one


@nox.session
def gate_proof(session: nox.Session) -> None:
    """The gate against all faulty and sound candidates of tests/gate (-- NAME...: some of them)."""
    install(session, "gate")
    documented(session)
    session.run("python", "tests/gate/proof.py", *session.posargs)


@nox.session
def linkcheck(session: nox.Session) -> None:
    """Follow every link of the pages, those that leave the site too."""
    install(session, "site")
    session.run(
        "sphinx-build", "--quiet", "-b", "linkcheck", "-c", ".", "-d", "build/doctrees/site", "docs", "build/linkcheck"
    )


@nox.session
def bench(session: nox.Session) -> None:
    """The build against stock myst-nb and sphinx-gallery, and the site in Lighthouse (-- --parts growth: a part)."""
    environments(session)
    install(session, "bench")
    session.run("python", "tests/bench/bench.py", *session.posargs)


@nox.session
def pins(session: nox.Session) -> None:
    """Compile constraints/ from the dependency groups of pyproject.toml (-- --upgrade: the newest that fit)."""
    # No addresses in them, and one file for Linux and macOS.
    plain = ["--no-header", "--no-annotate", "--no-emit-index-url", "--no-emit-find-links"]
    for group in GROUPS:
        out = f"constraints/{group}.txt"
        command = ["pip", "compile", "--quiet", "--universal", "--python-version", "3.12", *plain, *session.posargs]
        session.run("uv", *command, "pyproject.toml", "--group", group, "-o", out, external=True)
