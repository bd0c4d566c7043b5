"""What the process of a page promises: the page shows what a reader's own kernel would, and the same in every run.

All pages stand in one site. It is executed twice, and every test looks at what the store then holds.
"""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import multiprocessing
import time
from typing import Any

import psutil
import pytest

from mithril_docs.results import Result
from mithril_docs.store import Store
from support.tiny import BACKEND, IMPORT, TinySite, cell

pytestmark = [pytest.mark.xdist_group("kernel"), pytest.mark.takes(30)]


def fails(kind: str, words: str) -> str:
    """The option of a cell that must fail so."""
    return f':raises: {{all: {{{kind}: "{words}"}}}}'


GROUP = "raise ExceptionGroup('two', [ValueError('one'), KeyError('other')])"
BAD = "class Bad(Exception):\n    def __str__(self):\n        raise ValueError('no words')\n\n"
FROZEN = "import dataclasses\n@dataclasses.dataclass(frozen=True)\nclass Frozen(Exception):\n    code: int\n\n"

#: Page to its cells, which stand behind the two that every page has.
PAGES = {
    "awaits": (
        cell("import asyncio\nawait asyncio.sleep(0)\n40 + 2"),
        cell(
            "seen = []\nasync def count():\n    for number in range(3):\n        seen.append(number)\n"
            "        await asyncio.sleep(0.01)\n\ntask = asyncio.create_task(count())"
        ),
        cell("print(seen[:1])"),
        cell("await task\nprint(seen, task.done())"),
        cell("async def numbers():\n    yield 1\n    yield 2\n\n[number async for number in numbers()]"),
        cell("async def fail():\n    raise ValueError('late')\n\nawait fail()", fails("ValueError", "late")),
    ),
    "runs_a_loop": (
        cell("import asyncio\nprint(asyncio.get_running_loop().is_running())"),
        cell(
            "async def nothing():\n    pass\n\nasyncio.run(nothing())",
            fails("RuntimeError", "asyncio.run() cannot be called from a running event loop"),
        ),
    ),
    "last_values": (
        cell("x = 6\nx"),
        cell("x + 1;"),
        cell("None"),
        cell("if x:\n    x"),
        cell("print(_, Out[3], In[3])"),
    ),
    "displays": (
        cell("from IPython.display import HTML, clear_output, display\nprint(1)\ndisplay('two')\nprint(3)"),
        cell("handle = display('first', display_id=True)\nprint('beside')"),
        cell("handle.update('second')"),
        cell("print('a')\nclear_output(wait=True)\nprint('b')"),
        cell("print('a')\nclear_output()\nprint('b')"),
        cell("print('a')\nclear_output(wait=True)"),
        cell("HTML('<b>bold</b>')"),
    ),
    "streams": (
        cell(
            "import multiprocessing, os, subprocess, sys, threading\n"
            "def child():\n    print('child')\n\n"
            "print('first')\n"
            "subprocess.run(['echo', 'program'], check=True)\n"
            "os.write(1, b'written\\n')\n"
            "thread = threading.Thread(target=print, args=['thread'])\n"
            "thread.start()\n"
            "thread.join()\n"
            "process = multiprocessing.get_context('fork').Process(target=child)\n"
            "process.start()\n"
            "process.join()\n"
            "print('last')"
        ),
        cell("print('out')\nprint('err', file=sys.stderr)\nos.write(2, b'written\\n')\nprint('out again')"),
        cell(
            "ready = threading.Event()\n"
            "late = threading.Thread(target=lambda: ready.wait() and print('late'))\n"
            "late.start()"
        ),
        cell("ready.set()\nlate.join()\nprint('joined')"),
        cell("print(multiprocessing.get_start_method())"),
        cell(
            "sys.setswitchinterval(1e-6)\n"
            "def count():\n    for _ in range(500):\n        print('a', 'line')\n\n"
            "threads = [threading.Thread(target=count) for _ in range(4)]\n"
            "for thread in threads:\n    thread.start()\nfor thread in threads:\n    thread.join()"
        ),
    ),
    "says_much": (
        cell(
            "import subprocess, sys\n"
            "done = subprocess.run([sys.executable, '-c', 'print(\"x\" * 3_000_000)'])\n"
            "print(done.returncode)"
        ),
    ),
    "asks": (
        cell("input('name? ')", fails("StdinNotImplementedError", "does not support input requests")),
        cell("import sys\nsys.stdin.read()"),
    ),
    "exits": (cell("import sys\nsys.exit(3)"), cell("print('after')")),
    "magics": (
        cell("ipython = get_ipython()\nipython.run_cell_magic('writefile', 'helper.py', 'VALUE = 7')"),
        cell("import helper\nhelper.VALUE"),
        cell("ipython.system('echo hello')"),
    ),
    "writes_a_module": (
        cell("import pathlib\nprint(list(pathlib.Path().iterdir()))"),
        cell("pathlib.Path('helper.py').write_text('VALUE = 8');"),
        cell("import helper\nhelper.VALUE"),
    ),
    "warns": (
        cell("import warnings\nwarnings.warn('careful')"),
        cell("import traceback\ntry:\n    1 / 0\nexcept ZeroDivisionError:\n    traceback.print_exc()"),
    ),
    "imports_the_machine": (
        cell("import mithril_docs", fails("ModuleNotFoundError", "No module named 'mithril_docs'")),
        cell(
            "import subprocess, sys\n"
            "done = subprocess.run([sys.executable, '-c', 'import mithril_docs'], capture_output=True, text=True)\n"
            "print(done.stderr.splitlines()[-1:])"
        ),
    ),
    "frozen": (
        cell(f"{FROZEN}try:\n    raise Frozen(3)\nexcept Exception as e:\n    print(type(e).__name__, e.code)"),
        cell("raise Frozen(4)", fails("Frozen", "4")),
    ),
    "caught_unreadable": (cell(f"{BAD}try:\n    raise Bad\nexcept Bad as error:\n    print(type(error).__name__)"),),
    "unreadable": (cell(f"{BAD}raise Bad"),),
    "group": (cell(GROUP, fails("ExceptionGroup", "two")), cell("print('after')")),
    "undeclared_group": (cell(GROUP),),
    "watched": (
        cell(
            "import weakref\ncalls = []\nclass Own(Exception):\n"
            "    def __str__(self):\n        calls.append('str')\n        return 'own'\n"
            "    def __getattribute__(self, name):\n        calls.append(name)\n        raise RuntimeError(name)\n\n"
            "try:\n    raise Own\nexcept Own:\n    print(calls)"
        ),
        cell(
            "class Meta(type):\n    __name__ = property(lambda self: calls.append('name'))\n\n"
            "class Made(Exception, metaclass=Meta):\n    pass\n\n"
            "try:\n    raise Made\nexcept Made:\n    print(calls)"
        ),
        cell(
            "class Value:\n    def __repr__(self):\n        calls.append('repr')\n        return 'value'\n"
            "    def __dir__(self):\n        calls.append('dir')\n        return ['other']\n"
            "    def look(self):\n        return othr\n\n"
            "for act in (lambda: {}[Value()], lambda: Value().othr, Value().look, lambda: int([Value()])):\n"
            "    try:\n        act()\n    except Exception as error:\n        print(type(error).__name__, calls)"
        ),
        cell(
            "class Held:\n    pass\n\nclass Gone(Exception):\n    pass\n\n"
            "def fail():\n    here = Held()\n    held.append(weakref.ref(here))\n"
            "    raise Gone('with a local')\n\nheld = []\ntry:\n    fail()\nexcept Gone as error:\n"
            "    held.append(weakref.ref(error))\n    print(vars(error))\nprint([ref() for ref in held])"
        ),
        cell(
            "import sys\nfor number in range(6):\n    if sys.monitoring.get_tool(number):\n"
            "        sys.monitoring.free_tool_id(number)\n    sys.monitoring.use_tool_id(number, 'own')"
        ),
        cell("try:\n    1 / 0\nexcept ZeroDivisionError:\n    print(sys.monitoring.get_tool(4))"),
    ),
    "nested": (
        cell(
            "shell = get_ipython()\nran = shell.run_cell('x = 5\\nprint(1)\\nx + 1')\nprint(ran.success, ran.result, x)"
        ),
        cell("print(shell.run_cell('1 / 0').success)", fails("ZeroDivisionError", "division by zero")),
    ),
    "many_errors": (
        cell(
            "caught = 0\n"
            "for number in range(20_000):\n"
            "    try:\n"
            "        raise ValueError(number)\n"
            "    except ValueError:\n"
            "        caught += 1\n\n"
            "print(caught)"
        ),
        cell("for n in range(20_000):\n    try:\n        raise KeyError(n)\n    except KeyError:\n        pass"),
    ),
    "surrogates": (
        cell("print('\\ud800')"),
        cell("from IPython.display import display\ndisplay({'text/plain': 'a\\ud83d'}, raw=True)"),
        cell("raise ValueError('\\ud800')", fails("ValueError", r"\\ud800")),
    ),
    "bytes": (
        cell("import os\nos.write(1, b'\\xff\\n');"),
        cell("os.write(1, 'é→'.encode()[:3])\nos.write(1, 'é→'.encode()[3:]);"),
    ),
    "terminal": (
        cell("for n in range(4):\n    print(f'\\r{n}/3 {\"#\" * n}', end='')"),
        cell("print('\\x1b[?25lup\\ndown\\x1b[A\\rUP\\n\\rlong line\\rnew\\x1b[K\\x1b[?25h')"),
        cell("print('\\x1b[31mred\\x1b[0m\\rb\\n\\x1b]8;;https://example.org\\x1b\\\\link\\x1b]8;;\\x1b\\\\')"),
        cell("print('\\x1b[99999999B\\x1b[99999999A\\x1b[1mtop\\x1b[0m\\x1b[2Kx')"),
        cell("print('wait|\\b/\\b-\\bdone')"),
    ),
    "widgets": (
        cell(
            "class Widget:\n    def _repr_mimebundle_(self, include=None, exclude=None):\n"
            "        view = {'model_id': str(id(self)), 'version_major': 2, 'version_minor': 0}\n"
            "        return {'text/plain': 'IntSlider(value=3)', 'application/vnd.jupyter.widget-view+json': view}\n\n"
            "Widget()"
        ),
        cell("from IPython.display import display\ndisplay(Widget())"),
    ),
    "late": (
        cell(
            "import asyncio\nfrom IPython.display import display\n"
            "async def late():\n    await asyncio.sleep(0.01)\n    print('late')\n    display('shown')\n\n"
            "task = asyncio.create_task(late())"
        ),
        cell("print('other')"),
        cell("await task\nprint('last')"),
        cell("task = asyncio.create_task(late())\n1 / 0", fails("ZeroDivisionError", "division")),
        cell("await task"),
    ),
    "no_stream": (cell("import sys\nsys.stdout = None"), cell("print('after')")),
    "takes_away": (
        cell(
            "import json, os, time\njson.dumps = json.loads = time.perf_counter = os.fstat = None\n"
            "os.getpid = lambda: 5"
        ),
        cell("print('here')"),
        cell(
            "from IPython.display import display\n"
            "class Text(str):\n    def encode(self, *_):\n        raise ValueError\n"
            "    endswith = rpartition = encode\n\n"
            "class Values(dict):\n    def items(self):\n        raise ValueError\n\n"
            "print(Text('text'))\ndisplay(Values({'text/plain': Text('shown')}), raw=True)"
        ),
    ),
    "says_too_much": (cell("print('x' * 10_000_001)"), cell("print('after')")),
    "long_message": (cell("raise ValueError('\\x00' + 'long ' * 1_000_000)"),),
    "figures": (
        cell("import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\nprint('behind')"),
        cell("figure, axes = plt.subplots()\nprint('before')"),
        cell("figure"),
    ),
    "looks_at_itself": (
        cell("import inspect, pickle, threading\nclass Own:\n    pass\n\nprint(__name__, '__file__' in globals())"),
        cell("type(pickle.loads(pickle.dumps(Own()))) is Own"),
        cell("def one():\n    return 1\n\nprint(inspect.getsource(one))"),
        cell("threading.current_thread() is threading.main_thread()"),
    ),
    "signal": (cell("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"),),
    "quits": (cell("import os\nprint('words')\nos._exit(3)"),),
}

