"""The program that a person would read in a response: fenced in any way or not at all, with text around it."""

import ast
import re
import textwrap
import warnings

_UNSAID = re.compile(r"<think>.*?(?:</think>|\Z)|(?:<\|[^|<>\n]*\|>|</s>).*", re.DOTALL)
_FENCE = re.compile(r"(?:```+|~~~+)[ \t]*\{?\.?([\w+#.-]*)\}?")
_PYTHON = re.compile(r"(?:py|python|ipython|tool_code|code)?[\d.]*", re.IGNORECASE)  # the name of a block


def said(response: str) -> str:
    """What of a response is meant for the reader: no reasoning, and nothing behind the end of a turn."""
    return _UNSAID.sub("", response.replace("\r\n", "\n"))


def read_program(response: str) -> str:
    """The program in a response, empty where there is none.

    Fenced blocks of Python, by any of its names or none, are joined up to the first that does something (calls a
    function in a statement of its own): a function and its call make one program. A bare fence behind code that nothing
    opened closes it; any other opens a block, closed or not. Without such blocks it is the first run of lines that is a
    program and does something.
    """
    text, program = said(response), ""
    for block in _blocks(text):
        program = f"{program}\n{block}".strip()
        if _acts(program):
            return program
    return program or _run_of_lines(text)


def _blocks(text: str) -> list[str]:
    """The fenced blocks of Python that are programs, or the run of lines in each that is one."""
    found, start, name = list[str](), 0, None  # the name of the block that is open
    for mark in _FENCE.finditer(text):
        segment = text[start : mark.start()]
        if name is None and not mark[1] and (code := _run_of_lines(segment)):
            found.append(code)
            start = mark.end()
        elif name is None or (mark[1] and _PYTHON.fullmatch(mark[1])):
            if name is not None:
                found.append(segment)
            inline = text[mark.end() : mark.end() + 1].strip()  # ```print(1)```
            name, start = ("", mark.start(1)) if inline and mark[1] else (mark[1], mark.end())
        else:
            found += [segment] if _PYTHON.fullmatch(name) else []
            name, start = None, mark.end()
    if name is not None and _PYTHON.fullmatch(name):
        found.append(text[start:])
    codes = map(_dedented, found)
    return [kept for code in codes if (kept := code if isinstance(_parsed(code), ast.Module) else _run_of_lines(code))]


def _dedented(code: str) -> str:
    return textwrap.dedent(code.strip("\n")).strip()


def _parsed(code: str) -> ast.Module | int:
    """The program, or the number of the line where it ceases to be one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return ast.parse(code)
        except SyntaxError as error:
            return error.lineno or 1
        except (ValueError, RecursionError, MemoryError):  # null bytes, nesting too deep
            return 1


def _acts(code: str) -> bool:
    """Whether it is a program that calls something in a statement of its own, outside of functions."""
    module = _parsed(code)
    left: list[ast.AST] = [module] if isinstance(module, ast.Module) else []
    while left:
        node = left.pop()
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            left += ast.iter_child_nodes(node)
    return False


def _run_of_lines(text: str) -> str:
    """The first run of lines, as long as can be, that is a program and does something; empty where there is none."""
    lines = text.strip().split("\n")
    for start, line in enumerate(lines):
        end = len(lines) if line.strip() else start
        while end > start:
            code = _dedented("\n".join(lines[start:end]))
            module = _parsed(code)
            if isinstance(module, ast.Module):
                if _acts(code):
                    return code
                break
            end = min(end - 1, start + module - 1)
    return ""
