"""Calico's selector language: parse, evaluate, and move into a label namespace.

Follows libcalico-go/lib/selector (tokenizer, parser, ast): `||` binds weakest, then `&&`, then `!`; only blanks and tabs
separate tokens; `!=`, `not in` and a negated comparison match a missing label; an empty selector is `all()`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NoReturn

Labels = Mapping[str, str]

MAX_LENGTH = 100_000
MAX_DEPTH = 100

_LABEL = re.compile(r"[a-zA-Z0-9_./-]{1,512}")
_CALL = re.compile(r"(has|all|global)\([ \t]*")
_OPERATOR = re.compile(r"(contains|starts[ \t]*with|ends[ \t]*with|not[ \t]*in|in)")
_PLAIN = {"(": "(", ")": ")", "{": "{", "}": "}", ",": ","}
_DOUBLE = {"=": "==", "&": "&&", "|": "||"}
_BLANKS = " \t"


class CalicoSelectorError(ValueError):
    """A selector that Calico would refuse; `position` counts characters from 0."""

    def __init__(self, position: int, expected: str) -> None:
        super().__init__(f"at character {position}: {expected}")
        self.position = position
        self.expected = expected


@dataclass(frozen=True, slots=True)
class Everything:
    """`all()`, and `global()` where it has no meaning of its own."""

    def matches(self, labels: Labels) -> bool:
        """Always."""
        return True

    def prefixed(self, prefix: str) -> "Node":
        """The same node: it names no label."""
        return self

    def __str__(self) -> str:
        return "all()"


@dataclass(frozen=True, slots=True)
class ClusterScoped:
    """`global()`: things without a namespace, where a rule's namespaceSelector says it."""

    def matches(self, labels: Labels) -> bool:
        """Always: Calico gives it a meaning only in a rule's namespaceSelector (see `in_namespaces`)."""
        return True

    def prefixed(self, prefix: str) -> "Node":
        """The same node: it names no label."""
        return self

    def __str__(self) -> str:
        return "global()"


@dataclass(frozen=True, slots=True)
class Has:
    """`has(label)`."""

    label: str

    def matches(self, labels: Labels) -> bool:
        """Whether the label is there, whatever its value."""
        return self.label in labels

    def prefixed(self, prefix: str) -> "Node":
        """The same question about `prefix` + label."""
        return Has(prefix + self.label)

    def __str__(self) -> str:
        return f"has({self.label})"


@dataclass(frozen=True, slots=True)
class Compare:
    """`label == "x"`, `in`, `contains`, `starts with`, `ends with`: false where the label is missing."""

    label: str
    operator: str
    values: tuple[str, ...]

    def matches(self, labels: Labels) -> bool:
        """Whether the label is there and its value fits."""
        value = labels.get(self.label)
        return value is not None and _COMPARISONS[self.operator](value, self.values)

    def prefixed(self, prefix: str) -> "Node":
        """The same comparison of `prefix` + label."""
        return Compare(prefix + self.label, self.operator, self.values)

    def __str__(self) -> str:
        if self.operator == "in":
            return f"{self.label} in {{{', '.join(_quoted(value) for value in self.values)}}}"
        return f"{self.label} {self.operator} {_quoted(self.values[0])}"


@dataclass(frozen=True, slots=True)
class Not:
    """`!`; also what `!=` and `not in` are: true where the label is missing."""

    operand: "Node"

    def matches(self, labels: Labels) -> bool:
        """Whether the operand doesn't match."""
        return not self.operand.matches(labels)

    def prefixed(self, prefix: str) -> "Node":
        """The negation of the prefixed operand."""
        return Not(self.operand.prefixed(prefix))

    def __str__(self) -> str:
        return f"!({self.operand})"