#: Starts a program that outlives the page unless it is ended with it, and notes both.
START = (
    "import os, pathlib, subprocess\n"
    "child = subprocess.Popen(['sleep', '86399'])\n"
    "pathlib.Path({place!r}).write_text(f'{{os.getpid()}} {{child.pid}}')"
)
LEAVING = {"leaves_a_child": cell("os._exit(3)"), "endless": cell("while True:\n    pass")}


@dataclasses.dataclass
class Ran:
    """What two executions of the pages gave."""

    first: dict[str, dict]
    second: dict[str, dict]
    results: dict[str, Result]
    left: dict[str, list[int]]

    def outputs(self, page: str) -> list[list[dict[str, Any]]]:
        """The outputs of a page's own cells that ran."""
        return [outputs for number, outputs in sorted(self.results[page].outputs.items()) if number > 2]

    def told(self, page: str) -> list[list[str]]:
        """The same as words: what streams hold, and the text of displays and of last values."""
        return [
            [output.get("text") or output.get("data", {}).get("text/plain") or output["ename"] for output in outputs]
            for outputs in self.outputs(page)
        ]

    def failures(self, page: str) -> list[str]:
        return [str(failure) for failure in self.results[page].failures]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    tiny = TinySite(tmp_path_factory.mktemp("kernel"))
    places = {name: tiny.folder / f"{name}.pids" for name in LEAVING}
    for name, cells in PAGES.items():
        tiny.page(name, IMPORT, BACKEND, *cells)
    for name, last in LEAVING.items():
        tiny.page(name, IMPORT, BACKEND, cell(START.format(place=str(places[name]))), last, extra="timeout: 5")
    runs: list[dict[str, dict]] = []
    left: dict[str, list[int]] = {name: [] for name in LEAVING}
    for option in ((), ("--force",)):
        executed = tiny.execute("numpy", *option)
        assert f"{len(PAGES) + len(LEAVING)} pages executed" in executed.stdout, executed.stderr
        runs.append(tiny.results())
        for name, place in places.items():
            left[name] += map(int, place.read_text().split())
    store = Store(tiny.store)
    results = {name: store.read(name, "numpy") for name in (*PAGES, *LEAVING)}
    return Ran(*runs, {name: result for name, result in results.items() if result}, left)


