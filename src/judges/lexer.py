"""Decides by its tokens whether a program may share a translation unit with others, and rewrites it so that it can.

Sharing may change no verdict, so a program shares only if all of it is on this list; anything else is compiled alone,
which costs time, never a verdict:

- **Text.** The prelude, then at most 65,536 characters of tokens separated by blanks, tabs and line feeds: no comment,
  directive, digraph, backslash or control character; letters beyond ASCII in literals alone.
- **Tokens.** Numbers, character and string literals without prefix or suffix; operators; brackets that match, at most
  200 deep, no attribute; the keywords in `_WORDS`; names from the headers that `_WORDS` or `_HEADER_NAMES` lists, or
  that an unqualified name never means; and names that no header has. No macro but the constants of `_WORDS`, nothing
  with two underscores but what is listed.
- **Declarations at file scope.** Functions and their declarations; `typedef` of a type below; `struct NAME {...};`;
  variables of arithmetic types, of pointers, of structs and arrays of these, and a few of the library's containers of
  these and of strings and containers, without initialiser, dimension, `auto` or a type of the program's own; exactly
  one `int main()`.
- **Initialisers at file scope.** Literals, names of what is no container, and `+ - ~ ! << >> < > & | ^` between them,
  in brackets or not, and braces of literals. No `*`, `/`, `%`, `[]`, `++`, `--`, cast, call or constructor: nothing
  that can read or write through a pointer, stop the process or take long, because these initialisers run before main in
  every program of the unit.

What stands in functions runs in the program's own process alone, so nothing there is ruled out but names. Every name of
the program's own gets a suffix that no program can know. This is a lexer, not a parser, and its patterns take time
linear in the text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NamedTuple

PRELUDE = "#include <bits/stdc++.h>\n#include <string>\nusing namespace std;\n\n"
LONGEST = 1 << 16  # characters of a program that may share
DEEPEST = 200  # brackets within brackets
MOST_CONTAINERS = 16  # at file scope: each is constructed in the processes of all programs of the unit
# What stands in a shareable text for what the unit puts there: the suffix of the program's names, and what gives its
# main, and its other functions, a place of the program's own in memory.
SUFFIX, MAIN_PLACE, PLACE = "\0", "\1", "\2"

_TOKEN = re.compile(
    r"""(?P<space> [ \t\n]++ )
    | (?P<name> [A-Za-z_]\w*+ ) (?! ["'] )
    | (?P<literal>
        (?: (?: [0-9]++ \. [0-9]*+ | \. [0-9]++ ) (?: [eE] [+-]? [0-9]++ )? [fFlL]?
          | [0-9]++ [eE] [+-]? [0-9]++ [fFlL]?
          | (?: 0[xX] [0-9a-fA-F]++ | 0[bB] [01]++ | [0-9]++ ) [uUlL]{0,3}
          | " (?: [^"\\\x00-\x08\x0a-\x1f\x7f\ud800-\udfff] | \\ [ -~] )*+ "
          | ' (?: [^'\\\x00-\x08\x0a-\x1f\x7f\ud800-\udfff] | \\ [ -~] ){1,8} ' )
        (?! [\w.'"] ) )
    | (?! \[ [ \t\n]*+ \[ ) (?P<open> [\[({] )
    | (?P<close> [\])}] )
    | (?! // | /\* | <: | <% | %: | %> | :> )
      (?P<other> <<= | >>= | -> | \+\+ | -- | << | >> | && | \|\| | :: | [-+*/%<>=!&|^]= | [-+*/%<>=!&|^~?:;,.] )
    """,
    re.VERBOSE | re.ASCII,
)

# The shape of one declaration at file scope has a letter for each token. A name unknown to this table is n, new; u, a
# type of the program's own without constructors; w, its name for a container; x, a type that may have code; c, a
# container; or h, from the headers. A bracket is folded into one letter: A [dimension], L {literals}, B {anything}, D
# (parameters), Q (operands), P (anything). An operator is its text if that can be part of a type or an initialiser,
# else E.
_WORDS = {
    "m": "main",
    "s": "struct",
    "d": "typedef",
    "k": "const inline volatile",
    "0": "true false nullptr EOF NULL CHAR_BIT INT_MAX INT_MIN UINT_MAX LONG_MAX LONG_MIN ULONG_MAX LLONG_MAX "
    "LLONG_MIN ULLONG_MAX RAND_MAX DBL_MAX DBL_MIN FLT_MAX M_PI M_E stdin stdout stderr",
    "t": "bool char double float int long short signed unsigned void int8_t int16_t int32_t int64_t uint8_t "
    "uint16_t uint32_t uint64_t size_t",
    "v": "deque list map multimap multiset pair priority_queue queue set stack string tuple unordered_map "
    "unordered_multimap unordered_multiset unordered_set vector",
    "#": "and and_eq auto bitand bitor bitset break case catch char16_t char32_t class compl const_cast continue "
    "default delete do dynamic_cast else for if new noexcept not not_eq or or_eq private protected public "
    "reinterpret_cast return sizeof static_assert static_cast switch this throw try wchar_t while xor xor_eq",
    # Keywords of C++ and of GNU's, and words with a meaning in some places: these keep a program alone.
    "!": "alignas alignof asm constexpr consteval constinit co_await co_return co_yield concept char8_t decltype enum "
    "explicit export extern final friend goto import module mutable namespace operator override register requires "
    "restrict static template thread_local typeid typename typeof union using virtual linux unix i386",
}
_LETTERS = {word: letter for letter, words in _WORDS.items() for word in words.split()}

# What a program may use of the headers beside the words above: it computes, or reads and writes standard streams. These
# names tell nothing of the process or its place.
_COMPUTING = """
__builtin_clz __builtin_clzl __builtin_clzll __builtin_ctz __builtin_ctzl __builtin_ctzll __builtin_popcount
__builtin_popcountl __builtin_popcountll __gcd __int128 __lg abs accumulate acos acosh adjacent_find all_of any_of
append array asin asinh assign at atan atan2 atanh atof atoi atol atoll back back_inserter bad_alloc basic_string
begin binary_search boolalpha bsearch c_str calloc capacity cbegin cbrt ceil cend cerr cin clear clock clog close
compare complex copy copy_n copysign cos cosh count count_if cout crbegin crend data dec distance div divides
domain_error emplace emplace_back emplace_front empty end endl equal equal_range equal_to erase erf exception exit exp
exp2 expm1 fabs fail fgets fill fill_n find find_first_not_of find_first_of find_if find_if_not find_last_not_of
find_last_of first fixed flip floor flush fmax fmin fmod for_each forward fprintf fputc fputs free frexp front
function gcd generate get getchar getline gets good greater greater_equal hash hex hypot ignore includes index
inner_product inplace_merge insert invalid_argument iota is_permutation is_sorted isalnum isalpha isblank iscntrl
isdigit isgraph islower isprint ispunct isspace istream istringstream isupper isxdigit iter_swap iterator j0 j1 jn
key_comp labs lcm ldexp left length length_error less less_equal lexicographical_compare lgamma llabs llround log
log10 log1p log2 logic_error logical_and logical_not logical_or lower_bound lround make_heap make_pair make_tuple
malloc max max_element max_size mem_fn memchr memcmp memcpy memmove memset merge min min_element minmax minmax_element
minus modf modulus move multiplies negate next next_permutation none none_of noskipws not_equal_to npos nth_element
oct ostream ostringstream out_of_range overflow_error partial_sort partial_sum partition peek plus pop pop_back
pop_front pop_heap pow precision prev prev_permutation printf ptrdiff_t push push_back push_front push_heap put
putback putchar puts qsort rand random_shuffle range_error rbegin read realloc remainder remove remove_if rend replace
replace_if reserve reset resize reverse reverse_iterator rfind right rint rotate round runtime_error scanf scientific
search second set_difference set_intersection set_symmetric_difference set_union setbase setfill setprecision setw
showpoint shrink_to_fit sin sinh size skipws sort sort_heap splice sprintf sqrt srand sscanf stable_partition
stable_sort std stod stof stoi stol stold stoll stoul stoull str strcat strchr strcmp strcpy strcspn stringstream
strlen strncat strncmp strncpy strpbrk strrchr strspn strstr strtod strtok strtol strtoll strtoul substr swap
sync_with_stdio tan tanh test tgamma tie time time_t to_string to_ullong to_ulong tolower top toupper transform trunc
underflow_error unget unique unique_copy unsetf upper_bound valarray value value_comp width write ws y0 y1 yn
"""
_HEADER_NAMES = frozenset(_COMPUTING.split())

_DIMENSIONS = r"A*"
_SCALAR = r"k*+(?:t[tk]*+|uk*+)"
_CONTAINER = r"k*+(?:v(?:<[tvk,*&<>0]*>)?|w)k*+"
_ANY_TYPE = r"k*+(?:t[tk]*+|v(?:<[tvuwxk,*&<>0]*>)?k*+|[uwx]k*+)"
_OPERAND = r"(?:[0+\-~!<>&|^]|L(?![LQ])|[nQ](?![LQ]))"
_DECLARATOR = rf"\**k*n{_DIMENSIONS}(?:={_OPERAND}+)?"
_FUNCTION = re.compile(rf"tmD[BL]|{_ANY_TYPE}[*&]*nD[BL;]")
_SCALARS = re.compile(rf"{_SCALAR}{_DECLARATOR}(?:,{_DECLARATOR})*;|;")
_CONTAINERS = re.compile(rf"{_CONTAINER}\**n(?:,\**n)*;")
_TYPEDEF = re.compile(rf"d(?:(?P<u>{_SCALAR}\**n{_DIMENSIONS}|{_CONTAINER}\*+n)|(?P<w>{_CONTAINER}n));")
_STRUCT = re.compile(r"sn[BL];")
_ENDS_LATER = re.compile(r"^sn[BL]$|=L$")  # what may have a closing brace and is no function
_PLAIN_FIELDS = re.compile(r"[tuk*,nA;]*")
_FOLDS = {
    "[": ((re.compile(r"[0n+\-*/%<>&|^~]*"), "A"),),
    "{": ((re.compile(r"[0,L+\-]*"), "L"), (re.compile(".*", re.DOTALL), "B")),
    "(": ((re.compile(r"(?:[tvuwxk][tvuwxkn*&,<>0A=]*)?"), "D"), (re.compile(rf"{_OPERAND}+"), "Q")),
}
_TYPE_OPERATORS = {"<<", ">>", "&&", "::"}
_MAIN = re.compile(r"int[ \t\n]+main[ \t\n]*\([ \t\n]*(?:void[ \t\n]*)?\)[ \t\n]*\{")
_CLASS = re.compile(r"\b(?:struct|class)\b", re.ASCII)
_MEMBER = re.compile(r"(?:\.|->|::)[ \t\n]*([A-Za-z_]\w*)", re.ASCII)
_PAIRS = {")": "(", "]": "[", "}": "{"}


def is_word(name: str) -> bool:
    """Whether `name` has a meaning in C++ itself or is reserved for the compiler and its library."""
    return name.startswith("_") or "__" in name or name in _LETTERS


@dataclass(frozen=True, slots=True)
class HeaderNames:
    """What the preprocessed prelude says: all identifiers; those that an unqualified name never means; all macros."""

    all: frozenset[str]
    hidden: frozenset[str]
    macros: frozenset[str]


class Shareable(NamedTuple):
    """The text of a program after the prelude, ready to share a translation unit.

    `main` is a function that ends with SUFFIX, and so does the variable that it returns at its end: no text can close
    main's brackets and open others. `confined` is whether all code of the program stands in functions with a PLACE,
    which no other program of the unit will have in its memory; code of lambdas, classes and inline functions does not.
    `constructs` is whether it constructs something before main, which happens in all programs of the unit.
    """

    text: str
    confined: bool
    constructs: bool


def shareable(code: str, header: HeaderNames) -> Shareable | None:
    """`code` as a part of a translation unit; None if it must be compiled alone."""
    if not code.startswith(PRELUDE) or len(code) > LONGEST:
        return None
    # The hidden names are free but where they are, or could become, members that the library knows.
    members = header.hidden if _CLASS.search(code) else header.hidden.intersection(_MEMBER.findall(code))
    position = start = len(PRELUDE)
    text = last = shape = new_name = letter = ""
    mains = containers = begin = 0
    new_names: list[str] = []  # at file scope, in the present declaration
    confined = not _CLASS.search(code)
    out: list[str] = []
    outer: list[tuple[str, str]] = []  # each open bracket with the shape before it
    types: dict[str, str] = {}
    while token := _TOKEN.match(code, position):
        position, text, kind = token.end(), token[0], token.lastgroup
        if kind == "space":
            out.append(text)
            continue
        text_before, before, start = last, start, token.start()
        last = text
        if kind == "name":
            known = _letter(text, header, members)
            if known is None:
                return None
            confined = confined and text != "inline"
            letter = types.get(text, "n") if known == "n" else known
            if letter not in "nuwx" and text_before in ("struct", "class"):
                return None  # it could declare what the headers have
            if letter == "m":
                mains += 1
                if outer or shape != "t" or not _MAIN.match(code, before):
                    return None
            elif letter == "n" and not outer:
                new_name = text
                new_names.append(text)
            out.append(text + SUFFIX if known in "mn" else text)
        elif kind == "open":
            if len(outer) == DEEPEST:
                return None
            if text == "[" and (not shape or letter not in "nchuwxA0QPD"):
                confined = False  # it may begin a lambda
            main = text == "{" and shape == "tmD" and not outer
            out.append(f"{{ int end{SUFFIX} = 0; {{" if main else text)
            outer.append((text, shape))
            shape = ""
            continue
        elif kind == "close":
            if not outer or outer[-1][0] != _PAIRS[text]:
                return None
            inside = shape
            opened, shape = outer.pop()
            letter = next((letter for shape_of, letter in _FOLDS[opened] if shape_of.fullmatch(inside)), "P")
            if not outer and shape == "sn":
                types[new_name] = "u" if text == "}" and _PLAIN_FIELDS.fullmatch(inside) else "x"
            main = text == "}" and shape == "tmD" and not outer
            out.append(f"}} return end{SUFFIX}; }}" if main else text)
        else:
            out.append(text)
            letter = "0" if kind == "literal" else text if len(text) == 1 or text in _TYPE_OPERATORS else "E"
        shape += letter
        if outer or text not in ";}":
            continue
        if _FUNCTION.fullmatch(shape):
            if text == "}":
                out.insert(begin, MAIN_PLACE if "m" in shape else PLACE)
            shape = ""
        elif _STRUCT.fullmatch(shape):
            shape = ""
        elif text == "}":
            if not _ENDS_LATER.search(shape):
                return None
        elif _SCALARS.fullmatch(shape):
            shape = ""
        elif _CONTAINERS.fullmatch(shape):
            containers += len(new_names)
            types |= dict.fromkeys(new_names, "c")
            shape = ""
        else:
            typedef = _TYPEDEF.fullmatch(shape)
            if typedef is None:
                return None
            types[new_name] = typedef.lastgroup or ""
            shape = ""
        if not shape:
            begin, new_names = len(out), []
    finished = position == len(code) and mains == 1 and not outer and not shape and containers <= MOST_CONTAINERS
    return Shareable("".join(out), confined, containers > 0) if finished else None


def _letter(name: str, header: HeaderNames, members: frozenset[str]) -> str | None:
    """The letter of a name in a shape, n for a new one; None if it keeps a program alone."""
    letter = _LETTERS.get(name)
    if letter == "!" or (name in header.macros and letter != "0"):
        return None
    if letter is not None:
        return letter
    if name in _HEADER_NAMES:
        return "h"
    if "__" in name or (name[0] == "_" and name[1:2].isupper()):
        return None
    if name in header.hidden:
        return "h" if name in members else "n"
    return None if name in header.all else "n"