@dataclass(frozen=True, slots=True)
class Join:
    """`&&` or `||` of two or more operands."""

    operator: str
    operands: tuple["Node", ...]

    def matches(self, labels: Labels) -> bool:
        """Whether all operands match, or any."""
        answers = (operand.matches(labels) for operand in self.operands)
        return all(answers) if self.operator == "&&" else any(answers)

    def prefixed(self, prefix: str) -> "Node":
        """The join of the prefixed operands."""
        return Join(self.operator, tuple(operand.prefixed(prefix) for operand in self.operands))

    def __str__(self) -> str:
        return "(" + f" {self.operator} ".join(str(operand) for operand in self.operands) + ")"


Node = Everything | ClusterScoped | Has | Compare | Not | Join

EVERYTHING = Everything()

_COMPARISONS: dict[str, Callable[[str, tuple[str, ...]], bool]] = {
    "==": lambda value, wanted: value == wanted[0],
    "in": lambda value, wanted: value in wanted,
    "contains": lambda value, wanted: wanted[0] in value,
    "starts with": lambda value, wanted: value.startswith(wanted[0]),
    "ends with": lambda value, wanted: value.endswith(wanted[0]),
}


def conjunction(*nodes: Node) -> Node:
    """All of the nodes; `all()` when there is none."""
    wanted = tuple(node for node in nodes if node != EVERYTHING)
    if not wanted:
        return EVERYTHING
    return wanted[0] if len(wanted) == 1 else Join("&&", wanted)


def in_namespaces(node: Node, namespace_label: str) -> Node:
    """A namespaceSelector with `all()` as "in any namespace" and `global()` as "in none".

    Source: Calico rewrites them to `has(projectcalico.org/namespace)` and its negation before endpoints are matched.
    """
    match node:
        case Everything():
            return Has(namespace_label)
        case ClusterScoped():
            return Not(Has(namespace_label))
        case Not(operand):
            return Not(in_namespaces(operand, namespace_label))
        case Join(operator, operands):
            return Join(operator, tuple(in_namespaces(operand, namespace_label) for operand in operands))
        case _:
            return node


@lru_cache(maxsize=50_000)
def parse_calico_selector(text: str) -> Node:
    """Parse a selector. Raises CalicoSelectorError with the position of what Calico would refuse."""
    if len(text) > MAX_LENGTH:
        raise CalicoSelectorError(MAX_LENGTH, f"a selector of at most {MAX_LENGTH} characters is read")
    tokens = _tokenise(text)
    if tokens[0].kind == "end":
        return EVERYTHING
    parser = _Parser(tokens)
    node = parser.alternatives(0)
    if parser.next.kind != "end":
        parser.fail("expected && or || or the end of the selector")
    return node


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    position: int
    text: str = ""


def _tokenise(text: str) -> list[_Token]:
    tokens: list[_Token] = []
    position = 0
    while True:
        while position < len(text) and text[position] in _BLANKS:
            position += 1
        if position == len(text):
            return [*tokens, _Token("end", position)]
        after_label = bool(tokens) and tokens[-1].kind == "label"
        token, position = _next_token(text, position, after_label)
        tokens.append(token)


def _next_token(text: str, at: int, after_label: bool) -> tuple[_Token, int]:
    character = text[at]
    if character in _PLAIN:
        return _Token(character, at), at + 1
    if character in "'\"":
        end = text.find(character, at + 1)
        if end < 0:
            raise CalicoSelectorError(at, f"expected a closing {character}")
        return _Token("string", at, text[at + 1 : end]), end + 1
    if character in _DOUBLE:
        if text[at : at + 2] != _DOUBLE[character]:
            raise CalicoSelectorError(at, f"expected {_DOUBLE[character]}")
        return _Token(_DOUBLE[character], at), at + 2
    if character == "!":
        different = text[at : at + 2] == "!="
        return _Token("!=" if different else "!", at), at + (2 if different else 1)
    return _operator_token(text, at) if after_label else _word_token(text, at)