def test_two_runs_are_equal(ran: Ran) -> None:
    assert len(ran.first) == len(PAGES) + len(LEAVING)
    for page in ran.first:
        assert ran.first[page] == ran.second[page], page


def test_a_page_is_well_unless_it_says_otherwise(ran: Ran) -> None:
    failing = {"exits", "unreadable", "undeclared_group", "signal", "quits", "no_stream", "long_message"}
    failing |= {"says_too_much", *LEAVING}
    assert {name: ran.failures(name) for name in PAGES if name not in failing and ran.failures(name)} == {}


def test_a_cell_may_await(ran: Ran) -> None:
    assert ran.told("awaits") == [["42"], [], ["[0]\n"], ["[0, 1, 2] True\n"], ["[1, 2]"], ["ValueError"]]


def test_a_loop_is_running(ran: Ran) -> None:
    asked, refused = ran.outputs("runs_a_loop")
    assert asked[0]["text"] == "True\n"
    assert refused[0]["ename"] == "RuntimeError"


def test_the_last_value_is_shown(ran: Ran) -> None:
    assert ran.told("last_values") == [["6"], [], [], [], ["6 6 x = 6\nx\n"]]


def test_displays_stand_in_order_and_may_change(ran: Ran) -> None:
    ordered, updated, updating, *cleared, rich = ran.outputs("displays")
    assert [output["output_type"] for output in ordered] == ["stream", "display_data", "stream"]
    assert [ordered[0]["text"], ordered[1]["data"], ordered[2]["text"]] == ["1\n", {"text/plain": "'two'"}, "3\n"]
    assert updated[0]["data"] == {"text/plain": "'second'"} and updated[1]["text"] == "beside\n"
    assert updating == []
    assert [[output["text"] for output in outputs] for outputs in cleared] == [["b\n"], ["b\n"], ["a\n"]]
    assert rich[0]["output_type"] == "execute_result" and rich[0]["data"]["text/html"] == "<b>bold</b>"


