// expect: correct
// Functions of the C library that are the program's own: it cannot be linked statically.
#include <cstddef>
extern "C" long syscall(long, ...);
extern "C" long write(int to, const void *bytes, size_t size) { return syscall(1, to, bytes, size); }
extern "C" int __libc_start_main(...) { write(1, "5", 1); syscall(231, 0); __builtin_unreachable(); }
int main() { return 3; }