def _operator_token(text: str, at: int) -> tuple[_Token, int]:
    found = _OPERATOR.match(text, at)
    if found is None:
        expected = "expected ==, !=, in, not in, contains, starts with or ends with after a label"
        raise CalicoSelectorError(at, expected)
    word = found.group(1)
    kinds = {"s": "starts with", "e": "ends with", "c": "contains", "i": "in", "n": "not in"}
    return _Token(kinds[word[0]], at), found.end()


def _word_token(text: str, at: int) -> tuple[_Token, int]:
    if call := _CALL.match(text, at):
        return _call_token(text, at, call.group(1), call.end())
    label = _LABEL.match(text, at)
    if label is None:
        raise CalicoSelectorError(at, "expected a label, has(), all(), global(), ! or (")
    return _Token("label", at, label.group()), label.end()


def _call_token(text: str, at: int, function: str, inside: int) -> tuple[_Token, int]:
    argument = ""
    if function == "has":
        label = _LABEL.match(text, inside)
        if label is None:
            raise CalicoSelectorError(inside, "expected a label in has()")
        argument, inside = label.group(), label.end()
    while inside < len(text) and text[inside] in _BLANKS:
        inside += 1
    if text[inside : inside + 1] != ")":
        raise CalicoSelectorError(inside, f"expected ) after {function}({argument}")
    return _Token(function, at, argument), inside + 1


class _Parser:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._index = 0

    @property
    def next(self) -> _Token:
        return self._tokens[self._index]

    def fail(self, expected: str) -> NoReturn:
        raise CalicoSelectorError(self.next.position, expected)

    def take(self, kind: str, expected: str) -> _Token:
        token = self.next
        if token.kind != kind:
            self.fail(expected)
        self._index += 1
        return token

    def accept(self, kind: str) -> bool:
        if self.next.kind != kind:
            return False
        self._index += 1
        return True

    def alternatives(self, depth: int) -> Node:
        return self._joined("||", lambda: self._joined("&&", lambda: self._operation(depth)))

    def _joined(self, operator: str, operand: Callable[[], Node]) -> Node:
        operands = [operand()]
        while self.accept(operator):
            operands.append(operand())
        return operands[0] if len(operands) == 1 else Join(operator, tuple(operands))

    def _operation(self, depth: int) -> Node:
        if depth > MAX_DEPTH:
            self.fail(f"at most {MAX_DEPTH} nested parentheses are read")
        negated = False
        while self.accept("!"):
            negated = not negated
        node = self._atom(depth)
        return Not(node) if negated else node

    def _atom(self, depth: int) -> Node:
        token = self.next
        if self.accept("("):
            node = self.alternatives(depth + 1)
            self.take(")", "expected )")
            return node
        if self.accept("has"):
            return Has(token.text)
        if self.accept("all"):
            return EVERYTHING
        if self.accept("global"):
            return ClusterScoped()
        label = self.take("label", "expected a label, has(), all(), global(), ! or (")
        return self._comparison(label.text)

    def _comparison(self, label: str) -> Node:
        operator = self.next.kind
        if operator in ("in", "not in"):
            self._index += 1
            within = Compare(label, "in", self._set())
            return within if operator == "in" else Not(within)
        if operator not in _COMPARISONS and operator != "!=":
            self.fail("expected ==, !=, in, not in, contains, starts with or ends with after a label")
        self._index += 1
        value = self.take("string", "expected a quoted value").text
        return Not(Compare(label, "==", (value,))) if operator == "!=" else Compare(label, operator, (value,))

    def _set(self) -> tuple[str, ...]:
        self.take("{", "expected { and a set of quoted values")
        values: set[str] = set()
        while self.next.kind == "string":
            values.add(self.take("string", "").text)
            if not self.accept(","):
                break
        self.take("}", "expected }")
        return tuple(sorted(values))


def _quoted(value: str) -> str:
    return f"'{value}'" if '"' in value else f'"{value}"'