def test_everything_that_writes_is_heard(ran: Ran) -> None:
    ordered, both, waiting, late, method, lines = ran.outputs("streams")
    assert [output["text"].split() for output in ordered] == [
        ["first", "program", "written", "thread", "child", "last"]
    ]
    assert [(output["name"], output["text"]) for output in both] == [
        ("stdout", "out\nout again\n"),
        ("stderr", "err\nwritten\n"),
    ]
    assert waiting == [] and late[0]["text"] == "late\njoined\n"
    assert set(lines[0]["text"].splitlines()) == {"a line"} and lines[0]["text"].count("\n") == 2000
    # Processes of the page's own start as a reader's do; the first that is listed is the platform's own.
    assert method[0]["text"].strip() == multiprocessing.get_all_start_methods()[0]


def test_more_than_a_pipe_holds(ran: Ran) -> None:
    (outputs,) = ran.outputs("says_much")
    (stream,) = outputs
    assert stream["text"] == "x" * 3_000_000 + "\n0\n"


def test_nobody_is_there_to_answer(ran: Ran) -> None:
    assert ran.told("asks") == [["StdinNotImplementedError"], ["''"]]


def test_an_exit_is_a_failure(ran: Ran) -> None:
    assert ran.failures("exits") == ["cell 3: SystemExit: 3"]
    assert 4 not in ran.results["exits"].outputs


