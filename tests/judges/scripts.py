"""Programs in Python that mean harm, and some that only look like it: what each may come to, and its text.

@HOME@ is a folder of the user with precious.txt, @PORT@ a port that somebody listens on.
"""

HOSTILE: dict[str, tuple[str, str]] = {
    "busy_loop": ("time_limit", "while True: pass"),
    "sleeps": ("time_limit", "import time\ntime.sleep(1000)"),
    "deaf_to_signals": (
        "time_limit",
        "import signal\n"
        "for number in range(1, 65):\n"
        "    try: signal.signal(number, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\n"
        "while True: pass",
    ),
    "output_flood_deaf_to_signals": (
        "output_limit|time_limit|runtime_error",
        "import signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "while True:\n    try: print('x' * 100000)\n    except OSError: pass",
    ),
    "fork_bomb": ("runtime_error", "import os\nwhile True: os.fork()"),
    "forks_and_prints": (
        "correct",
        "import os\ntry: os.fork()\nexcept OSError: print(5)",
    ),
    "threads": (
        "runtime_error",
        "import threading\nthreads = [threading.Thread(target=lambda: None) for _ in range(100)]\n"
        "for each in threads: each.start()",
    ),
    "subprocess": ("runtime_error", "import subprocess\nprint(subprocess.check_output(['/bin/echo', '5']).decode())"),
    "shell": ("wrong_output", "import os\nos.system('echo 5')"),
    "executes_itself": (
        "runtime_error",
        "import os, sys\nos.execv(sys.executable, [sys.executable, '-c', 'print(5)'])",
    ),
    "memory_hog": ("memory_limit|runtime_error", "hog = bytearray(2000 * 2 ** 20)\nprint(5)"),
    "memory_bit_by_bit": ("memory_limit|runtime_error", "hog = []\nwhile True: hog.append(bytearray(2 ** 20))"),
    "memory_mapped": (
        "memory_limit|runtime_error",
        "import mmap\nhog = []\nwhile True:\n    each = mmap.mmap(-1, 2 ** 24, flags=mmap.MAP_PRIVATE)\n"
        "    each[:] = b'x' * 2 ** 24\n    hog.append(each)",
    ),
    "memory_shared": ("runtime_error", "import mmap\nhog = mmap.mmap(-1, 2 ** 24)\nprint(5)"),
    "recursion": ("runtime_error", "def f(): return f() + 1\nf()"),
    "recursion_without_limit": (
        "runtime_error|memory_limit",
        "import sys\nsys.setrecursionlimit(10 ** 9)\ndef f(n): return [f(n + 1)].__repr__()\nf(0)",
    ),
    "reads_passwd": ("runtime_error", "print(open('/etc/passwd').read())"),
    "reads_home": ("runtime_error", "print(open('@HOME@/precious.txt').read())"),
    "lists_home": ("runtime_error", "import os\nprint(os.listdir('@HOME@'))"),
    "looks_for_a_file": ("wrong_output", "import os\nprint(6 if not os.path.exists('@HOME@/precious.txt') else 5)"),
    "writes_home": ("runtime_error", "open('@HOME@/new.txt', 'w').write('x')\nprint(5)"),
    "writes_library": ("runtime_error", "import os\nopen(os.__file__, 'a').write('x')\nprint(5)"),
    "deletes_files": ("runtime_error", "import os\nos.remove('@HOME@/precious.txt')\nprint(5)"),
    "deletes_tree": ("wrong_output", "import shutil\nshutil.rmtree('@HOME@', ignore_errors=True)"),
    "fills_disk": (
        "runtime_error",
        "import tempfile\nwith tempfile.TemporaryFile() as file:\n    while True: file.write(b'x' * 2 ** 20)",
    ),
    "fills_descriptors": ("runtime_error", "import os\nwhile True: os.dup(1)"),
    "tcp": ("runtime_error", "import socket\nsocket.create_connection(('127.0.0.1', @PORT@))\nprint(5)"),
    "abstract_socket": (
        "runtime_error",
        "import socket\nsocket.socket(socket.AF_UNIX).connect('\\0composed-hostile-@PORT@')\nprint(5)",
    ),
    "kills_parent": ("runtime_error", "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)\nprint(5)"),
    "kills_all": ("runtime_error", "import os, signal\nos.kill(-1, signal.SIGKILL)\nprint(5)"),
    "kills_itself": ("runtime_error", "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\nprint(5)"),
    "stops_itself": ("time_limit", "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nprint(5)"),
    "ptrace": (
        "wrong_output|runtime_error",
        "import ctypes, os\nprint(ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0))",
    ),
    "becomes_root": ("runtime_error", "import os\nos.setuid(0)\nprint(5)"),
    "limits_of_its_own": (
        "runtime_error",
        "import resource\nresource.setrlimit(resource.RLIMIT_CPU, (1000, 1000))\nprint(5)",
    ),
    "reads_memory_of_the_supervisor": (
        "runtime_error",
        "import os\nprint(open(f'/proc/{os.getppid()}/mem', 'rb').read(9))",
    ),
    "environment": ("wrong_output", "import os\nprint(5 if 'TEMP_OF_JUDGE' in os.environ else 6)"),
    "writes_to_descriptors": (
        "correct",
        "import os\nfor fd in range(3, 300):\n    try: os.write(fd, b'x' * 100)\n    except OSError: pass\nprint(5)",
    ),
    "forged_results": (
        "wrong_output",
        "import os, struct\nos.write(1, struct.pack('=IIiIddQQQ', 0, 0, 0, 0, 0.0, 0.0, 0, 2, 0) + b'5\\n')",
    ),
    "nul_in_source": ("invalid", "print(5)\0"),
    "no_utf8_in_source": ("invalid", "x = '\udcff\udcfe'\nprint(5)"),
    "deep_parentheses": ("invalid", f"x = {'(' * 100000}1{')' * 100000}"),
    "deep_blocks": ("invalid", "\n".join(" " * depth + "if 1:" for depth in range(200))),
    "deep_attributes": ("invalid|runtime_error", f"x{'.a' * 300000}"),
    "deep_minus": ("invalid|correct", f"x = {'-' * 200000}1\nprint(5)"),
    "long_sum": ("invalid|correct", f"x = {'+'.join(['1'] * 200000)}\nprint(5)"),
    "folded_constant": ("correct|time_limit|memory_limit", "x = 2 ** 10 ** 5 * 3\nprint(5)"),
    "huge_power": ("time_limit|memory_limit|runtime_error", "x = 7 ** 10 ** 9\nprint(5)"),
    "huge_shift": ("time_limit|memory_limit|runtime_error", "x = 1 << 10 ** 11\nprint(5)"),
    "huge_digits": ("runtime_error", "print(str(10 ** 10000))"),
    "expression": ("time_limit", "import re\nre.match('(a+)+b', 'a' * 100)\nprint(5)"),
    "exits_early": ("correct", "import os\nos.write(1, b'5\\n')\nos._exit(0)"),
    "right_output_wrong_exit": ("runtime_error", "print(5)\nraise SystemExit(3)"),
    "right_output_then_crash": ("runtime_error", "import ctypes\nprint(5, flush=True)\nctypes.string_at(0)"),
    "says_so_itself": ("runtime_error", "raise SyntaxError('a program that compiles')"),
    "never_exits": (
        "time_limit",
        "import atexit\ndef forever():\n    while True: pass\natexit.register(forever)\nprint(5)",
    ),
    "closed_output": ("wrong_output|runtime_error", "import os\nos.close(1)"),
    "knows_its_interpreter": (
        "runtime_error",
        "import os, sys\nprint(open(os.path.join(sys.prefix, 'lib', 'x'), 'w'))",
    ),
    "escape_sequences": ("runtime_error", "import sys\nsys.stderr.write('\\x1b[2J' * 100)\nraise SystemExit(1)"),
    "error_flood": ("output_limit|runtime_error", "import sys\nwhile True: sys.stderr.write('x' * 100000)"),
}