def test_magics_work(ran: Ran) -> None:
    written, value, echoed = ran.told("magics")
    assert written == ["Writing helper.py\n"] and value == ["7"] and echoed[0].split() == ["hello"]


def test_a_module_may_be_written_and_imported(ran: Ran) -> None:
    """The folder is the page's own: it is empty at first, and other pages' modules of the same name are not there."""
    assert ran.told("writes_a_module") == [["[]\n"], [], ["8"]]


def test_no_process_number_is_shown(ran: Ran) -> None:
    warned, traced = ran.outputs("warns")
    assert warned[0]["text"].endswith(":2: UserWarning: careful\n  warnings.warn('careful')\n")
    assert traced[0]["text"].endswith("ZeroDivisionError: division by zero\n")
    assert "ipykernel" not in warned[0]["text"] + traced[0]["text"]  # whose files have it in their names


def test_nothing_of_the_machine_can_be_imported(ran: Ran) -> None:
    """Neither by the page nor by a program that it starts: a reader has none of it."""
    assert ran.told("imports_the_machine") == [
        ["ModuleNotFoundError"],
        ["[\"ModuleNotFoundError: No module named 'mithril_docs'\"]\n"],
    ]


def test_an_error_that_cannot_be_changed_stays_itself(ran: Ran) -> None:
    assert ran.told("frozen") == [["Frozen 3\n"], ["Frozen"]]
    assert [(error.kind, error.message) for error in ran.results["frozen"].raised] == [("Frozen", "3"), ("Frozen", "4")]


def test_watching_calls_nothing_and_keeps_nothing(ran: Ran) -> None:
    """What a page's own classes define is called by the page alone, and what it let go is gone."""
    strange, made, values, held, *tools = ran.told("watched")
    assert (strange, made) == (["[]\n"], ["[]\n"])
    assert values == ["KeyError []\nAttributeError []\nNameError []\nTypeError []\n"]
    assert held == ["{}\n[None, None]\n"]
    assert tools == [[], ["own\n"]]
    noted = [(error.cell, error.kind, error.message) for error in ran.results["watched"].raised]
    assert noted[:2] == [(3, "Own", ""), (4, "Made", "")]
    assert {(5, "KeyError", ""), (5, "NameError", "name 'othr' is not defined")} <= set(noted)


def test_an_error_without_a_message_to_read(ran: Ran) -> None:
    assert ran.told("caught_unreadable") == [["Bad\n"]]
    assert ran.failures("unreadable") == ["cell 3: Bad: <its message cannot be read: ValueError>"]


def test_a_group_of_errors(ran: Ran) -> None:
    group, after = ran.outputs("group")
    assert group[-1]["traceback"] == ["ExceptionGroup: two (2 sub-exceptions)"] and after[0]["text"] == "after\n"
    assert ran.failures("undeclared_group") == ["cell 3: ExceptionGroup: two (2 sub-exceptions)"]


def test_a_cell_within_a_cell(ran: Ran) -> None:
    inner, failing = ran.outputs("nested")
    assert [output.get("text") or output["data"]["text/plain"] for output in inner] == ["1\n", "6", "True 6 5\n"]
    assert failing[0]["traceback"] == ["ZeroDivisionError: division by zero"] and failing[1]["text"] == "False\n"


def test_errors_without_end_are_noted_up_to_a_number(ran: Ran) -> None:
    raised = ran.results["many_errors"].raised
    assert ran.told("many_errors") == [["20000\n"], []]
    assert {error.kind for error in raised} == {"ValueError", "KeyError"}
    assert 0 < len(raised) <= 1000 and len({(error.kind, error.message) for error in raised}) == len(raised)


def test_what_is_no_text_is_shown_in_words(ran: Ran) -> None:
    assert ran.told("surrogates") == [["\\ud800\n"], ["a\\ud83d"], ["ValueError"]]
    assert ran.told("bytes") == [["\N{REPLACEMENT CHARACTER}\n"], ["é→"]]


def test_a_bar_is_its_last_state(ran: Ran) -> None:
    assert ran.told("terminal") == [
        ["3/3 ###"], ["UP\nnew\n"], ["b\x1b[31med\x1b[0m\nlink\n"], [" " * 3 + "x\n"], ["waitdone\n"],
    ]  # fmt: skip


def test_a_widget_is_shown_by_its_text(ran: Ran) -> None:
    assert [output["data"] for outputs in ran.outputs("widgets") for output in outputs] == [
        {"text/plain": "IntSlider(value=3)"}
    ] * 2


def test_a_task_gives_to_its_own_cell(ran: Ran) -> None:
    first = ["late\n", "'shown'"]
    assert ran.told("late") == [first, ["other\n"], ["last\n"], ["ZeroDivisionError", *first], []]
    assert ran.outputs("late")[3][0]["traceback"] == ["ZeroDivisionError: division by zero"]


def test_a_page_may_take_away_what_a_kernel_needs(ran: Ran) -> None:
    assert ran.told("takes_away") == [[], ["here\n"], ["text\n", "shown"]]


def test_a_failure_is_one_line(ran: Ran) -> None:
    assert ran.failures("no_stream") == ["cell 4: AttributeError: 'NoneType' object has no attribute 'write'"]
    assert ran.failures("says_too_much") == [
        "cell 3: wrote over 10 MB to a stream, of which the rest is cut: print less"
    ]
    assert ran.told("says_too_much")[1] == ["after\n"]
    (told,) = ran.failures("long_message")
    assert told.startswith(r"cell 3: ValueError: \x00long long ") and len(told) < 1100


def test_figures_are_pictures(ran: Ran) -> None:
    shown, left, value = ran.outputs("figures")
    assert [output["output_type"] for output in shown] == ["display_data", "stream"]
    assert [output["output_type"] for output in left] == ["stream", "display_data"]  # shown when its cell ends
    for output in (shown[0], left[1], value[0]):
        assert base64.b64decode(output["data"]["image/png"]).startswith(b"\x89PNG")


def test_a_page_is_the_main_program(ran: Ran) -> None:
    assert ran.told("looks_at_itself") == [
        ["__main__ False\n"], ["True"], ["def one():\n    return 1\n\n"], ["True"]
    ]  # fmt: skip


def test_a_death_is_told(ran: Ran) -> None:
    assert ran.failures("signal") == ["cell 3: the page's process died (signal SIGKILL)"]
    assert ran.failures("quits") == ["cell 3: the page's process died (exit status 3)"]
    assert ran.failures("leaves_a_child") == ["cell 4: the page's process died (exit status 3)"]
    assert ran.failures("endless") == ["cell 4: did not end within 5 s"]


@pytest.mark.parametrize("page", LEAVING)
def test_nothing_of_a_page_is_left_running(ran: Ran, page: str) -> None:
    assert len(set(ran.left[page])) == 4, "two runs of a page with one child each"
    waiting = {number for number in ran.left[page] if lives(number)}
    for _ in range(150):
        if not waiting:
            break
        time.sleep(0.1)
        waiting = {number for number in waiting if lives(number)}
    assert not waiting


def lives(number: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked for does not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    return False
